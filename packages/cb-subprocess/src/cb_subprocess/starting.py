"""`start` a command and go on; its outputs are kept in unnamed files, so that it never waits for being read."""

from __future__ import annotations

import os
import signal
import tempfile
from types import TracebackType
from typing import BinaryIO, NoReturn, Self, Unpack

from cb_subprocess.command import Command, words
from cb_subprocess.errors import BadCommand, CommandFailed, CommandTimeout
from cb_subprocess.execution import Execution, Plan, RunOptions, Stream
from cb_subprocess.limits import seconds
from cb_subprocess.result import Result
from cb_subprocess.running import status

__all__ = ["Process", "start"]


class Process:
    """A command that runs. Leaving the ``with`` block kills what still runs of it, with all that it started."""

    def __init__(self, command: Command, **options: Unpack[RunOptions]) -> None:
        self._files: dict[str, BinaryIO] = {}
        self._took: float | None = None
        self._plan = plan = Plan(**options)
        if plan.input not in (None, Stream.INHERIT) and not hasattr(plan.input, "fileno"):
            raise BadCommand("start() takes an open file as input, or none (run() and interact() feed a command)")
        try:
            targets = {name: self._target(name, options.get(name, Stream.CAPTURE)) for name in ("stdout", "stderr")}
            self._execution = Execution([words(command)], Plan(**{**options, **targets}))  # type: ignore[arg-type]
        except BaseException:
            self._close_files()
            raise
        self.args: tuple[str, ...] = tuple(self._execution.children[0].argv)
        self.pid: int = self._execution.children[0].pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill what still runs of it, with all that it started."""
        try:
            self._execution.close()
        finally:
            self._close_files()

    def fileno(self) -> int:
        """A descriptor that is ready when it has ended."""
        return self._execution.children[0].fileno()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        ended = self._execution.children[0].wait(0)
        if ended and self._took is None:
            self._took = self._execution.seconds
        return not ended

    def output(self) -> str:
        """What it has written so far."""
        return self._read("stdout")

    def send_signal(self, number: int) -> None:
        """Send the command, and it alone, a signal; nothing happens if it has ended."""
        child = self._execution.children[0]
        if child.ended is None:
            signal.pidfd_send_signal(child.fileno(), number)

    def kill(self) -> tuple[int, ...]:
        """End it and all that it started (SIGTERM, grace, SIGKILL); return the numbers of the processes signalled."""
        if self._execution.children[0].ended is None:
            self._execution.kill()
        return tuple(self._execution.killed)

    def wait(self, timeout: float | None = None) -> Result[str]:
        """Wait for its end. With `timeout` seconds, it is killed when they are over; without, ``timeout=`` of `start`.

        Raises:
            CommandFailed: Its exit status is not 0, and ``check`` is true.
            CommandTimeout: It was not done in time.
        """
        if not self._execution.children[0].wait(self.left(timeout)):
            self.late(timeout)
        return self.result()

    def left(self, timeout: float | None) -> float | None:
        """Seconds until time is up, by a limit from now, or that of `start`; None without any."""
        seconds("timeout", timeout)
        if timeout is None and self._plan.timeout is not None:
            return self._plan.timeout - self._execution.seconds
        return timeout

    def late(self, timeout: float | None) -> NoReturn:
        """Kill it for not being done in time."""
        self._execution.kill()
        limit = timeout if timeout is not None else self._plan.timeout or 0.0
        output, errors = self._read("stdout"), self._read("stderr")
        raise CommandTimeout(self.args, limit, output, errors, self._execution.killed)

    def result(self) -> Result[str]:
        """What it left behind; it has ended."""
        execution, child = self._execution, self._execution.children[0]
        if self._took is None:
            self._took = execution.seconds
        ended = status(child.reap())
        output, errors = self.output(), self._read("stderr")
        if ended.code and self._plan.check:
            raise CommandFailed(ended.code, self.args, output, errors)
        return Result(self.args, ended.code, output, errors, self._took, ended.cpu, ended.max_rss)

    def _target(self, name: str, target: object) -> object:
        if target is Stream.CAPTURE:
            file = self._files[name] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # closed with the process
            return file
        return target

    def _read(self, name: str) -> str:
        if (file := self._files.get(name)) is None:
            return ""
        size = os.fstat(file.fileno()).st_size
        return os.pread(file.fileno(), size, 0).decode("utf-8", "surrogateescape")

    def _close_files(self) -> None:
        for file in self._files.values():
            file.close()


def start(command: Command, **options: Unpack[RunOptions]) -> Process:
    """Start a command and return at once.

    What it writes goes into unnamed temporary files: it never stops because nobody reads, and a child of its own that
    keeps its output open does not keep `Process.wait` waiting. The result's ``seconds`` run until its end was seen.

    >>> with start(["sh", "-c", "echo ready; sleep 60"]) as process:
    ...     process.running
    True

    Args:
        command: As for `run`.
        options: See `RunOptions`; ``max_bytes`` and ``spill`` have no use here.
    """
    return Process(command, **options)
