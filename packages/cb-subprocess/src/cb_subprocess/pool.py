"""So many commands at a time: started, waited for, killed when their time is up. What is next is decided elsewhere.

Threads start them (see `spawn`); epoll and pidfds tell their ends, and only what was started here is waited for.
Outputs go to unnamed temporary files, not pipes: no command waits for us, and a child that one leaves behind holds
nothing up. Cost: six system calls a command, and two for each output; memory: the commands that run.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, BinaryIO

from cb_subprocess import tree
from cb_subprocess.errors import StatusLost
from cb_subprocess.limits import LONGEST, processors

if TYPE_CHECKING:
    from cb_subprocess.spawn import Spawner

__all__ = ["BUSY", "Pool", "Try", "kept"]

BUSY = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}  # what a start may wait for
_THREADS = 8  # more start no more: each start needs a processor


@dataclass(slots=True, eq=False)
class Try:
    """A command that is to run, runs, or ran: then ``status`` is what the system says, or ``error`` why it did not."""

    seq: int
    argv: list[str]
    tries: int
    slot: int
    path: str = ""
    clock: float = 0.0
    started: float = 0.0
    seconds: float = 0.0
    pid: int = 0
    pidfd: int = -1
    outputs: tuple[int, ...] = ()
    kill: tree.TreeKill | None = None
    ended: bool = False
    status: int = 0
    error: BaseException | None = None


class Pool:
    """Start with `start`, take what is over from `wait`. `token` is the mark of all that is started here."""

    def __init__(
        self,
        env: Mapping[bytes, bytes],
        token: bytes,
        at_once: int,
        timeout: float | None,
        grace: float,
        *,
        capture: bool,
    ) -> None:
        self._token = token
        self._timeout = timeout
        self._grace = grace
        self._capture = capture
        self._waiting: SimpleQueue[Try | None] = SimpleQueue()
        self._unstarted: deque[Try] = deque()
        self._running: dict[int, Try] = {}  # by pidfd
        self._timed: deque[Try] = deque()  # in the order of their starts, which is that of their limits
        self._killing: list[Try] = []
        self._closed = False
        self._opening = threading.Lock()
        self.busy: int = 0
        with contextlib.ExitStack() as undo:
            self._null = os.open(os.devnull, os.O_RDONLY)
            undo.callback(os.close, self._null)
            self._bell = os.eventfd(0)
            undo.callback(os.close, self._bell)
            self._epoll = select.epoll()
            undo.callback(self._epoll.close)
            self._epoll.register(self._bell, select.EPOLLIN)
            self._spares = [os.dup(self._null) for _ in range(8)]  # so that there are descriptors to kill with
            self._resources = undo.pop_all()
        from cb_subprocess.spawn import Spawner

        count = min(at_once, processors(), _THREADS)
        spawners = [Spawner(env, tree.TOKEN_VARIABLE) for _ in range(count)]
        self._threads = [threading.Thread(target=self._serve, args=(one,), daemon=True) for one in spawners]
        for thread in self._threads:
            thread.start()

    def start(self, one: Try) -> None:
        """Let it start as soon as a thread is free."""
        self.busy += 1
        one.started = time.monotonic()
        if self._timeout is not None:
            if len(self._timed) > 4 * self.busy + 64:  # behind one that runs for long
                self._timed = deque(other for other in self._timed if not other.ended)
            self._timed.append(one)
        self._waiting.put(one)

    def wait(self, most: float | None) -> list[Try]:
        """Wait for an end, at most so many seconds; return all that is over."""
        over: list[Try] = []
        for fd, _ in self._epoll.poll(self._limit(most)):
            if fd == self._bell:
                os.eventfd_read(fd)
                continue
            one = self._running.pop(fd)
            self._epoll.unregister(fd)  # before close: a child that is just starting may hold a copy
            one.ended = True  # and not reaped, for its number marks the rest of its tree
            if one not in self._killing:
                over.append(self._reaped(one))
        while self._unstarted:
            one = self._unstarted.popleft()
            one.ended = True
            over.append(one)
        over += self._killed()
        self.busy -= len(over)
        return over

    def close(self) -> None:
        """Start nothing more, end what runs, with all that it started."""
        if self._closed:
            return
        self._closed = True
        for _ in self._threads:
            self._waiting.put(None)
        if not sys.is_finalizing():  # then no thread runs any more, and what they started is for the guard
            for thread in self._threads:
                thread.join()
        for fd in self._spares:
            os.close(fd)
        runs = [*self._running.values(), *(late for late in self._killing if late.ended)]
        for late in self._killing:  # told to end before: they get no second grace
            assert late.kill is not None
            late.kill.hurry()
            late.kill.step()
            late.kill.close()
        try:
            if runs:
                tree.kill_tree([one.pid for one in runs], self._token, self._grace)
        finally:
            for one in runs:
                for fd in one.outputs:
                    os.close(fd)
                self._reaped(one)
            self._resources.close()
            self.busy = 0

    def _limit(self, most: float | None) -> float | None:
        now = time.monotonic()
        times = [] if most is None else [most]
        while self._timed and self._timed[0].ended:
            self._timed.popleft()
        if self._timed and self._timeout is not None:
            soonest = self._timed[0].started + self._timeout - now
            times.append(max(soonest, 0.0 if self._timed[0].pidfd >= 0 else 0.005))
        if self._killing:
            times.append(0.02)
        return min(LONGEST, *times) if times else None

    def _killed(self) -> list[Try]:
        """Begin to kill what is late, go on with what is being killed; return those of which nothing is left."""
        now = time.monotonic()
        while self._timed and self._timeout is not None and self._timed[0].started + self._timeout <= now:
            if self._timed[0].pidfd < 0 and not self._timed[0].ended:
                break  # it is just being started
            late = self._timed.popleft()
            if not late.ended:
                late.kill = tree.TreeKill([late.pid], self._mark(late), self._grace)
                self._killing.append(late)
        over = []
        for late in self._killing[:]:
            assert late.kill is not None
            if late.kill.step():
                self._killing.remove(late)
                late.kill.close()
                if late.ended:
                    over.append(self._reaped(late))
        return over

    def _reaped(self, one: Try) -> Try:
        os.close(one.pidfd)
        one.seconds = time.monotonic() - one.started
        try:
            _, one.status = os.waitpid(one.pid, 0)
        except ChildProcessError:
            one.error = _lost(one)
        return one

    def _mark(self, one: Try) -> bytes:
        return b"%s.%d." % (self._token, one.seq)

    def _serve(self, spawner: Spawner) -> None:
        """What each thread does."""
        while (one := self._waiting.get()) is not None:
            if self._closed:
                continue
            try:
                self._begin(spawner, one)
            except BaseException as error:  # noqa: BLE001  # whatever it is, it is for who waits
                one.error = error
                self._unstarted.append(one)
                os.eventfd_write(self._bell, 1)

    def _begin(self, spawner: Spawner, one: Try) -> None:
        fds = [self._null]
        spare = -1  # so that there is a descriptor for the pidfd of what has started
        one.clock = time.time()
        try:
            with self._opening:
                if self._capture:
                    fds.append(_unnamed())
                    fds.append(_unnamed())
                spare = os.dup(self._null)
            one.started = time.monotonic()
            one.pid = spawner.spawn(one.path, one.argv, self._mark(one), fds)
            with self._opening:
                os.close(spare)
                spare = -1
                one.pidfd = os.pidfd_open(one.pid)
        except BaseException as error:
            for fd in [*fds[1:], *([spare] if spare >= 0 else [])]:
                os.close(fd)
            if isinstance(error, ProcessLookupError):
                raise _lost(one) from error
            if one.pid:  # it runs, and there is no descriptor to watch it by
                os.kill(one.pid, signal.SIGKILL)
                os.waitpid(one.pid, 0)
            raise
        one.outputs = tuple(fds[1:])
        self._running[one.pidfd] = one
        self._epoll.register(one.pidfd, select.EPOLLIN)


def kept(fd: int, most: int) -> tuple[str, BinaryIO | None]:
    """What was written to an unnamed file: the first bytes of it as text, and the file if there are more."""
    size = os.fstat(fd).st_size
    if size <= most:
        text = os.pread(fd, size, 0) if size else b""
        os.close(fd)
        return text.decode("utf-8", "surrogateescape"), None
    os.lseek(fd, 0, os.SEEK_SET)
    return os.pread(fd, most, 0).decode("utf-8", "surrogateescape"), open(fd, "rb")  # the result's to close


def _unnamed() -> int:
    """Open a file without a name, on disk: memory is not for outputs of any size."""
    try:
        return os.open(tempfile.gettempdir(), os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in BUSY:
            raise
        fd, name = tempfile.mkstemp()  # a file system that has no such files
        os.unlink(name)
        return fd


def _lost(one: Try) -> StatusLost:
    return StatusLost(f"{one.argv[0]}: its exit status is lost (SIGCHLD ignored, or waited for elsewhere?)")
