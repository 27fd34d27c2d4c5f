"""Wait for what is added to a log: each record once, also when it is rotated, cut off, or not there yet.

A writer may still add to a file that was just renamed, so that one stays open and is looked at until the next rotation.
Files that came and went between two looks are found by following the numbers from the one that was read last.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from cb_logging.compressed import SUFFIXES, open_packed
from cb_logging.reading import BLOCK, Query, Record, blocks, spans
from cb_logging.rotation import rotated as rotated_files
from cb_logging.schema import PlainSchema, Schema, detect

__all__ = ["follow"]


class _Tail:
    """One file, from a place on, line by line: what is not a whole line waits."""

    def __init__(self, path: Path, place: int = 0) -> None:
        self.file: IO[bytes] = path.open("rb", buffering=0)
        self.place = place
        self._rest = b""

    @property
    def inode(self) -> int:
        """Which file it is, whatever it is called by now."""
        return os.fstat(self.file.fileno()).st_ino

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
    now, before = _Tail(log), None
    if schema is None and (sample := os.pread(now.file.fileno(), 1 << 16, 0)):
        schema = detect(sample)
    try:
        if schema is not None:
            for old in rotated_files(log) if rotated else ():
                yield from _whole(old, schema)
            if last is not None:
                now.place = _place_of_last(now, schema, last)
        while True:
            if data := (before.lines() if before is not None else b"") or now.lines():
                schema = schema or detect(data)
                yield from _records(data, schema)
            elif _moved(log, now):
                if before is not None:
                    before.close()
                before = now
                for skipped in _since(log, before.inode):
                    schema = schema or PlainSchema()
                    yield from _whole(skipped, schema)
                now = _Tail(log)
            elif stop():
                return
            else:
                time.sleep(interval)
    finally:
        for tail in (before, now):
            if tail is not None:
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


def _moved(log: Path, tail: _Tail) -> bool:
    """Whether the log's name leads to another file now."""
    try:
        return log.stat().st_ino != tail.inode
    except FileNotFoundError:
        return False


def _since(log: Path, inode: int) -> list[Path]:
    """The rotated files that are younger than the one that was read last."""
    files = rotated_files(log)
    for number, one in enumerate(files):
        if one.exists() and one.stat().st_ino == inode:
            return files[number + 1 :]
    return []


def _whole(path: Path, schema: Schema) -> Iterator[Record]:
    kind = next((kind for kind, suffix in SUFFIXES.items() if path.name.endswith(suffix)), "")
    with open_packed(path, kind) if kind else path.open("rb") as file:
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
