"""One command, or several joined by pipes, from start to end: what `run`, `pipe`, `lines` and their twins share."""

from __future__ import annotations

import contextlib
import enum
import io
import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final, Literal, NoReturn, Self, TypeAlias, TypedDict

from cb_subprocess.child import Child, environment, new_token
from cb_subprocess.errors import CommandTimeout, OutputTooLarge
from cb_subprocess.flow import Capture, Feed, Handler, Input, TooLarge, pieces, turn
from cb_subprocess.limits import seconds
from cb_subprocess.tree import kill_tree

__all__ = ["CAPTURE", "DISCARD", "INHERIT", "MERGE", "Execution", "Plan", "RunOptions", "Stream"]

_AFTERWARDS = 0.2  # seconds for the pipes of a command that was killed


class Stream(enum.Enum):
    """Where a command's streams go, or come from."""

    CAPTURE = "capture"
    INHERIT = "inherit"
    DISCARD = "discard"
    MERGE = "merge"


CAPTURE: Final = Stream.CAPTURE
INHERIT: Final = Stream.INHERIT
DISCARD: Final = Stream.DISCARD
MERGE: Final = Stream.MERGE
Target: TypeAlias = "Stream | IO[bytes] | IO[str] | int"


class RunOptions(TypedDict, total=False):
    """The options that `run`, `out`, `lines`, `stream`, `pipe` and their asyncio twins share.

    Attributes:
        input: What the command reads: text, bytes, an open file, or an iterable of either (asked for more in this
            thread, when the command takes it). Default: nothing, its end comes at once. ``INHERIT`` gives it ours.
        stdout: ``CAPTURE`` (default), ``INHERIT``, ``DISCARD``, or an open file.
        stderr: The same, or ``MERGE`` for one stream with stdout.
        check: Raise `CommandFailed` for an exit status other than 0. Default: True.
        timeout: Seconds until the command and all that it started is killed. Default: None, no limit.
        grace: Seconds between SIGTERM and SIGKILL then. Default: 2.
        cwd: The folder to run in.
        env: Changes to this process's environment; None as a value removes a name.
        max_bytes: Bytes of each stream to keep in memory, of a line for `lines` and `stream`. Default: no limit.
        spill: What comes beyond ``max_bytes`` makes a file (default), or with False an `OutputTooLarge`.
    """

    input: Input | Literal[Stream.INHERIT] | None
    stdout: Target
    stderr: Target
    check: bool
    timeout: float | None
    grace: float
    cwd: str | os.PathLike[str] | None
    env: Mapping[str, str | None] | None
    max_bytes: int | None
    spill: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """`RunOptions` with their defaults."""

    input: Input | Literal[Stream.INHERIT] | None = None
    stdout: Target = CAPTURE
    stderr: Target = CAPTURE
    check: bool = True
    timeout: float | None = None
    grace: float = 2.0
    cwd: str | os.PathLike[str] | None = None
    env: Mapping[str, str | None] | None = None
    max_bytes: int | None = None
    spill: bool = True

    def __post_init__(self) -> None:
        seconds("timeout", self.timeout)
        seconds("grace", self.grace)
        if self.max_bytes is not None and self.max_bytes < 0:
            raise ValueError(f"max_bytes is 0 or more, not {self.max_bytes}")
        for name, target, merge in (("stdout", self.stdout, False), ("stderr", self.stderr, True)):
            fits = isinstance(target, (Stream, int)) or hasattr(target, "fileno")
            if not fits or (target is MERGE and not merge):
                kinds = "CAPTURE, INHERIT, DISCARD, " + "MERGE, " * merge
                raise TypeError(f"{name} is {kinds}or an open file, not {target!r}")


Reader: TypeAlias = "Callable[[int, str], Handler]"


class Execution:
    """Commands joined by pipes, started; used as a context manager, nothing of them is left behind.

    `reader` makes the handler for a captured stream, given its descriptor and ``"stdout"`` or ``"stderr"``; the
    default keeps all in a `Capture`.
    """

    def __init__(
        self, commands: Sequence[list[str]], plan: Plan, reader: Reader | None = None, *, text: bool = True
    ) -> None:
        self.plan = plan
        self.text = text
        self.children: list[Child] = []
        self.handlers: dict[int, Handler] = {}
        self.stdout: Handler | None = None
        self.stderr: list[Handler | None] = []
        self.killed: list[int] = []
        self.delivered = False  # the files that hold what was too much are the caller's
        self._poller: select.poll | None = None
        self._reader = reader or self._capture
        self._token = new_token()
        self._theirs: set[int] = set()  # descriptors that only the children are to keep
        self._started = time.monotonic()
        self.until: float | None = None if plan.timeout is None else self._started + plan.timeout
        try:
            self._start(commands)
        except BaseException as error:
            try:
                if not isinstance(error, OSError):
                    self.kill()  # an interrupt: who was just started may not be among the children yet
            finally:
                self.close()
            raise
        finally:
            for fd in self._theirs:
                os.close(fd)
        self._poller = select.poll()
        for fd, handler in self.handlers.items():
            self._poller.register(fd, handler.events)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def turn(self) -> None:
        """Serve what is ready, once.

        Raises:
            CommandTimeout: Time was up; nothing of the commands is left.
            OutputTooLarge: Likewise.
        """
        assert self._poller is not None
        try:
            if not turn(self.handlers, self._poller, self.until):
                self.late()
        except TooLarge:
            self.too_large()

    def finish(self) -> None:
        """Serve all, wait for the commands' ends; raises what `turn` does."""
        while self.handlers:
            self.turn()
        for child in self.children:
            if self.until is not None and not child.wait(self.until - time.monotonic()):
                self.late()
            child.reap()

    def left(self) -> float:
        """Seconds until time is up."""
        assert self.until is not None
        return max(0.0, self.until - time.monotonic())

    def drop(self, fd: int) -> None:
        """A handler is done."""
        assert self._poller is not None
        self._poller.unregister(fd)
        del self.handlers[fd]
        os.close(fd)

    def late(self) -> NoReturn:
        """Kill everything and tell what had come by then."""
        assert self.plan.timeout is not None
        self.kill()
        argv = self.children[-1].argv
        said = (self.output(self.stdout), self.output(self.stderr[-1]))
        raise CommandTimeout(argv, self.plan.timeout, *said, self.killed)

    def too_large(self) -> NoReturn:
        """Kill everything for having written too much."""
        self.kill()
        assert self.plan.max_bytes is not None
        first = captured(self.stdout)
        at_out = len(first) >= self.plan.max_bytes
        said = first if at_out else captured(self.stderr[-1])
        raise OutputTooLarge(self.children[-1].argv, "stdout" if at_out else "stderr", self.plan.max_bytes, said)

    def output(self, handler: Handler | None) -> Any:
        """What was captured: as UTF-8, an undecodable byte as a surrogate; or as it is."""
        data = captured(handler)
        return data.decode("utf-8", "surrogateescape") if self.text else data

    def kill(self) -> None:
        """End the commands and all that they started, take what is still in the pipes, and their statuses."""
        self.killed += kill_tree(
            {child.pid for child in self.children if not child.ended}, self._token, self.plan.grace
        )
        until = time.monotonic() + _AFTERWARDS
        with contextlib.suppress(TooLarge):
            while self._poller and self.handlers and turn(self.handlers, self._poller, until):
                pass
        for child in self.children:
            if child.wait(_AFTERWARDS):  # what waits for a device inside the kernel cannot be waited for
                child.reap()

    def close(self) -> None:
        """Leave nothing behind: kill what still runs, close what is open."""
        try:
            if any(child.ended is None for child in self.children):
                self.kill()
        finally:
            for fd in self.handlers:
                os.close(fd)
            self.handlers.clear()
            if not self.delivered:
                for handler in (self.stdout, *self.stderr):
                    if isinstance(handler, Capture):
                        handler.close()

    def _start(self, commands: Sequence[list[str]]) -> None:
        env = environment(self.plan.env, self._token)
        before = self._input()
        for argv in commands:
            last = argv is commands[-1]
            after: int | None = None
            if last:
                stdout = self._target(self.plan.stdout, "stdout")
            else:
                after, stdout = os.pipe()
                self._theirs |= {after, stdout}
            stderr = stdout if self.plan.stderr is Stream.MERGE else self._target(self.plan.stderr, "stderr")
            if self.plan.stderr is Stream.MERGE:
                stderr = 1 if stdout is None else stdout
                self.stderr.append(None)
            child = Child(argv, env, stdin=before, stdout=stdout, stderr=stderr, cwd=self.plan.cwd)
            self.children.append(child)
            before = after

    def _input(self) -> int | None:
        source = self.plan.input
        if source is Stream.INHERIT:
            return None
        if source is None:
            fd = os.open(os.devnull, os.O_RDONLY)
            self._theirs.add(fd)
            return fd
        if isinstance(source, (io.BufferedReader, io.FileIO)) and source.seekable():
            fd = source.fileno()  # a real file: the command reads it itself, from where the caller is in it
            os.lseek(fd, source.tell(), os.SEEK_SET)
            return fd
        parts = pieces(source)
        theirs, ours = os.pipe()
        self._theirs.add(theirs)
        self.handlers[ours] = Feed(ours, parts)
        return theirs

    def _target(self, target: Target, stream: str) -> int | None:
        if target is Stream.INHERIT:
            handler = None
            theirs: int | None = None
        elif isinstance(target, Stream):
            handler, theirs = (
                (None, os.open(os.devnull, os.O_WRONLY)) if target is Stream.DISCARD else self._pipe(stream)
            )
            self._theirs.add(theirs)
        else:
            handler = None
            if not isinstance(target, int):
                target.flush()
                target = target.fileno()
            theirs = target
        if stream == "stdout":
            self.stdout = handler
        else:
            self.stderr.append(handler)
        return theirs

    def _pipe(self, stream: str) -> tuple[Handler, int]:
        ours, theirs = os.pipe()
        handler = self.handlers[ours] = self._reader(ours, stream)
        return handler, theirs

    def _capture(self, fd: int, _stream: str) -> Handler:
        return Capture(fd, self.plan.max_bytes, spill=self.plan.spill)


def captured(handler: Handler | None) -> bytes:
    """What a handler has kept."""
    return handler.value() if isinstance(handler, Capture) else b""
