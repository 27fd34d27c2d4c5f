"""What a command leaves behind."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import BinaryIO, Generic, TypeVar

__all__ = ["JobResult", "PipeResult", "Result", "Stage"]

T = TypeVar("T", str, bytes)


@dataclass(frozen=True, slots=True)
class Result(Generic[T]):
    """A command that has ended.

    Attributes:
        args: Its words.
        code: Its exit status; the negative signal number where a signal ended it.
        stdout: What it wrote, decoded as UTF-8 (an undecodable byte as a surrogate, PEP 383), empty if not captured.
        stderr: The same for its error output.
        seconds: From its start to its end.
        cpu: Processor seconds, its own and of those of its children that it waited for.
        max_rss: Peak memory in bytes. None where it was less than that of this process, which Linux counts in.
        stdout_file: All of the output, where it was more than ``max_bytes``: an open file without a name, at its start.
        stderr_file: The same for its error output.
    """

    args: tuple[str, ...]
    code: int
    stdout: T
    stderr: T
    seconds: float
    cpu: float
    max_rss: int | None = None
    stdout_file: BinaryIO | None = None
    stderr_file: BinaryIO | None = None

    @property
    def ok(self) -> bool:
        """Whether the exit status is 0."""
        return self.code == 0

    @property
    def signal(self) -> signal.Signals | None:
        """The signal that ended it."""
        return signal.Signals(-self.code) if self.code < 0 else None


@dataclass(frozen=True, slots=True)
class Stage(Generic[T]):
    """One command of a pipeline; ``stderr`` is what it alone wrote there."""

    args: tuple[str, ...]
    code: int
    stderr: T
    cpu: float


@dataclass(frozen=True, slots=True)
class PipeResult(Generic[T]):
    """A pipeline that has ended.

    ``code`` is that of the last stage that failed, else 0. A stage before the last that was ended by SIGPIPE has not
    failed: who came after it wanted no more.
    """

    stages: tuple[Stage[T], ...]
    code: int
    stdout: T
    seconds: float
    stdout_file: BinaryIO | None = None

    @property
    def ok(self) -> bool:
        """Whether no stage failed."""
        return self.code == 0


@dataclass(frozen=True, slots=True)
class JobResult:
    """A job of a batch that has ended.

    Attributes:
        seq: Its number, from 1, in the order of the jobs given.
        args: Its words.
        code: Its exit status; negative for a signal; 126 or 127 where it could not be started.
        stdout: What it wrote, as UTF-8 with surrogates; the first ``max_bytes`` of it.
        stderr: The same for its error output.
        started: Seconds since 1970.
        seconds: From start to end, of the last try.
        tries: How often it was started.
        timed_out: Whether it was killed for taking too long.
        stdout_file: All of the output, where it was more than ``max_bytes``: an open file, at its start.
        stderr_file: The same for its error output.
    """

    seq: int
    args: tuple[str, ...]
    code: int
    stdout: str = ""
    stderr: str = ""
    started: float = 0.0
    seconds: float = 0.0
    tries: int = 1
    timed_out: bool = False
    stdout_file: BinaryIO | None = None
    stderr_file: BinaryIO | None = None

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0, in time."""
        return self.code == 0 and not self.timed_out

    def close(self) -> None:
        """Close the files, if there are any."""
        for file in (self.stdout_file, self.stderr_file):
            if file is not None:
                file.close()
