"""What all formats have in common: a riddle as it stands in a file, and what is wrong with one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


class Malformed(ValueError):
    """What stands in a file is not what the format wants; the message says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """A riddle as it stands in a file, at *line*."""

    riddle_text: str
    options: tuple[tuple[str, bool], ...]
    hint: str = ""
    explanation: str = ""
    category: str = ""
    pub_date: datetime | None = None
    line: int = field(default=0, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What the file says and a riddle cannot hold."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something at *line* that is no riddle, and why."""

    line: int
    reason: str


def when(text: str) -> datetime | None:
    """Return the moment that *text* names in ISO 8601, with its zone; None for nothing.

    Raises:
        ValueError: It names none, or has no zone.
    """
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone (write 2026-03-01T12:00:00Z)")
    return moment
