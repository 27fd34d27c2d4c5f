"""JSON with comments: made JSON of the same length, so that every place in it is the same place in the original."""

from __future__ import annotations

import re
from typing import Final

from cb_dict.errors import ParseError
from cb_dict.raw import position

__all__ = ["blanked"]

_TOKEN: Final = re.compile(
    rb"""("(?:[^"\\]|\\.)*") | (//[^\n]*|/\*.*?\*/) | (,)(?=(?>(?:\s|//[^\n]*|/\*.*?\*/)*)[\]}]) | (/\*)""",
    re.DOTALL | re.VERBOSE,
)
_INK: Final = re.compile(rb"[^\r\n]")


def blanked(text: bytes) -> tuple[bytes, frozenset[int]]:
    """*text* with spaces for comments and trailing commas, and where those commas were.

    Raises ``ParseError`` for a comment that does not end.

    >>> blanked(b'{"a": 1, /* one */ "b": "//",}')
    (b'{"a": 1,           "b": "//" }', frozenset({28}))
    """
    commas: set[int] = set()

    def blank(found: re.Match[bytes]) -> bytes:
        string, comment, comma, _ = found.groups()
        if string:
            return string
        if comment:
            return _INK.sub(b" ", comment)
        if comma:
            commas.add(found.start())
            return b" "
        line, column = position(text, found.start())
        raise ParseError("a comment that does not end (close it with */)", line=line, column=column)

    return _TOKEN.sub(blank, text), frozenset(commas)
