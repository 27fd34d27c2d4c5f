"""A sink whose caller does not wait for the file, and that a kill does not empty.

A record is copied into a file that is mapped into memory (``NAME.spool-PID-…`` beside the log): no system call, and
what is copied is the kernel's when the process dies, however it dies. A thread moves it to the log, many records in one
write. `recover` moves what a dead process left; it runs whenever a log with a spool is opened, and as
``cb-logging recover``.

The mapped file: eight words of 8 bytes, then the records as they will stand in the log.

    0 magic   1 begin   2 end     records at begin..end are not in the log yet; begin >= end: there are none
    3 intent  4 until   5 size    while intent is begin + 1: begin..until are being written behind the first size bytes
    6 inode                       of the file with that inode

Everything is ordered so that a death at any instruction leaves a state that is true: a record is copied before ``end``
counts it; ``begin`` moves when the log has it, which ends the intent with the same store; if death falls between the
two, what the log holds behind ``size`` tells how far the write came. So recovery neither loses nor doubles. (A power
cut is another matter: that takes an fsync.)
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

from cb_logging.files import rotated
from cb_logging.sinks import FileSink, append_whole, open_log

__all__ = ["Spool", "recover"]

_MAGIC = 0x6C6F6F7073_6263
_HEADER = 64
_BEGIN, _END, _INTENT, _UNTIL, _SIZE, _INODE = 1, 2, 3, 4, 5, 6


@contextlib.contextmanager
def _turn(path: str) -> Iterator[None]:
    """One process at a time moves records to a log."""
    folder, name = os.path.split(path)
    lock = open_log(os.path.join(folder, f".{name}.spooling"))  # noqa: PTH118 - path is a string
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


class Spool:
    """Takes records into memory that outlives the process, and moves them to *sink* from a thread.

    Args:
        sink: Where they belong; also takes a record that is larger than the spool.
        size: Bytes that may wait. When it is full, the caller moves them itself: memory is bounded, nothing dropped.
        interval: Seconds between moves.
    """

    sink: FileSink
    name: str

    def __init__(self, sink: FileSink, *, size: int = 1 << 20, interval: float = 0.05) -> None:
        self.sink, self.name, self._size, self._interval = sink, sink.name, size, interval
        self._open()
        _live.add(self)
        recover(sink.path)

    def _open(self) -> None:
        self._lock, self._moving = threading.RLock(), threading.RLock()
        self._inside = self._closed = False
        self._stop = threading.Event()
        while True:
            self._file = f"{self.sink.path}.spool-{os.getpid()}-{time.time_ns()}"
            self._fd = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX)  # held for as long as this process lives
            if os.fstat(self._fd).st_nlink:
                break
            os.close(self._fd)  # another's `recover` came before the lock, and took it for a dead process's
        os.posix_fallocate(self._fd, 0, _HEADER + self._size)  # a full disk must say so here, not by a signal
        self._map = mmap.mmap(self._fd, 0)
        self._view = memoryview(self._map)
        self._words = self._view[:_HEADER].cast("Q")
        self._words[0] = _MAGIC
        self._at = 0
        self._thread = threading.Thread(target=self._run, name="cb-logging spool", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        with self._lock:
            if self._inside:  # a signal handler that logs: the code it interrupts is just copying
                self.sink.write(data)
                return
            at = self._at
            end = at + len(data)
            if end <= self._size:
                self._inside = True
                try:
                    self._map[_HEADER + at : _HEADER + end] = data
                    self._at = self._words[_END] = end
                finally:
                    self._inside = False
                return
        self._move()  # full: the caller does it, so memory is bounded and nothing dropped
        if len(data) > self._size:
            self.sink.write(data)
        else:
            self.write(data)

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            with contextlib.suppress(OSError):  # what waits goes on waiting; when the spool is full, its caller is told
                self._move()

    def _move(self) -> None:
        """Move what waits to the log."""
        words, sink = self._words, self.sink
        with self._moving:
            begin, end = words[_BEGIN], words[_END]
            if end > begin:
                with _turn(sink.path):
                    sink.settle()
                    there = os.fstat(sink.fd)
                    words[_UNTIL], words[_SIZE], words[_INODE] = end, there.st_size, there.st_ino
                    words[_INTENT] = begin + 1
                    try:
                        FileSink.write(sink, self._map[_HEADER + begin : _HEADER + end])
                    except OSError:
                        # A full disk takes a part: what is whole there is not written again.
                        grown = os.fstat(sink.fd).st_size - there.st_size
                        cut = self._map.rfind(b"\n", _HEADER + begin, _HEADER + begin + grown)
                        if cut >= 0:
                            words[_BEGIN] = cut + 1 - _HEADER
                        raise
                    words[_BEGIN] = end
                sink.bound()
            with self._lock:
                if not self._inside and words[_END] == words[_BEGIN]:
                    words[_END] = self._at = 0  # begin > end: empty
                    words[_BEGIN] = 0

    def tick(self, seconds: int) -> None:
        """The file is looked after by the thread's writes."""
        self.sink.tick(seconds)

    def flush(self) -> None:
        """Return when all records are in the log."""
        self._move()

    def close(self) -> None:
        """Move all, and remove the spool. If that fails the spool stays, for `recover`."""
        if self._closed:
            return
        self._stop.set()
        self._thread.join()
        try:
            self._move()
            os.unlink(self._file)
        finally:
            with self._lock:
                self._release()
            _live.discard(self)
            recover(self.sink.path)  # of children that ended without a word
            self.sink.close()

    def _release(self) -> None:
        self._closed = True
        self._words.release()
        self._view.release()
        self._map.close()
        os.close(self._fd)

    def after_fork(self) -> None:
        """The child has a spool of its own; the one it was born with is its parent's."""
        if not self._closed:
            self._release()
            self._open()
            if "multiprocessing.util" in sys.modules:  # its children leave without atexit, but not without this
                sys.modules["multiprocessing.util"].Finalize(None, self.close, exitpriority=0)


_live: weakref.WeakSet[Spool] = weakref.WeakSet()


def _in_child() -> None:
    for spool in list(_live):
        spool.after_fork()


os.register_at_fork(after_in_child=_in_child)


def recover(path: str | os.PathLike[str]) -> int:
    """Move to a log what processes that died left in their spools.

    Returns:
        How many records' lines were moved. Spools of processes that live are theirs.
    """
    log = os.path.abspath(path)  # noqa: PTH100 - as FileSink has it
    lines = 0
    for left in sorted(Path(log).parent.glob(f"{Path(log).name}.spool-*")):
        try:
            fd = os.open(left, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:  # pragma: no cover - another recovers in this moment
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            continue
        try:
            with _turn(log):
                lines += _recover(fd, log)
                left.unlink(missing_ok=True)
        finally:
            os.close(fd)
    return lines


def _recover(fd: int, log: str) -> int:
    data = os.pread(fd, os.fstat(fd).st_size, 0)
    if len(data) < _HEADER:
        return 0
    words = memoryview(data[:_HEADER]).cast("Q")
    begin, end = words[_BEGIN], words[_END]
    if words[0] != _MAGIC or end <= begin:
        return 0
    if words[_INTENT] == begin + 1:
        begin += _already(log, words[_SIZE], words[_INODE], data[_HEADER + begin : _HEADER + words[_UNTIL]])
    waiting = data[_HEADER + begin : _HEADER + end]
    target = open_log(log)
    try:
        size = os.fstat(target).st_size
        if size and waiting:  # what is torn at the end is another's
            with open(log, "rb") as before:  # noqa: PTH123 - a string, as FileSink has it
                waiting = b"\n" * (os.pread(before.fileno(), 1, size - 1) != b"\n") + waiting
        append_whole(target, waiting)
    finally:
        os.close(target)
    return waiting.count(b"\n")


def _already(log: str, size: int, inode: int, written: bytes) -> int:
    """How much of what was being written is in the log: death came between a write and the note that it was done.

    A record that was torn is made whole where it is, if nothing came behind it.
    """
    # Twice: one that is rotated while we look may be in the list under neither of its names.
    for file in (file for _ in range(2) for file in (Path(log), *rotated(log))):
        try:
            if file.stat().st_ino != inode:
                continue
            with file.open("r+b") as opened:
                opened.seek(size)
                there = opened.read(len(written) + 1)
                same = len(os.path.commonprefix([there, written]))  # noqa: RUF071 - of bytes, and meant so
                if same == len(there):
                    end = (
                        same if same in {0, len(written)} or written[same - 1] == 10 else written.find(b"\n", same) + 1
                    )
                    opened.write(written[same:end])
                    return end
        except FileNotFoundError:  # pragma: no cover - rotated in this moment
            continue
        return written.rfind(b"\n", 0, same) + 1
    return 0
