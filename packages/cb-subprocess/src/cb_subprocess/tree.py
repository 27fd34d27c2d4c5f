"""Find and end a command with everything that it has started, and nothing else.

A process belongs to a command if it is a descendant, is in its process group or session, or carries the command's token
in its environment; so one that has left by ``setsid`` and lost its parents is found, too. What escapes is only what did
all three: left the group, lost its parents and cleared or overwrote its environment.

Signals go through pidfds: the descriptor is opened, then the process's start time is compared with what was found, so a
number that was given to another process meanwhile is never signalled. Cost: one pass over /proc a step.

This file runs as a program, too: a guard that does the same when the process that holds its standard input is gone. For
that it needs nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Collection, Iterable
from typing import NamedTuple

TOKEN_VARIABLE = b"CB_SUBPROCESS_TOKEN"
_GIVE_UP = 5.0  # seconds without news after SIGKILL: what is still there waits inside the kernel for a device
_LONGEST = 60.0  # seconds after SIGKILL, whatever news there is: who still forks cannot be caught up with


class Entry(NamedTuple):
    """A living process."""

    pid: int
    parent: int
    group: int
    session: int
    born: int  # clock ticks since boot


def look(pid: int) -> Entry | None:
    """One process, or None if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  # hundreds of them
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] in b"ZXx":
        return None
    return Entry(pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def members(roots: Collection[int], token: bytes) -> dict[int, Entry]:
    """Return the living processes of a command: see the top of this file. `roots` must not have been reaped."""
    table = {entry.pid: entry for one in os.scandir("/proc") if one.name.isdecimal() and (entry := look(int(one.name)))}
    table.pop(os.getpid(), None)
    children: dict[int, list[int]] = {}
    for entry in table.values():
        children.setdefault(entry.parent, []).append(entry.pid)
    todo = [pid for pid, one in table.items() if {pid, one.group, one.session} & set(roots) or _carries(pid, token)]
    for root in roots:
        todo += children.get(root, [])
    found: dict[int, Entry] = {}
    while todo:
        pid = todo.pop()
        if pid not in found:
            found[pid] = table[pid]
            todo += children.get(pid, [])
    return found


def _carries(pid: int, token: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            return token in file.read()
    except OSError:
        return False  # ended, or another user's


class TreeKill:
    """SIGTERM, then after `grace` seconds SIGKILL, to all of a command; driven by `step`, so that nobody has to wait.

    ``killed`` are the process numbers signalled so far.
    """

    def __init__(self, roots: Collection[int], token: bytes, grace: float) -> None:
        self.killed: list[int] = []
        self._roots = roots
        self._token = token
        self._term_until = time.monotonic() + grace
        self._number = signal.SIGTERM if grace > 0 else signal.SIGKILL
        self._alive: dict[tuple[int, int], int] = {}  # (pid, born): pidfd
        self._news_at = 0.0
        self._clean = 0  # looks in a row that found nothing
        self._pause = 0.004

    def step(self) -> bool:
        """Look once, signal what is new, or what has had its time; return whether nothing is left."""
        now = time.monotonic()
        if self._number is signal.SIGTERM and now >= self._term_until:
            self._number = signal.SIGKILL
            for fd in self._alive.values():
                self._send(fd)
        if now >= min(max(self._news_at, self._term_until) + _GIVE_UP, self._term_until + _LONGEST):
            return True
        before = len(self._alive)
        fresh = False
        # Parents first: who sees a child killed may start another.
        for entry in sorted(members(self._roots, self._token).values(), key=lambda one: (one.born, one.pid)):
            if (entry.pid, entry.born) in self._alive:
                continue
            if (opened := self._open(entry)) is not None:
                fresh = True
                self._alive[entry.pid, entry.born] = opened
                self.killed.append(entry.pid)
        if not fresh:
            self._forget_dead(0)
        if fresh or len(self._alive) < before:
            self._news_at = time.monotonic()
        # Twice: one that is just being executed has no environment for a moment.
        self._clean = 0 if fresh or self._alive else self._clean + 1
        return self._clean >= 2

    def wait(self) -> None:
        """Wait until all that were signalled are gone, or it is time for another step."""
        if not self._alive:
            time.sleep(0.001)  # between two looks
        self._pause = min(self._pause * 2, 0.1)
        self._forget_dead(min(self._pause, max(self._term_until - time.monotonic(), 0.001)))

    def hurry(self) -> None:
        """Let the grace be over."""
        self._term_until = min(self._term_until, time.monotonic())

    def close(self) -> None:
        for fd in self._alive.values():
            os.close(fd)
        self._alive.clear()

    def _open(self, entry: Entry) -> int | None:
        try:
            fd = os.pidfd_open(entry.pid)
        except OSError:
            return None  # gone meanwhile
        again = look(entry.pid)
        if again is None or again.born != entry.born or not self._send(fd):
            os.close(fd)
            return None
        return fd

    def _send(self, fd: int) -> bool:
        try:
            signal.pidfd_send_signal(fd, self._number)
        except OSError:
            return False  # gone, or another user's by setuid
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(fd, signal.SIGCONT)  # a stopped process would never hear SIGTERM
        return True

    def _forget_dead(self, seconds: float) -> None:
        """Drop those that have ended, waiting for all at most so long."""
        until = time.monotonic() + seconds
        poller = select.poll()
        keys = {fd: key for key, fd in self._alive.items()}
        for fd in keys:
            poller.register(fd, select.POLLIN)
        while self._alive:
            ended = poller.poll(max(0, (until - time.monotonic()) * 1000))
            for fd, _ in ended:
                poller.unregister(fd)
                del self._alive[keys[fd]]
                os.close(fd)
            if not ended:
                return


def kill_tree(roots: Collection[int], token: bytes, grace: float) -> list[int]:
    """End all of a command and return the process numbers that were signalled. Interrupted, it ends the grace first."""
    kill = TreeKill(roots, token, grace)
    interrupted: KeyboardInterrupt | None = None
    try:
        while True:
            try:
                if kill.step():
                    break
                kill.wait()
            except KeyboardInterrupt as error:
                interrupted = error
                kill.hurry()
    finally:
        kill.close()
    if interrupted:
        raise interrupted
    return kill.killed


def guard(arguments: Iterable[str]) -> None:  # pragma: no cover  # a program that measures nothing; test_guard runs it
    """Wait for the end of standard input; unless a byte came before, end what carries the token.

    Signals that a terminal or a service manager sends to everyone are not for a guard, which ends by itself.
    """
    token, grace = arguments
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if not os.read(0, 1):
        kill_tree((), token.encode(), float(grace))


if __name__ == "__main__":
    guard(sys.argv[1:])
