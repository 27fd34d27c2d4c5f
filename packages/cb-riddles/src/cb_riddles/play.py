"""The rules of the game, as pure functions: no Django, no clock, no I/O.

Nothing that a visitor may see before the answer (:func:`option_key`, :func:`option_order`) is given the correct flag:
it cannot depend on it.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

TEXT_LENGTH = 255
"""How long a riddle's text and an option's may be, in characters."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One possible answer of a riddle."""

    id: int
    text: str
    correct: bool = False


def faults(riddle_text: str, options: Sequence[tuple[str, bool]], translate: Callable[[str], str] = str) -> list[str]:
    """Return what is wrong with a riddle and its *options* (text, correct), each as one line; empty when all is well.

    A riddle has a text, at least two different options, and at least one of them is correct. The lines are English,
    unless *translate* knows them in another language.

    >>> faults("What has keys and opens no lock?", [("A piano", True), ("A map", False)])
    []
    >>> faults("What has keys and opens no lock?", [("A piano", False)])
    ['a riddle needs two options at least, not 1', 'no option is correct']
    """
    _ = translate
    texts = [option[0].strip() for option in options]
    found = []
    if not riddle_text.strip():
        found.append(_("the riddle has no text"))
    for text in (riddle_text, *texts):
        if len(text) > TEXT_LENGTH:
            found.append(
                _("'{text}...' has {count} characters (at most {most})").format(
                    text=text[:20], count=len(text), most=TEXT_LENGTH
                )
            )
        if "\0" in text:
            found.append(_("{text!r} holds a NUL character").format(text=text[:20]))
    if len(texts) < 2:
        found.append(_("a riddle needs two options at least, not {count}").format(count=len(texts)))
    if not all(texts):
        found.append(_("an option has no text"))
    if twice := sorted({text for text in texts if text and texts.count(text) > 1}):
        found.append(_("the option {text!r} is there twice").format(text=twice[0]))
    if options and not any(correct for _text, correct in options):
        found.append(_("no option is correct"))
    return found


def grade(choices: Iterable[Choice], chosen: Collection[int]) -> bool:
    """Return whether *chosen*, ids of choices, are all the correct choices and no other.

    Raises:
        KeyError: An id is no choice of this riddle, or none is chosen.

    >>> both = [Choice(1, "A piano", correct=True), Choice(2, "A map"), Choice(3, "A typewriter", correct=True)]
    >>> grade(both, {1, 3}), grade(both, {1}), grade(both, {1, 2, 3})
    (True, False, False)
    """
    all_of_them = {choice.id: choice.correct for choice in choices}
    if not chosen:
        raise KeyError("none chosen")
    if strange := sorted(set(chosen) - all_of_them.keys()):
        raise KeyError(strange[0])
    return set(chosen) == {id_ for id_, correct in all_of_them.items() if correct}


def _digest(secret: str, said: str) -> hashlib.blake2b:
    return hashlib.blake2b(said.encode(), key=hashlib.sha256(secret.encode()).digest(), digest_size=12)


def option_key(secret: str, option_id: int) -> str:
    """Return the name by which the public knows an option: it says nothing of when or where the option was written.

    An author tends to write the correct option first, so that ids in a page would be a hint.

    >>> option_key("secret", 1)
    'BkHWMzU1Ye0517PJ'
    """
    return base64.urlsafe_b64encode(_digest(secret, f"option\0{option_id}").digest()).decode()


def option_order(secret: str, player: str, option_ids: Iterable[int]) -> list[int]:
    """Return the ids in the order in which *player* sees them: shuffled, and the same at each visit.

    >>> option_order("secret", "ada", [1, 2, 3, 4]) == option_order("secret", "ada", [4, 3, 2, 1])
    True
    """
    begun = _digest(secret, f"order\0{player}\0")

    def place(id_: int) -> bytes:
        digest = begun.copy()
        digest.update(b"%d" % id_)
        return digest.digest()

    return sorted(option_ids, key=place)


def streak(days: Collection[date], today: date) -> int:
    """Return on how many days in a row there was a right answer, up to *today* or, while it lasts, yesterday.

    >>> streak({date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)}, date(2026, 3, 4))
    3
    >>> streak({date(2026, 3, 1)}, date(2026, 3, 4))
    0
    """
    day = today if today in days else today - timedelta(days=1)
    length = 0
    while day in days:
        length += 1
        day -= timedelta(days=1)
    return length


def share(results: Sequence[bool], day: date, days: int, url: str) -> str:
    """Return what a player may send to others of the riddle of the *day*: how it went, and nothing of the riddle.

    *results* are the answers in their order, *days* the streak.

    >>> print(share([False, True], date(2026, 3, 1), 4, "https://example.org/today/"))
    2026-03-01 ✗✓ (4)
    https://example.org/today/
    """
    marks = "".join("✓" if right else "✗" for right in results[-20:])
    return f"{day.isoformat()} {marks} ({days})\n{url}"
