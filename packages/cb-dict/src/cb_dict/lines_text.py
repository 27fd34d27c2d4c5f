"""JSON Lines as text that is changed in place: a list of documents, one a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cb_dict.errors import EditRefused, ParseError
from cb_dict.json_text import JsonText
from cb_dict.path import Path, index_of
from cb_dict.raw import Bytes, Raw, decoded, encoded
from cb_dict.reading import missing
from cb_dict.skim import whole
from cb_dict.splice import Splice

__all__ = ["LinesText", "records"]


def records(text: Bytes) -> Iterator[tuple[int, int, int]]:
    """The number from 1, the start and the end of every line that is not blank."""
    view = memoryview(text)
    size, at, number = len(view), 0, 0
    step = 1 << 16
    while at < size:
        number += 1
        end, look = -1, at
        while end < 0 and look < size:
            found = bytes(view[look : look + step]).find(b"\n")
            end = look + found if found >= 0 else -1
            look += step
        end = size if end < 0 else end
        if bytes(view[at:end]).strip():
            yield number, at, end
        at = end + 1


class LinesText:
    """JSON Lines without a byte order mark. The first step of a path is the index of a line."""

    def __init__(self, text: Bytes) -> None:
        self.text: memoryview = memoryview(text)
        self._spans: list[tuple[int, int, int]] = list(records(text))

    def find(self, where: Path) -> Any:
        if not where:
            return [self._checked(span) for span in self._spans]
        return self._line(where)[1].find(Path(where[1:]))

    def replace(self, where: Path, value: Any) -> list[Splice]:
        if not where:
            if not isinstance(value, list):
                raise EditRefused("JSON Lines is a list of records: nothing else can take its place (see convert)")
            return [Splice(0, len(self.text), b"".join(encoded(one) + b"\n" for one in value))]
        start, line = self._line(where)
        if len(where) == 1:
            new = bytes(value) if isinstance(value, Raw) else encoded(value)
            return [Splice(start, start + len(bytes(line.text).rstrip()), new)]
        return [_moved(one, start) for one in line.replace(Path(where[1:]), value)]

    def insert(self, where: Path, value: Any) -> list[Splice]:
        if len(where) > 1:
            start, line = self._line(where)
            return [_moved(one, start) for one in line.insert(Path(where[1:]), value)]
        new = bytes(value) if isinstance(value, Raw) else encoded(value)
        index = len(self._spans) if where[0] == "-" else index_of(where[0])
        if index is not None and index < len(self._spans):
            start = self._spans[index][1]
            return [Splice(start, start, new + b"\n")]
        size = len(self.text)
        ended = not size or bytes(self.text[-1:]) == b"\n"
        return [Splice(size, size, new + b"\n" if ended else b"\n" + new)]

    def remove(self, where: Path) -> list[Splice]:
        start, line = self._line(where)
        if len(where) > 1:
            return [_moved(one, start) for one in line.remove(Path(where[1:]))]
        return [Splice(start, min(start + len(line.text) + 1, len(self.text)), b"")]

    def _line(self, where: Path) -> tuple[int, JsonText]:
        index = index_of(where[0])
        if index is None or not -len(self._spans) <= index < len(self._spans):
            raise missing(self._spans, where, before=Path())
        _, start, end = self._spans[index]
        if len(where) > 1:
            self._checked(self._spans[index])
        return start, JsonText(self.text[start:end])

    def _checked(self, span: tuple[int, int, int]) -> Raw:
        number, start, end = span
        try:
            return whole(self.text[start:end])
        except ParseError as error:
            raise ParseError(str(error.args[0]), line=number, column=error.column) from error

    def value(self, where: Path) -> Any:
        """The Python value at a path."""
        found = self.find(where)
        return [decoded(one) for one in found] if isinstance(found, list) else decoded(found)


def _moved(one: Splice, by: int) -> Splice:
    return Splice(one.start + by, one.end + by, one.new)
