"""What skimming passes over: text that is not UTF-8, and keys that are there twice."""

from __future__ import annotations

import codecs
import re
from typing import Final

from cb_dict.errors import ParseError
from cb_dict.raw import Bytes, decoded, position

__all__ = ["check_keys", "check_utf8"]

_CHUNK: Final = 1 << 20
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"(\s*:)?|[{}\[\]]')


def check_utf8(text: Bytes) -> None:
    """Raise ``ParseError`` with the place of the first byte that is no UTF-8. Memory does not grow with the text."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(text)
    for at in range(0, len(view), _CHUNK):
        waiting = len(decoder.getstate()[0])
        try:
            decoder.decode(view[at : at + _CHUNK], final=at + _CHUNK >= len(view))
        except UnicodeDecodeError as error:
            line, column = position(view, at - waiting + error.start)
            raise ParseError("a byte that is no UTF-8 (convert the file first)", line=line, column=column) from error


def check_keys(text: Bytes) -> None:
    """Raise ``ParseError`` with the place of the first key that its JSON object has already. Some 10 MB a second."""
    levels: list[set[str] | None] = []
    for token in _TOKEN.finditer(text):
        start = token[0][:1]
        if start == b"{":
            levels.append(set())
        elif start == b"[":
            levels.append(None)
        elif start in b"}]":
            levels.pop()
        elif token[1] and (keys := levels[-1]) is not None:
            key = decoded(token[0][: -len(token[1])])
            if key in keys:
                line, column = position(text, token.start())
                raise ParseError(f"the key {key!r} is there twice (remove one)", line=line, column=column)
            keys.add(key)
