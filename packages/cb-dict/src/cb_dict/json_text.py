"""JSON and JSONC as text that is changed in place: each change is a few splices, and the rest is not looked at.

Where a value stands is found by skimming. From there everything is local: the key is read backwards from the value, the
comma forwards. ``json`` is the text with its comments blanked, so both have the same places; strict JSON is its own.
"""

from __future__ import annotations

import re
from typing import Any, Final

from cb_dict.errors import PathError, TypeMismatch
from cb_dict.json_style import gap_before, line_start, written
from cb_dict.jsonc import blanked
from cb_dict.path import Path, index_of
from cb_dict.raw import Bytes, Raw, decoded, encoded, first, opened
from cb_dict.reading import kind, missing
from cb_dict.skim import find, offset
from cb_dict.splice import Splice

__all__ = ["JsonText"]

_SPACE: Final = b" \t\r\n"
_REST_OF_LINE: Final = re.compile(rb"[ \t]*(?://[^\n]*|/\*[^\n]*?\*/[ \t]*)?(?=\r?\n)")


class JsonText:
    """One JSON document, without a byte order mark. Methods answer with splices and change nothing."""

    def __init__(self, text: Bytes, *, comments: bool = False) -> None:
        self.text: memoryview = memoryview(text)
        self.json: memoryview = self.text
        self._trailing: frozenset[int] = frozenset()
        self._found: dict[Path, Raw] = {}
        if comments:
            clean, self._trailing = blanked(bytes(text))
            self.json = memoryview(clean)

    def find(self, where: Path) -> Raw:
        """The piece at a path. What was found on the way is kept, since a change asks for the same place often."""
        if where not in self._found:
            above = self.find(Path(where[:-1])) if len(where) > 1 else self.json
            try:
                self._found[where] = find(above, Path(where[-1:]))
            except PathError as error:
                raise missing(opened(above), Path(where[-1:]), before=Path(where[:-1])) from error
        return self._found[where]

    def value(self, where: Path) -> Any:
        """The Python value at a path."""
        return decoded(self.find(where))

    def replace(self, where: Path, value: Any) -> list[Splice]:
        """Another value where one is."""
        named = bool(where) and first(self.find(Path(where[:-1]))) == b"{"
        return self.exchange(self.find(where), value, named=named)

    def exchange(self, part: Raw, value: Any, *, named: bool) -> list[Splice]:
        """Another value for a piece of the document; *named*: it stands under a key."""
        start, end = self._span(part)
        begin = self._key(start)[0] if named else start
        flat = isinstance(value, (Raw, str, int, float, type(None)))  # looks the same wherever it stands
        own_line = not flat and self._blank(self.text, line_start(self.text, begin), begin)
        return [Splice(start, end, written(value, self.text, start, lines=own_line))]

    def insert(self, where: Path, value: Any) -> list[Splice]:
        """A value under a new key, or before the element at an index, or with ``-`` after the last one."""
        parent, step = self.find(Path(where[:-1])), where[-1]
        level = opened(parent)
        if isinstance(level, dict) and isinstance(step, str):
            members, at, label = list(level.values()), len(level), encoded(step)
        elif isinstance(level, list):
            members, at, label = level, len(level) if step == "-" else index_of(step) or 0, b""
        else:
            raise TypeMismatch(f"{Path(where[:-1]) or 'the document'} is {kind(level)} and cannot hold {step!r}")
        if at < len(members):
            start, _ = self._span(members[at])
            gap = self._gap(start, members, b"")
            new = written(value, self.text, start, lines=b"\n" in gap)
            return [Splice(start, start, new + b"," + gap)]
        return self.extend(parent, members, [(label, value)])

    def extend(self, parent: Raw, members: list[Raw], entries: list[tuple[bytes, Any]]) -> list[Splice]:
        """*entries*, each a JSON key (empty in a list) and a value, after *members*, which is all that *parent* has."""
        start, end = self._span(parent)
        return self._after_last(members, end, entries) if members else self._into_empty(start, end, entries)

    def remove(self, where: Path) -> list[Splice]:
        """Take out a value with its key and its comma, and with its line where that line is its own."""
        start, end = self._span(self.find(where))
        parent = self.find(Path(where[:-1]))
        left, right = self._span(parent)
        if first(parent) == b"{":
            start = self._key(start)[0]
        before, after = self._back(start), self._on(end)
        if bytes(self.json[after : after + 1]) == b",":  # another one follows
            begin = line_start(self.text, start)
            rest = _REST_OF_LINE.match(self.text, after + 1)
            if rest and not bytes(self.text[begin:start]).strip():
                line_end = rest.end() + (2 if bytes(self.text[rest.end() : rest.end() + 1]) == b"\r" else 1)
                return [Splice(begin, line_end, b"")]
            return [Splice(start, self._on(after + 1, b" \t"), b"")]
        trailing = next((at for at in self._trailing if end <= at < right and self._blank(self.json, end, at)), None)
        tail = end if trailing is None else trailing + 1
        if bytes(self.json[before : before + 1]) != b",":  # it is the only one
            alone = self._blank(self.text, left + 1, start) and self._blank(self.text, tail, right - 1)
            return [Splice(left + 1, right - 1, b"")] if alone else [Splice(start, tail, b"")]
        begin = line_start(self.text, start)
        if (rest := _REST_OF_LINE.match(self.text, tail)) and self._blank(self.text, begin, start):
            tail = rest.end()
            start = begin - (2 if bytes(self.text[begin - 2 : begin]) == b"\r\n" else 1)
        elif self._blank(self.text, before + 1, start):
            start = before + 1
        gone = Splice(max(start, before + 1), tail, b"")
        return [gone] if trailing is not None else [Splice(before, before + 1, b""), gone]

    def _into_empty(self, start: int, end: int, entries: list[tuple[bytes, Any]]) -> list[Splice]:
        inside = bytes(self.text[start + 1 : end - 1])
        gap = gap_before(self.text, start, deeper=True)
        new = (b"," + (gap or b" ")).join(
            label + (b": " if label else b"") + written(value, self.text, start, lines=True, deeper=True)
            for label, value in entries
        )
        if inside.strip():  # a comment: the value goes after it
            return [Splice(end - 1, end - 1, (b"" if inside.endswith(b"\n") else b"\n") + new + b"\n")]
        return [Splice(start + 1, end - 1, gap + new + gap_before(self.text, start))]

    def _after_last(self, members: list[Raw], end: int, entries: list[tuple[bytes, Any]]) -> list[Splice]:
        start, last = self._span(members[-1])
        if not self._blank(self.json, last, end - 1):  # a key that is there twice
            start, last = max(self._span(one) for one in members)
        gap = self._gap(start, members, entries[0][0])
        trailing = next((at for at in self._trailing if last <= at < end and self._blank(self.json, last, at)), None)
        here = last if trailing is None else trailing + 1
        tail = here + len(bytes(self.text[here : end - 1]).rstrip())
        before = b"\n" if b"//" in bytes(self.text[here:tail]) and b"\n" not in gap else b""
        new = before + b",".join(
            gap + label + (self._key(start)[1] if label else b"") + written(value, self.text, start, lines=b"\n" in gap)
            for label, value in entries
        )
        if trailing is not None:
            return [Splice(tail, tail, new + b",")]
        return [Splice(last, tail, b"," + bytes(self.text[here:tail]) + new)]

    def _gap(self, start: int, members: list[Raw], label: bytes) -> bytes:
        """What stands between a comma and the next member here; *start* is where the value of one is."""
        if label:
            start = self._key(start)[0]
        space = bytes(self.json[self._back(start) + 1 : start])
        if b"\n" in space:
            head, _, indent = space.rpartition(b"\n")
            return (b"\r\n" if head.endswith(b"\r") else b"\n") + indent
        if len(members) > 1:
            return space
        return b" " if not label or self._key(self._span(members[0])[0])[1].endswith(b" ") else b""

    def _span(self, part: Raw) -> tuple[int, int]:
        start = offset(part, self.json)
        return start, start + len(memoryview(part))

    def _key(self, value: int) -> tuple[int, bytes]:
        """Where the key of the value at an offset starts, and the colon after it with its spaces.

        Backwards from the closing quote, the opening one is the first that no odd number of backslashes stands before.
        """
        colon = self._back(value)
        quote = self._back(colon)
        start = quote - 1
        while True:
            if self.json[start] == ord('"'):
                slashes = start
                while self.json[slashes - 1] == ord("\\"):
                    slashes -= 1
                if (start - slashes) % 2 == 0:
                    return start, bytes(self.json[quote + 1 : value])
            start -= 1

    def _back(self, at: int) -> int:
        """The place of the last byte before *at* that is no space."""
        at -= 1
        while self.json[at] in _SPACE:
            at -= 1
        return at

    def _on(self, at: int, spaces: bytes = _SPACE) -> int:
        """The first place from *at* on that is no space."""
        while at < len(self.json) and self.json[at] in spaces:
            at += 1
        return at

    @staticmethod
    def _blank(text: memoryview, start: int, end: int) -> bool:
        return not bytes(text[start:end]).strip()
