"""What a cell looks like: number, date, word, or nothing that anybody would write into a cell."""

from __future__ import annotations

import re

__all__ = ["STRONG", "kind_of", "plausible"]

_NUMBER = re.compile(
    r"[-+]?(?:[$€£¥]\s?)?(?:\d+(?:[.,]\d+)?|\d{1,3}(?:[,. '\u2019]\d{3})+(?:[.,]\d+)?|[.,]\d+)"
    r"(?:[eE][-+]?\d+)?\s?[%€$£¥]?|\([\d.,]+\)"
)
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})|\d{1,2}[- ][A-Za-z]{3,9}[- ,]+\d{2,4}"
    r"|[A-Z][a-z]{2,8} \d{1,2}, ?\d{4}"
)
_TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp]\.?[Mm]\.?)?(?:Z| ?[-+]\d{2}:?\d{2})?")
_MOMENT = re.compile(rf"(?:{_DATE.pattern})[T ]+(?:{_TIME.pattern})(?: ?[A-Z]{{2,5}})?")
_ADDRESS = re.compile(
    r"[^\s@,;|]+@[^\s@,;|]+\.\w+|(?:https?|ftp)://[^\s\"|;]+|(?:\d{1,3}\.){3}\d{1,3}(?:/\d+)?|[\da-fA-F]{8}(?:-[\da-fA-F]{4}){3}-[\da-fA-F]{12}"
)
_WORD = re.compile(r"\w+(?:[-_.'/]\w+)*")
_TEXT = re.compile(r"[^\s\"'\t|;^~\x00-\x1f\\][^\"\t|;^~\x00-\x1f\\]*")
_MIXED = re.compile(r"[,;:][^\s/]")
_WORTH = {
    "empty": 0.95,
    "number": 1.0,
    "date": 1.0,
    "time": 1.0,
    "moment": 1.0,
    "address": 1.0,
    "word": 1.0,
    "text": 0.9,
}

STRONG: frozenset[str] = frozenset({"number", "date", "time", "moment", "address"})
"""Kinds that a whole column has for a reason."""


def kind_of(cell: str) -> str:
    """What the cell looks like, in one word.

    One of empty, number, date, time, moment (both), address (mail, web, IP, UUID), word, text, mixed (text with what
    may be delimiters), odd.

    >>> [kind_of(cell) for cell in ("", "1.234,5", "2024-02-30", "12:30", "a@b.org", "a_b", "a, b", "a:b c", '"x')]
    ['empty', 'number', 'date', 'time', 'address', 'word', 'text', 'mixed', 'odd']
    """
    cell = cell.strip()
    if not cell:
        return "empty"
    if cell.isdecimal():
        return "number"
    if cell.isalpha():
        return "word"
    if cell[0].isdigit() or cell[0] in "-+.,($€£¥":
        if _NUMBER.fullmatch(cell):
            return "number"
        if _DATE.fullmatch(cell):
            return "date"
        if _TIME.fullmatch(cell):
            return "time"
        if _MOMENT.fullmatch(cell):
            return "moment"
    if _WORD.fullmatch(cell):
        return "word"
    if _ADDRESS.fullmatch(cell):
        return "address"
    if _DATE.fullmatch(cell) or _MOMENT.fullmatch(cell):
        return "date"
    if not _TEXT.fullmatch(cell):
        return "odd"
    return "mixed" if _MIXED.search(cell) else "text"


def plausible(kind: str) -> float:
    """How much a cell of this kind speaks for having been cut out rightly, from 0 to 1."""
    return _WORTH.get(kind, 0.1)
