"""Wait for what is added to a log: each record once, also when it is rotated, cut off, or not there yet.

A writer may still add to a file that was just renamed, so the last ones stay open and are looked at.
Files that came and went between two looks are found by following the numbers from the one that was read last.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from cb_logging.blocks import BLOCK, blocks
from cb_logging.compressed import SUFFIXES, open_packed
from cb_logging.files import rotated as rotated_files
from cb_logging.reading import spans
from cb_logging.records import Query, Record
from cb_logging.schema import PlainSchema, Schema, detect

__all__ = ["follow"]


class _Tail:
    """One file, from a place on, line by line: what is not a whole line waits."""

    def __init__(self, path: Path) -> None:
        self.file: IO[bytes] = path.open("rb", buffering=0)
        self.place = 0
        self._rest = b""

    @property
    def state(self) -> os.stat_result:
        """Which file it is, whatever it is called by now."""
        return os.fstat(self.file.fileno())

    def lines(self) -> bytes:
        """Whole lines that are new, as many as there are up to a block."""
        descriptor = self.file.fileno()
        if os.fstat(descriptor).st_size < self.place:  # cut off by copytruncate
            self.place, self._rest = 0, b""
        data = os.pread(descriptor, BLOCK, self.place)
        self.place += len(data)
        data = self._rest + data
        cut = data.rfind(b"\n") + 1
        self._rest = data[cut:]
        return data[:cut]

    def close(self) -> None:
        self.file.close()


def follow(
    path: str | os.PathLike[str],
    schema: Schema | None = None,
    *,
    rotated: bool = False,
    last: int | None = None,
    interval: float = 0.05,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Record]:
    """Give out a log's records and then those that are added, for ever.

    Args:
        path: The log; it may not be there yet.
        schema: How it is written; found out if not said.
        rotated: Begin with the files it was rotated to.
        last: Begin with that many records before the end; None for all.
        interval: Seconds between looks.
        stop: Asked when there is nothing new: whether to end.
    """
    log = Path(path)
    if not _waited(log, interval, stop):
        return
    tails = [_Tail(log)]  # the log, and before it the last that it was rotated to: somebody may still write to them
    if schema is None:
        schema = _sample([log, *reversed(rotated_files(log))])
    try:
        for old in rotated_files(log) if rotated else ():
            with _opened(old) as file:
                yield from _whole(file, schema or PlainSchema())
        if last is not None and schema is not None:
            tails[0].place = _place_of_last(tails[0], schema, last)
        while True:
            if data := next(filter(None, (tail.lines() for tail in tails)), b""):
                schema = schema or detect(data)
                yield from _records(data, schema)
            elif _moved(log, tails[-1]):
                packed, plain = _since(log, tails[-1])
                for file in packed:
                    with file:
                        yield from _whole(file, schema or PlainSchema())
                while len(tails) > 3 and plain:  # these have been read
                    tails.pop(0).close()
                tails += plain
            elif stop():
                return
            else:
                time.sleep(interval)
    finally:
        for tail in tails:
            tail.close()


def _waited(log: Path, interval: float, stop: Callable[[], bool]) -> bool:
    """Wait until the log is there; False if that is not wanted any more."""
    while not log.exists():
        if stop():
            return False
        time.sleep(interval)
    return True


def _records(data: bytes, schema: Schema) -> Iterator[Record]:
    return (Record(data[start:end], schema) for start, end in spans(data, schema, Query()))


def _sample(files: list[Path]) -> Schema | None:
    """How the first of the files that has anything in it is written."""
    for one in files:
        with _opened(one) as file:
            if sample := file.read(1 << 16):
                return detect(sample)
    return None


def _moved(log: Path, tail: _Tail) -> bool:
    """Whether the log's name leads to another file now."""
    try:
        return log.stat().st_ino != tail.state.st_ino
    except FileNotFoundError:  # in the middle of a rotation
        return False


def _since(log: Path, before: _Tail) -> tuple[list[IO[bytes]], list[_Tail]]:
    """What came after a file that was read: those that are compressed by now, and the others, the log last."""
    while True:
        packed: list[IO[bytes]] = []
        plain: list[_Tail] = []
        try:
            plain.append(_Tail(log))
            _go_up(log, before.state, packed, plain)
            # If the log was not rotated meanwhile, what was met with rising numbers is in order.
            if log.stat().st_ino == plain[-1].state.st_ino:
                return packed, plain
        except FileNotFoundError:
            pass
        for file in packed:
            file.close()
        for tail in plain:
            tail.close()
        if not log.exists():  # gone: it may come back
            return [], []


def _go_up(log: Path, last: os.stat_result, packed: list[IO[bytes]], plain: list[_Tail]) -> None:
    """Open the rotated files up to the *last*, each before those that are there."""
    seen = {plain[0].state.st_ino}
    for number in range(1, len(rotated_files(log)) + 3):  # a rotation that has begun may move them all by one
        try:
            tail = _Tail(log.with_name(f"{log.name}.{number}"))
        except FileNotFoundError:
            some = [log.with_name(f"{log.name}.{number}{suffix}") for suffix in SUFFIXES.values()]
            there = [one for one in some if one.exists() and one.stat().st_mtime_ns > last.st_mtime_ns]
            packed[:0] = [_opened(one) for one in there]
            continue
        if tail.state.st_ino == last.st_ino or tail.state.st_mtime_ns < last.st_mtime_ns:
            tail.close()
            return
        if tail.state.st_ino in seen:
            tail.close()
            continue
        seen.add(tail.state.st_ino)
        plain.insert(0, tail)


def _opened(path: Path) -> IO[bytes]:
    kind = next((kind for kind, suffix in SUFFIXES.items() if path.name.endswith(suffix)), "")
    return open_packed(path, kind) if kind else path.open("rb")


def _whole(file: IO[bytes], schema: Schema) -> Iterator[Record]:
    for block in blocks(file, schema.head):
        yield from _records(block, schema)


def _place_of_last(tail: _Tail, schema: Schema, count: int) -> int:
    """Where the last records begin, read from the end."""
    end = os.fstat(tail.file.fileno()).st_size
    if count <= 0:
        return end
    start, data = end, b""
    while start > 0:
        step = min(1 << 16, start)
        start -= step
        data = os.pread(tail.file.fileno(), step, start) + data
        places = [at for at, _ in spans(data, schema, Query())]
        if len(places) > count or (start == 0 and places):
            return start + places[-count:][0]
    return 0
