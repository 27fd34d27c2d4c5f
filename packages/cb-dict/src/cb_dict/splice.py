"""A change of a text: what stands from ``start`` to ``end`` becomes ``new``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

__all__ = ["Splice", "pieces"]


class Splice(NamedTuple):
    """Offsets are bytes of the document."""

    start: int
    end: int
    new: bytes


def pieces(text: Any, splices: Iterable[Splice]) -> Iterator[memoryview | bytes]:
    """The changed text in pieces, those that stay as views: nothing large is copied."""
    view = memoryview(text)
    at = 0
    for one in sorted(splices):
        assert at <= one.start, "two changes of the same place"
        yield view[at : one.start]
        yield one.new
        at = one.end
    yield view[at:]
