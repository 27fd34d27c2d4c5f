"""Where finished records go, as bytes: a stream, or a file that is added to with one write a record.

Contract: `write` takes one whole record with its line end and returns when it is out of this process's hands: a kill
after that loses nothing. It raises `OSError` where it could not. A file is opened with ``O_APPEND``, so that lines of
several processes do not run into each other, and keeps its descriptor's number while it is opened anew (``dup2``), so
that no thread ever writes to a number that has become somebody else's file.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Protocol

__all__ = ["FileSink", "Sink", "StreamSink", "append_whole", "open_log"]


class Sink(Protocol):
    """A place for records."""

    name: str

    def write(self, data: bytes) -> None:
        """Take one record."""

    def tick(self, seconds: int) -> None:
        """Do what is to be done once a second, before the first record of it."""

    def flush(self) -> None:
        """Return when everything taken is where it belongs."""

    def close(self) -> None:
        """Let go of files."""


class StreamSink:
    """``sys.stderr`` or ``sys.stdout``, whatever these are at the moment."""

    name: str

    def __init__(self, name: str) -> None:
        self.name = name

    def write(self, data: bytes) -> None:
        stream = getattr(sys, self.name)
        if stream is None:  # a program without a console
            return
        text = data.decode()
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except ValueError as error:
            raise OSError(str(error)) from error  # closed
        stream.flush()

    def tick(self, seconds: int) -> None:
        """Nothing."""

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """The stream is the program's."""


def open_log(path: str, mode: int = 0o600) -> int:
    """Open a log to add to, in a folder that is made if it is not there. Only its owner may read it."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, mode)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, mode)


def append_whole(fd: int, data: bytes) -> None:
    """Write all of it, in one call where the kernel lets us."""
    done = os.write(fd, data)
    while done < len(data):
        done += os.write(fd, data[done:])


class FileSink:
    """A file that grows. It may be renamed, removed or cut off by others (logrotate): within a second that is seen."""

    path: str
    name: str
    fd: int
    torn: bool

    def __init__(self, path: str | os.PathLike[str], mode: int = 0o600) -> None:
        self.path = os.path.abspath(path)  # noqa: PTH100 - it must hold when the folder is changed; no links followed
        self.name, self._mode = self.path, mode
        self.fd = open_log(self.path, mode)
        self.torn = False

    def write(self, data: bytes) -> None:
        """Take one record; `cb_logging.fast` does the same in its own words."""
        if self.torn:
            data = b"\n" + data
        done = os.write(self.fd, data)
        if self.torn or done < len(data):
            self.rest(data, done)

    def rest(self, data: bytes, done: int) -> None:
        """Go on with what was begun. A full disk takes a part: then the next record begins on a line of its own."""
        while done < len(data):
            self.torn = data[done - 1] != 10
            done += os.write(self.fd, data[done:])
        self.torn = False

    def settle(self) -> None:
        """Follow the log if it was rotated."""

    def bound(self) -> None:
        """Rotate if the log is full."""

    def tick(self, seconds: int) -> None:  # noqa: ARG002 - the protocol's
        """Open the file anew if its name leads elsewhere now."""
        try:
            there = os.stat(self.path)
            mine = os.fstat(self.fd)
            if (there.st_ino, there.st_dev) == (mine.st_ino, mine.st_dev) or not stat.S_ISREG(mine.st_mode):
                return
        except FileNotFoundError:
            pass
        self.reopen()

    def reopen(self) -> None:
        """Write to what has this sink's name now."""
        fresh = open_log(self.path, self._mode)
        os.dup2(fresh, self.fd, inheritable=False)
        os.close(fresh)

    def flush(self) -> None:
        """What was written is the kernel's."""

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
