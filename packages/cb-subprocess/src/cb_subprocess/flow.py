"""Pipes of commands: take what they write, give what they read, all at once, until all is through or time is up.

A handler has ``events`` and ``ready(event)``, called when its descriptor can do something; it returns False when it is
done. `turn` waits once and serves all that is ready: the loops of `run`, `lines` and asyncio are made of that. Whatever
comes is read in pieces of 64 KiB, and of 1 MiB (through a pipe of that size) from a command that has filled one.
Cost: linear; memory: what is kept, and once the pipe's size.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import itertools
import os
import select
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from typing import IO, BinaryIO, Protocol, TypeAlias

from cb_subprocess.limits import LONGEST

__all__ = ["Capture", "Feed", "Handler", "Lines", "TooLarge", "turn"]

_SMALL = 1 << 16
_LARGE = 1 << 20

Input: TypeAlias = "str | bytes | bytearray | memoryview | IO[bytes] | IO[str] | Iterable[str | bytes]"


class Handler(Protocol):
    """What waits for a descriptor."""

    fd: int
    events: int

    def ready(self, event: int) -> bool: ...


class TooLarge(Exception):  # inside only: becomes OutputTooLarge, which knows the command
    """More came than is allowed."""


def widen(fd: int) -> None:
    """Make a pipe larger, where the system lets us."""
    with contextlib.suppress(OSError):  # a limit on all pipes of a user
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _LARGE)


class Capture:
    """Keep what comes: up to `limit` bytes in memory, then, with `spill`, all of it in an unnamed temporary file."""

    events: int = select.POLLIN

    def __init__(self, fd: int, limit: int | None = None, *, spill: bool = True) -> None:
        self.fd = fd
        self.file: BinaryIO | None = None
        self._limit = limit
        self._spill = spill
        self._kept = io.BytesIO()
        self._size = 0
        self._block: memoryview | None = None

    def ready(self, event: int) -> bool:
        if not event & select.POLLIN:
            return False
        if self.file is not None:
            return self._to_file()
        data: bytes | memoryview
        if self._block is None:
            data = os.read(self.fd, _SMALL)
            if len(data) == _SMALL:
                widen(self.fd)
                self._block = memoryview(bytearray(_LARGE))
        else:
            data = self._block[: os.readv(self.fd, [self._block])]
        self._size += len(data)
        if self._limit is not None and self._size > self._limit:
            self._overflow(data)
        else:
            self._kept.write(data)
        return bool(data)

    def value(self) -> bytes:
        """What is kept in memory."""
        return self._kept.getvalue()

    def _overflow(self, data: bytes | memoryview) -> None:
        assert self._limit is not None
        head = max(0, len(data) - (self._size - self._limit))
        self._kept.write(data[:head])
        if not self._spill:
            raise TooLarge
        self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # the caller's to close
        for part in (self._kept.getbuffer(), data[head:]):
            _write_all(self.file.fileno(), part)
        self._block = None

    def _to_file(self) -> bool:
        assert self.file is not None
        return os.splice(self.fd, self.file.fileno(), _LARGE) > 0

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


def _write_all(fd: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class Lines:
    """Hand on lines, without their ends, as they come; `take` is called with those of one read."""

    events: int = select.POLLIN

    def __init__(
        self,
        fd: int,
        take: Callable[[list[str]], object] | Callable[[list[bytes]], object],
        limit: int | None,
        *,
        text: bool,
    ) -> None:
        self.fd = fd
        self._take: Callable[..., object] = take
        self._limit = limit
        self._text = text
        self._rest: list[bytes] = []
        self._held = 0
        self._wide = False

    def ready(self, event: int) -> bool:
        data = os.read(self.fd, _SMALL) if event & select.POLLIN else b""
        if not data:
            if self._held:
                self._give(b"".join(self._rest))
            return False
        if len(data) == _SMALL and not self._wide:
            self._wide = True
            widen(self.fd)
        cut = data.rfind(b"\n")
        if cut >= 0:
            self._rest.append(data[:cut])
            self._give(b"".join(self._rest))
            self._rest.clear()
            self._held = 0
            data = data[cut + 1 :]
        if data:
            self._rest.append(data)
            self._held += len(data)
        if self._limit is not None and self._held > self._limit:
            raise TooLarge
        return True

    def _give(self, data: bytes) -> None:
        self._take(data.decode("utf-8", "surrogateescape").split("\n") if self._text else data.split(b"\n"))


class Feed:
    """Give a command its input, as fast as it takes it. One that wants no more is no error."""

    events: int = select.POLLOUT

    def __init__(self, fd: int, source: Iterator[bytes]) -> None:
        self.fd = fd
        self._source = source
        self._now = memoryview(b"")
        os.set_blocking(fd, False)

    def ready(self, event: int) -> bool:
        if event & select.POLLERR:
            return False
        while not self._now:
            data = next(self._source, None)
            if data is None:
                return False
            self._now = memoryview(data)
            if len(data) > _SMALL:
                widen(self.fd)
        try:
            self._now = self._now[os.write(self.fd, self._now[:_LARGE]) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        return True


def pieces(source: Input) -> Iterator[bytes]:
    """Cut any input into bytes; text is UTF-8."""
    if isinstance(source, str):
        source = source.encode("utf-8", "surrogateescape")
    if isinstance(source, (bytes, bytearray, memoryview)):
        return iter((bytes(source),))
    parts: Iterable[str | bytes] = source
    if isinstance(source, io.IOBase) or hasattr(source, "read"):
        parts = itertools.takewhile(bool, (source.read(_SMALL) for _ in itertools.count()))
    elif not isinstance(source, Iterable):
        raise TypeError(f"input is text, bytes, an open file, or an iterable of text or bytes, not {source!r}")
    return map(_piece, parts)


def _piece(part: str | bytes) -> bytes:
    if isinstance(part, str):
        return part.encode("utf-8", "surrogateescape")
    if isinstance(part, (bytes, bytearray, memoryview)):
        return part
    raise TypeError(f"each part of an input is text or bytes, not {part!r}")


def turn(handlers: dict[int, Handler], poller: select.poll, until: float | None) -> bool:
    """Wait for what can be done and do it once. Return False when it is later than `until`."""
    wait = None if until is None else min(max(0.0, until - time.monotonic()), LONGEST) * 1000
    for fd, event in poller.poll(wait):
        if not handlers[fd].ready(event):
            poller.unregister(fd)
            del handlers[fd]
            os.close(fd)
    return until is None or time.monotonic() < until
