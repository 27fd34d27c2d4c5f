"""The public API, type-checked from outside."""

from __future__ import annotations

import datetime as dt

import cb_riddles
from cb_riddles import Choice, faults, grade, option_key, option_order, share, streak
from cb_riddles.formats import gift, jsonl
from cb_riddles.formats.record import Fault, Record
from cb_riddles.importing import Report, load
from cb_riddles.models import Riddle
from cb_riddles.playing import Outcome, answer, find

version: str = cb_riddles.__version__
right: bool = grade([Choice(1, "A piano", correct=True), Choice(2, "A map")], {1})
wrong: list[str] = faults("What has keys?", [("A piano", True)])
key: str = option_key("secret", 1)
order: list[int] = option_order("secret", "ada", [1, 2])
days: int = streak({dt.date(2026, 3, 1)}, dt.date(2026, 3, 2))
shared: str = share([False, True], dt.date(2026, 3, 1), days, "https://example.org/today/")

text: str = Riddle.objects.newest(5)[0].riddle_text
published: dt.datetime = Riddle.objects.published()[0].pub_date
daily: Riddle | None = Riddle.objects.of_the_day(dt.date(2026, 3, 1))
outcome: Outcome = answer(find(1), "ada", [key])
report: Report = load(jsonl.loads(["{}"]), dry_run=True, on_duplicate="update")
records: list[Record | Fault] = list(gift.loads(["What has keys? {=A piano ~A map}"]))
