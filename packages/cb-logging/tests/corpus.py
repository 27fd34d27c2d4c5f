"""Logs to read: records as the package writes them, with tracebacks and traps, at a pace that is known."""

from __future__ import annotations

import logging
import random
from pathlib import Path

from cb_logging import BOOK, Template

LEVELS = ["DEBUG", "INFO", "INFO", "INFO", "WARNING", "ERROR", "CRITICAL"]
TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n - [ERROR] [x] in a traceback\nValueError: v'


def make(path: Path, records: int, *, text: str = BOOK, step: float = 0.5, start: float = 1448000000) -> None:
    """Write a log of that many records, one each *step* seconds."""
    dice = random.Random(1)
    template = Template(text)
    with path.open("w", encoding="utf-8") as file:
        for number in range(records):
            name = dice.choice(LEVELS)
            level = logging.getLevelNamesMapping()[name]
            record = logging.LogRecord(
                f"shop.{dice.choice('abc')}", level, f"/srv/{dice.choice('abc')}.py", dice.randrange(99),
                dice.choice(["order %d", "a - [ERROR] [x] in message %d", "ERROR %d", "ключ %d"]), (number,), None,
            )  # fmt: skip
            record.created = start + number * step
            record.msecs = record.created % 1 * 1000
            record.threadName = dice.choice(["MainThread", "w] (x:1", "pool:1"])
            if dice.random() < 0.05:
                record.exc_text = TRACE
            file.write(template.render(record) + "\n")
