"""A file that is put aside when it is large or old, by any of the processes that write to it, without losing a line.

A writer must learn of a rotation by another without a system call a record: a few bytes of a file beside the log
(``.NAME.rotation``) are mapped into every process and hold how often it was rotated. Who finds the log full takes the
lock on that file, looks again, shifts ``log.1`` to ``log.2`` and so on, renames the log, opens a new one and counts up.
A line that another process writes in that moment goes to ``log.1``. So a file is larger than its bound by one record of
each writer at most. Files are compressed at a
later rotation, when nobody writes to them any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import re
import shutil
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cb_logging.compressed import SUFFIXES, open_packed, zstd
from cb_logging.errors import ConfigError
from cb_logging.files import rotated
from cb_logging.sinks import FileSink

__all__ = ["RotatingSink", "Rotation"]

# Seconds after which nobody writes to a rotated file any more: a writer may be held up between looking and writing.
GRACE = 5.0
_SIZES = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}


def _amount(field: str, text: str) -> tuple[int, bool]:
    """Bytes, or seconds (then True)."""
    text = text.strip().lower()
    if text in {"midnight", "daily"}:
        return 86400, True
    if match := re.fullmatch(r"(?:every )?(\d+)?\s*(second|minute|hour|day|week)s?", text):
        return int(match[1] or 1) * _PERIODS[match[2]], True
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]i?|)b?", text):
        return int(float(match[1]) * _SIZES[match[2]]), False
    raise ConfigError(field, text, "is neither a size nor a time (write 10 MB, 1 day, midnight)")


@dataclass(frozen=True, slots=True)
class Rotation:
    """When to rotate and what to keep; `parse` makes it from words.

    Attributes:
        size: Bytes after which a file is put aside, 0 for no bound.
        period: Seconds, counted from midnight local time, 0 for no bound.
        keep: Rotated files to keep, 0 for all.
        age: Seconds after which rotated files are removed, 0 for never.
        compress: ``gz``, ``zst``, or empty.
    """

    size: int = 0
    period: int = 0
    keep: int = 5
    age: int = 0
    compress: str = ""

    @classmethod
    def parse(cls, rotate: str | int, keep: int | str = 5, compress: str = "") -> Rotation:
        """Read ``"10 MB"``, ``"midnight"``, ``"1 hour"``, ``"10 MB, 1 day"``; *keep* is a number or ``"30 days"``.

        >>> Rotation.parse("10 MB, midnight", keep="30 days", compress="gz")
        Rotation(size=10000000, period=86400, keep=0, age=2592000, compress='gz')
        """
        size = period = age = 0
        for part in str(rotate).split(","):
            amount, timed = _amount("rotate", part)
            size, period = (size, amount) if timed else (amount, period)
        if size <= 0 and period <= 0:
            raise ConfigError("rotate", rotate, "is no bound (write 10 MB, 1 day, midnight)")
        if not str(keep).strip().isdecimal():
            age, timed = _amount("keep", str(keep))
            if not timed:
                raise ConfigError("keep", keep, "is neither a number of files nor a time (write 5 or 30 days)")
            keep = 0
        if compress not in {"", *SUFFIXES}:
            raise ConfigError("compress", compress, "is no way to compress", SUFFIXES)
        if compress == "zst":
            zstd()
        return cls(size, period, int(keep), age, compress)


class RotatingSink(FileSink):
    """A `FileSink` that rotates."""

    _busy: bool

    def __init__(self, path: str | os.PathLike[str], rotation: Rotation, mode: int = 0o600) -> None:
        super().__init__(path, mode)
        self.rotation = rotation
        self._limit = rotation.size or 1 << 62
        folder, name = os.path.split(self.path)
        self._side = os.path.join(folder, f".{name}.rotation")  # noqa: PTH118 - as path is
        self.after_fork()
        _live.add(self)
        self._next = 0  # when this period ends
        with self._side_file() as side:
            self._attach(side)

    def _attach(self, side: int) -> None:
        """Map the bytes that all writers share: how often the log was rotated, and in which period."""
        there = os.fstat(side)
        if there.st_size < 16:
            os.ftruncate(side, 16)
        self._side_ino = there.st_ino
        self._words = memoryview(mmap.mmap(side, 16)).cast("Q")
        self._seen = self._words[0]

    @contextlib.contextmanager
    def _side_file(self) -> Iterator[int]:
        """The shared file, locked. Opened each time: a lock on a descriptor that a fork has copied is shared, too."""
        side = os.open(self._side, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, self._mode)
        try:
            fcntl.flock(side, fcntl.LOCK_EX)
            yield side
        finally:
            fcntl.flock(side, fcntl.LOCK_UN)
            os.close(side)

    def write(self, data: bytes) -> None:
        if self._words[0] != self._seen:
            self.settle()
        FileSink.write(self, data)
        if os.lseek(self.fd, 0, os.SEEK_CUR) >= self._limit:
            self.rotate()

    def settle(self) -> None:
        if self._words[0] != self._seen:
            self._seen = self._words[0]
            self.reopen()

    def bound(self) -> None:
        if os.lseek(self.fd, 0, os.SEEK_END) >= self._limit:
            self.rotate()

    def tick(self, seconds: int) -> None:
        super().tick(seconds)
        if self.rotation.period and seconds >= self._next:
            number, self._next = self._period(seconds)
            if number > self._words[1]:
                self.rotate(number)

    def _period(self, seconds: int) -> tuple[int, int]:
        """The number of the period that a time is in, and when that ends."""
        offset = time.localtime(seconds).tm_gmtoff
        number = (seconds + offset) // self.rotation.period
        return number, (number + 1) * self.rotation.period - offset

    def rotate(self, period: int = 0) -> None:
        """Put the file aside, unless another process or thread has just done so.

        Args:
            period: Rotate for the time: the number of the period that begins. The clock of a process may be behind, or
                set back: what counts is the highest number that any has seen.
        """
        with self._lock:
            if self._busy:  # a signal handler that logs, within the lines below
                return
            self._busy = True
            try:
                with self._side_file() as side:
                    if os.fstat(side).st_ino != self._side_ino:  # somebody removed it
                        self._attach(side)
                    self._rotate(period)
            finally:
                self._busy = False

    def after_fork(self) -> None:
        """A lock that another thread held when the process forked is nobody's to give back."""
        self._lock = threading.RLock()
        self._busy = False

    def _rotate(self, period: int) -> None:
        mine = os.fstat(self.fd)
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            there = None
        due = there is not None and there.st_ino == mine.st_ino and there.st_size >= self._limit
        if period:
            first, due = self._words[1] == 0, period > self._words[1]
            self._words[1] = max(period, self._words[1])
            if first and there is not None:  # nobody knows of an earlier period but by the file's last change
                due = self._period(int(there.st_mtime))[0] < period
            due = due and there is not None and there.st_size > 0
        if due:
            self._shift()
        self.reopen()
        self._words[0] += due
        self._seen = self._words[0]

    def _shift(self) -> None:
        """``log.2`` to ``log.3``, ``log.1`` to ``log.2``, the log to ``log.1``; remove what is too many or too old."""
        oldest = time.time() - self.rotation.age
        for old in rotated(self.path):
            number, _, packed = old.name.removeprefix(f"{Path(self.path).name}.").partition(".")
            after = int(number) + 1
            gone = after > self.rotation.keep > 0 or (self.rotation.age and old.stat().st_mtime < oldest)
            if gone:
                old.unlink()
                continue
            moved = Path(f"{self.path}.{after}{'.' + packed if packed else ''}")
            old.rename(moved)
            if self.rotation.compress and not packed and moved.stat().st_mtime < time.time() - GRACE:
                _pack(moved, self.rotation.compress)
        os.rename(self.path, f"{self.path}.1")  # noqa: PTH104 - strings, as all here


_live: weakref.WeakSet[RotatingSink] = weakref.WeakSet()


def _in_child() -> None:
    for sink in list(_live):
        sink.after_fork()


os.register_at_fork(after_in_child=_in_child)


def _pack(path: Path, kind: str) -> None:
    """Compress a file that nobody writes to; the uncompressed one goes when the other is whole."""
    target = path.with_name(path.name + SUFFIXES[kind])
    unfinished = path.with_name(f".{target.name}.part")
    with path.open("rb") as source, open_packed(unfinished, kind, "wb") as packed:
        shutil.copyfileobj(source, packed, 1 << 20)
    shutil.copystat(path, unfinished)
    with unfinished.open("rb") as raw:
        os.fsync(raw.fileno())
    unfinished.rename(target)
    path.unlink()
