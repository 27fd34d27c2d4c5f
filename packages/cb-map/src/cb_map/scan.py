"""Where the elements of a JSON array end, found by brackets and strings alone, a block at a time."""

from __future__ import annotations

import re

from cb_map.reading import BOM

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_SPACE = b" \t\r\n"


class Elements:
    """Feed blocks, get elements with line and column. Outside of an array, each value that ends in a bracket is one.

    Elements come without white space around them. What stands between elements and is none, and an array that is cut
    off, come as elements as well: they cannot be decoded, and so are reported where they stand.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0
        """How far the buffer has been looked through."""
        self._begin = 0
        """Where the element at hand begins."""
        self._depth = 0
        self._array: bool | None = None
        self._comma = False
        self._line = 1
        self._column = 1
        self._found: list[tuple[int, int, bytes]] = []

    def feed(self, data: bytes, *, last: bool = False) -> list[tuple[int, int, bytes]]:
        """Elements that end in *data*; with *last* also what is left. O(data), but for what the last element has."""
        self._buffer = self._buffer[self._begin :] + data
        self._at -= self._begin
        self._begin = 0
        if self._array is None and not self._open(last):
            return []
        self._found = []
        for token in _TOKEN.finditer(self._buffer, self._at):
            if self._buffer[token.start()] == 0x22 and token.end() == len(self._buffer) and not last:
                self._at = token.start()  # the string may go on in the next block
                break
            self._take(self._buffer[token.start()], token.start(), token.end())
            self._at = token.end()
        else:
            self._at = len(self._buffer)
        if last:
            self._rest()
        return self._found

    def _open(self, last: bool) -> bool:  # noqa: FBT001  # private
        """Whether the buffer shows what comes: an array, or values one after another."""
        if not last and BOM.startswith(self._buffer):
            return False
        text = self._buffer.removeprefix(BOM)
        body = text.lstrip(_SPACE)
        if not body:
            return False
        self._skip(text[: len(text) - len(body)])
        self._array = body[:1] == b"["
        if self._array:
            self._skip(b"[")
            body = body[1:]
        self._buffer = body
        return True

    def _take(self, mark: int, start: int, end: int) -> None:
        if mark in b"[{":
            self._depth += 1
        elif mark in b"]}":
            self._depth -= 1
            if self._depth < 0 and self._array:
                self._emit(start, end, empty=self._comma)
                self._array = False  # what follows the array is told as well
                self._depth = 0
            elif self._depth <= 0 and not self._array:
                self._emit(end, end)
                self._depth = 0
        elif mark == 0x2C and self._depth == 0 and self._array:
            self._emit(start, end, empty=True)
            self._comma = True

    def _emit(self, stop: int, after: int, *, empty: bool = False) -> None:
        """The element up to *stop*; the next one begins *after*. An empty one counts only between commas."""
        whole = self._buffer[self._begin : stop]
        element = whole.strip(_SPACE)
        self._skip(whole[: len(whole) - len(whole.lstrip(_SPACE))])
        if element or empty:
            self._found.append((self._line, self._column, element))
        self._skip(self._buffer[self._begin + len(whole) - len(whole.lstrip(_SPACE)) : after])
        self._begin = after

    def _rest(self) -> None:
        end = len(self._buffer)
        self._emit(end, end)
        if self._array and self._depth == 0:
            self._found.append((self._line, self._column, b""))  # the bracket that closes is missing

    def _skip(self, passed: bytes) -> None:
        breaks = passed.count(b"\n")
        self._line += breaks
        self._column = len(passed) - passed.rfind(b"\n") if breaks else self._column + len(passed)
