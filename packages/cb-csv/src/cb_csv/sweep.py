"""A file from end to end: clean pieces are worked off here, in one process or several; damaged ones are handed out.

Several processes take segments in turn. Where a segment's first record starts depends on whether a quote is open there,
that is on the number of quotes before it: each worker counts those of its segment and tells its successor, long before
either has done its work. Where a segment's output goes depends on the length of all output before; that is told in the
same order, and then all write at once, each to its own place. A segment that cannot be proved clean stops those behind
it, whose start it had put in doubt; what was proved before it is kept, and one process goes on from there.
"""

from __future__ import annotations

import os
import pickle
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from cb_csv.errors import CsvError
from cb_csv.shape import Proof
from cb_csv.sink import Sink
from cb_csv.walk import PIECE, Piece, Walker, find_cut

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
        if many and (walker.source.size or 0) - walker.byte > 2 * SEGMENT:
            _Ring(walker, workers, emit, out, progress).run()
            alone_until = walker.byte + ALONE
        for piece in walker:
            if progress:
                progress(walker.byte)
            if piece.proof is None:
                yield piece
            elif emit and out:
                out.write(emit(piece.data, piece.proof))
            if many and piece.proof and walker.byte > alone_until and (walker.source.size or 0) - walker.byte > ALONE:
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
        self._shape = walker.shape
        self._emit, self._out, self._progress = emit, out, progress
        self._segment = SEGMENT
        self._start, self._size = walker.byte, walker.source.size or 0
        self._count = min(workers, -(-(self._size - self._start) // SEGMENT))
        self._newline = walker.newline[-1].encode()

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
        end = pickle.loads(told) if told else end  # noqa: S301 - from our own child
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
                end: object = self._work(number, _own_ends(links, number))
            except Exception as error:  # noqa: BLE001 - raised in the parent
                end = None if isinstance(error, _Broken) else error
            if end is not None:
                os.write(tell, pickle.dumps(end))
        finally:
            os._exit(0)

    def _work(self, number: int, ends: tuple[int, int]) -> _State | None:
        """Do every so-many-th segment. The worker that ends the work returns where it stands."""
        descriptor = os.open(self._walker.source.path or "", os.O_RDONLY)
        try:
            for segment in range(number, -(-(self._size - self._start) // self._segment), self._count):
                state = self._do(segment, descriptor, *ends)
                if state is not None:
                    return state
                if self._progress and number == 0:
                    self._progress(min(self._size, self._start + (segment + self._count) * self._segment))
        except _Stopped:
            _send(ends[1], _STOP, 0, 0, 0)
        finally:
            for one in (descriptor, *ends):
                os.close(one)
        return None

    def _do(self, segment: int, descriptor: int, incoming: int, outgoing: int) -> _State | None:
        """One segment; where the work stands if it ends here."""
        begin = self._start + segment * self._segment
        data = os.pread(descriptor, self._segment, begin)
        odd = _receive(incoming)[0] if segment else 0
        quote = self._shape.quote
        behind = odd ^ (data.count(quote) & 1 if quote else 0)
        last = begin + len(data) >= self._size
        if not last:
            _send(outgoing, behind, 0, 0, 0)
        first = _after_record(data, odd, quote, self._newline) if segment else 0
        if first < 0:  # all of it belongs to a record that began before
            data, first = b"", 0
        elif not last:
            data += self._rest(descriptor, begin + len(data), behind)
        out, records, lines, stopped = self._prove(data, first)
        size = sum(map(len, out))
        if segment:
            state = _State(*_receive(incoming))
        else:
            state = _State(self._start, self._out.written if self._out else 0, self._walker.record, self._walker.line)
        after = _State(state.byte + stopped - first, state.written + size, state.record + records, state.line + lines)
        clean = stopped == len(data)
        turn = (after.byte, after.written, after.record, after.line) if clean else (_STOP, 0, 0, 0)
        if self._out is not None and self._out.descriptor is None:  # one after the other
            self._out.write_encoded(out)
            self._out.flush()
        if not last:
            _send(outgoing, *turn)
        if self._out is not None and self._out.descriptor is not None:  # all at once
            _write_at(self._out.descriptor, out, state.written)
        return after if last or not clean else None

    def _rest(self, descriptor: int, begin: int, odd: int) -> bytes:
        """What follows a segment up to the end of its last record."""
        size = PIECE
        while True:
            data = os.pread(descriptor, size, begin)
            end = _after_record(data, odd, self._shape.quote, self._newline)
            if end >= 0:
                return data[:end]
            if len(data) < size:
                return data
            size *= 4

    def _prove(self, data: bytes, start: int) -> tuple[list[bytes], int, int, int]:
        """Output of the clean pieces from *start*; how many records and lines; where the first other one starts."""
        out: list[bytes] = []
        records = lines = 0
        size = PIECE
        while start < len(data):
            end = len(data)
            if end - start > size:
                end = find_cut(data, start, size, self._shape.quote, self._newline)
                if end == start:
                    size *= 2
                    continue
            piece = data[start:end]
            proof = self._shape.prove(piece)
            if proof is None:
                break
            records += proof.records
            lines += piece.count(self._newline)
            if self._emit and self._out:
                out.append(self._out.encoded(self._emit(piece, proof)))
            start, size = end, PIECE
        return out, records, lines, start


class _Stopped(Exception):
    """A worker before this one found something that is not clean."""


class _Broken(Exception):
    """A worker is gone."""


def _after_record(data: bytes, odd: int, quote: bytes, newline: bytes) -> int:
    """Where the first record starts behind a line break outside of quotes; -1 if there is none."""
    position = 0
    while (end := data.find(newline, position) + 1) > 0:
        if quote:
            odd ^= data.count(quote, position, end) & 1
        if not odd:
            return end
        position = end
    return -1


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
