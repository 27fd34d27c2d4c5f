"""What can go wrong, as exceptions a caller can act on."""

from __future__ import annotations

import shlex
import signal
import subprocess
from collections.abc import Sequence

__all__ = [
    "BadCommand",
    "BatchHalted",
    "CommandError",
    "CommandFailed",
    "CommandNotFound",
    "CommandNotRunnable",
    "CommandTimeout",
    "ExpectFailed",
    "JobLogError",
    "OutputTooLarge",
    "StatusLost",
]

_LAST_LINES = 5


def _restore(kind: type[CommandError], args: tuple[object, ...], state: dict[str, object]) -> CommandError:
    """For pickle and copy: most errors are not made of their text."""
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class CommandError(Exception):
    """Any error of this package."""

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.args, self.__dict__.copy())


class BadCommand(CommandError, TypeError):
    """What was given is no command: a string with spaces, an empty list, an argument with a NUL byte.

    ``job`` is its number where it is one of a batch.
    """

    job: int | None = None


class CommandFailed(CommandError, subprocess.CalledProcessError):
    """A command ended with another status than 0; ``returncode``, ``stdout`` and ``stderr`` tell which and why."""

    def __init__(
        self, returncode: int, cmd: Sequence[str], output: str | bytes | None, stderr: str | bytes | None
    ) -> None:
        subprocess.CalledProcessError.__init__(self, returncode, list(cmd), output, stderr)

    def __str__(self) -> str:
        said = _tail(self.stderr) or _tail(self.stdout)
        return f"{shlex.join(self.cmd)}: {status_text(self.returncode)}" + (f": {said}" if said else "")


class CommandTimeout(CommandError, subprocess.TimeoutExpired):
    """A command did not end in time; it and all that it had started was killed: ``killed`` are the process numbers.

    ``stdout`` and ``stderr`` hold what had come by then.
    """

    def __init__(
        self,
        cmd: Sequence[str],
        timeout: float,
        output: str | bytes | None,
        stderr: str | bytes | None,
        killed: Sequence[int],
    ) -> None:
        subprocess.TimeoutExpired.__init__(self, list(cmd), timeout, output, stderr)
        self.killed: tuple[int, ...] = tuple(killed)

    def __str__(self) -> str:
        said = _tail(self.stderr) or _tail(self.stdout)
        count = f"{len(self.killed)} process{'' if len(self.killed) == 1 else 'es'}"
        text = f"{shlex.join(self.cmd)}: not done after {self.timeout:g} s, {count} killed"
        return text + (f"; its last words: {said}" if said else "")


class CommandNotFound(CommandError, FileNotFoundError):
    """There is no such program; ``near`` holds the names on PATH that look like it."""

    def __init__(self, name: str, near: Sequence[str] = ()) -> None:
        guess = f" (did you mean {' or '.join(near)}?)" if near else " (is it installed, and on PATH?)"
        if len(name.split()) > 1:
            guess = f" of that name, spaces included (give {len(name.split())} words, not one: see split)"
        super().__init__(f"{name}: no such program{guess}")
        self.name = name
        self.near: tuple[str, ...] = tuple(near)

    def __str__(self) -> str:
        return str(self.args[0])


class CommandNotRunnable(CommandError, OSError):
    """The program is there and cannot be started: not executable, arguments too long, no processes left."""

    def __str__(self) -> str:
        return str(self.args[-1])


class OutputTooLarge(CommandError):
    """A command wrote more than ``limit`` bytes to one stream, and was killed; ``output`` holds the first of them."""

    def __init__(self, cmd: Sequence[str], stream: str, limit: int, output: bytes) -> None:
        super().__init__(
            f"{shlex.join(cmd)}: more than {limit} bytes on {stream} (raise max_bytes, or let spill=True keep them)"
        )
        self.limit = limit
        self.output = output


class StatusLost(CommandError):
    """The exit status was taken by something else in this process: SIGCHLD is ignored, or another waits for all."""


class ExpectFailed(CommandError):
    """What was expected did not come: time was up, or the command ended. ``seen`` is what came instead."""

    def __init__(self, text: str, seen: str) -> None:
        super().__init__(text)
        self.seen = seen


class BatchHalted(CommandError):
    """A batch ended early, as its halt policy says."""


class JobLogError(CommandError):
    """A job log that cannot be used: in use, of another batch, not a job log."""


def status_text(code: int) -> str:
    """``exit status 1``, or the signal's name."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _tail(output: str | bytes | None) -> str:
    if not output:
        return ""
    text = output if isinstance(output, str) else output[-4096:].decode("utf-8", "replace")
    return " | ".join(text[-4096:].rstrip().splitlines()[-_LAST_LINES:])
