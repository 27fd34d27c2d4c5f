"""A file from end to end: clean pieces are worked off here, in one process or several; damaged ones are handed out.

Several processes take segments in turn; each reads and writes its own. Where a segment's first record starts depends on
whether a quote is open there: there are two places at most, and at the wrong one next to nothing can be proved. So each
worker begins at once where it can prove something. When its turn comes it is told where the records before really end:
if that is another place it begins anew. It is told, too, how long the output before is, tells its successor the same of
its own, and writes while that one does. A segment that cannot be proved clean stops those behind it; what was proved
before it is kept, and one process goes on from there.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from cb_csv.errors import CsvError
from cb_csv.shape import Proof
from cb_csv.sink import Sink
from cb_csv.walk import PIECE, Piece, Walker

__all__ = ["ALONE", "SEGMENT", "Emit", "sweep"]

Emit = Callable[[bytes, Proof], bytes]
"""Makes output of a clean piece."""

SEGMENT: int = 1 << 21
"""Bytes that a worker takes at a time."""
ALONE: int = 1 << 25
"""Bytes that one process reads after a damaged place, before several go on."""
_TOKEN = struct.Struct("=qqqq")
_STOP = -1


def sweep(
    walker: Walker,
    *,
    workers: int = 1,
    emit: Emit | None = None,
    out: Sink | None = None,
    progress: Callable[[int], object] | None = None,
) -> Iterator[Piece]:
    """Yield the damaged pieces; write what *emit* makes of the others to *out*, in order.

    Several workers need a plain UTF-8 file, a dialect without escapes, a system with ``fork``, and a process without
    other threads; elsewhere one does the work.
    """
    many = workers > 1 and _can_split(walker, out)
    alone_until = 0
    while True:
        if many and walker.source.size - walker.byte > 2 * SEGMENT:
            _Ring(walker, workers, emit, out, progress).run()
            alone_until = walker.byte + ALONE
        for piece in walker:
            if progress:
                progress(walker.byte)
            if piece.proof is None:
                yield piece
            elif emit and out:
                out.write(emit(piece.data, piece.proof))
            if many and piece.proof and walker.byte > alone_until and walker.source.size - walker.byte > ALONE:
                break
        else:
            return


def _can_split(walker: Walker, out: Sink | None) -> bool:
    return (
        hasattr(os, "fork")
        and threading.active_count() == 1
        and walker.source.plain
        and walker.dialect.escapechar is None
        and (out is None or out.shared)
    )


@dataclass(slots=True)
class _State:
    """Where the work stands: in the source, in the output, in records and lines."""

    byte: int
    written: int
    record: int
    line: int


class _Ring:
    """Workers in a ring, each with a pipe to the next; this process is the first of them."""

    def __init__(
        self,
        walker: Walker,
        workers: int,
        emit: Emit | None,
        out: Sink | None,
        progress: Callable[[int], object] | None,
    ) -> None:
        self._walker = walker
        self._emit, self._out, self._progress = emit, out, progress
        self._begun = _State(walker.byte, out.written if out else 0, walker.record, walker.line)
        self._size = walker.source.size
        self._segments = -(-(self._size - walker.byte) // SEGMENT)
        self._count = min(workers, self._segments)

    def run(self) -> None:
        """Do as much as can be done; leave the walker, and the output, where one process has to go on."""
        links = [os.pipe() for _ in range(self._count)]
        answer, tell = os.pipe()
        children: list[int] = []
        if self._out is not None:
            self._out.flush()
        for number in range(1, self._count):
            child = os.fork()
            if child == 0:
                self._live(number, links, answer, tell)
            children.append(child)
        os.close(tell)
        end: object = None
        try:
            end = self._work(0, _own_ends(links, 0))
        except _Broken:
            end = None  # told by the worker that ended, or by none
        finally:
            told = _read_all(answer)  # until the last worker is gone
            os.close(answer)
            for child in children:
                os.waitpid(child, 0)
        if told:
            import pickle

            end = pickle.loads(told)  # noqa: S301 - from our own child
        if isinstance(end, BaseException):
            raise end
        if not isinstance(end, _State):
            raise CsvError(f"{self._walker.source.name}: a worker process was killed (run again, or with --workers 1)")
        if self._out is not None:
            self._out.move_to(end.written)
        self._walker.resume(end.byte, end.record, end.line)

    def _live(self, number: int, links: list[tuple[int, int]], answer: int, tell: int) -> NoReturn:
        """A worker's whole life. Nothing of what the parent is in the middle of may be run here, whatever happens."""
        try:
            os.close(answer)
            try:
                self._walker.source.reopen()
                end: object = self._work(number, _own_ends(links, number))
            except Exception as error:  # noqa: BLE001 - raised in the parent
                end = None if isinstance(error, _Broken) else error
            if end is not None:
                import pickle

                os.write(tell, pickle.dumps(end))
        finally:
            os._exit(0)

    def _work(self, number: int, ends: tuple[int, int]) -> _State | None:
        """Do every so-many-th segment. The worker that ends the work returns where it stands."""
        try:
            for segment in range(number, self._segments, self._count):
                state = self._do(segment, *ends)
                if state is not None:
                    return state
                if self._progress and number == 0:
                    self._progress(min(self._size, self._begun.byte + (segment + self._count) * SEGMENT))
        except _Stopped:
            _send(ends[1], _STOP, 0, 0, 0)
        finally:
            for end in ends:
                os.close(end)
        return None

    def _do(self, segment: int, incoming: int, outgoing: int) -> _State | None:
        """One segment; where the work stands if it ends here."""
        walker, out = self._walker, self._out
        begin = self._begun.byte + segment * SEGMENT
        stop = min(begin + SEGMENT, self._size)
        start, made = -1, list[bytes]()
        for start in self._starts(begin) if segment else [begin]:
            made = self._prove(start, stop)
            if walker.byte > start:
                break
        before = _State(*_receive(incoming)) if segment else self._begun
        if before.byte != start:
            made = self._prove(before.byte, stop)
        written = before.written + sum(map(len, made))
        after = _State(walker.byte, written, before.record + walker.record, before.line + walker.line)
        ended = stop == self._size or walker.doubtful or walker.byte == before.byte
        if out is not None and out.descriptor is None:  # one after the other
            out.write_encoded(made)
            out.flush()
        if stop < self._size:
            _send(outgoing, *((_STOP, 0, 0, 0) if ended else (after.byte, after.written, after.record, after.line)))
        if out is not None and out.descriptor is not None:  # all at once
            _write_at(out.descriptor, made, before.written)
        return after if ended else None

    def _starts(self, byte: int) -> list[int]:
        """Where the last record before a place may end: if no quote is open there, and if one is; the nearer first."""
        shape = self._walker.shape
        data = self._walker.source.before(byte, PIECE)
        found: dict[int, int] = {}
        odd, end = 0, len(data)
        while len(found) < 2 and (cut := data.rfind(shape.newline[-1:], 0, end) + 1):
            odd ^= data.count(shape.quote, cut, end + 1) & 1 if shape.quote else 0
            found.setdefault(odd, byte - len(data) + cut)
            if not shape.quote:
                break
            end = cut - 1
        return list(found.values())

    def _prove(self, start: int, stop: int) -> list[bytes]:
        """Output of the clean pieces between two places; the walker tells how far that is."""
        self._walker.resume(start, 0, 0, stop=stop)
        emit, out = self._emit, self._out
        made = [emit(one.data, one.proof) if emit and one.proof else b"" for one in self._walker.clean()]
        return [out.encoded(data) for data in made] if out else []


class _Stopped(Exception):
    """A worker before this one found something that is not clean."""


class _Broken(Exception):
    """A worker is gone."""


def _own_ends(links: list[tuple[int, int]], number: int) -> tuple[int, int]:
    """Close all ends but those of worker *number*: an end that nobody holds tells that its holder is gone."""
    mine = links[number - 1][0], links[number][1]
    for end in (end for pair in links for end in pair if end not in mine):
        os.close(end)
    return mine


def _send(descriptor: int, *numbers: int) -> None:
    try:
        os.write(descriptor, _TOKEN.pack(*numbers))
    except BrokenPipeError:  # the successor has nothing left to do, or is gone: then it is noticed elsewhere
        return


def _receive(descriptor: int) -> tuple[int, int, int, int]:
    data = b""
    while len(data) < _TOKEN.size:
        more = os.read(descriptor, _TOKEN.size - len(data))
        if not more:
            raise _Broken
        data += more
    first, second, third, fourth = _TOKEN.unpack(data)
    if first == _STOP:
        raise _Stopped
    return first, second, third, fourth


def _write_at(descriptor: int, pieces: list[bytes], offset: int) -> None:
    for piece in pieces:
        view = memoryview(piece)
        while view:
            count = os.pwrite(descriptor, view, offset)
            offset += count
            view = view[count:]


def _read_all(descriptor: int) -> bytes:
    data = b""
    while more := os.read(descriptor, 65536):
        data += more
    return data
