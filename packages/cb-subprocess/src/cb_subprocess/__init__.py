"""Run external commands so that nothing hangs, leaks, is lost or injected: one, a pipeline, or ten thousand."""

from __future__ import annotations

from cb_subprocess.command import Command, Shell, quote, shell, split, which
from cb_subprocess.errors import (
    BadCommand,
    BatchHalted,
    CommandError,
    CommandFailed,
    CommandNotFound,
    CommandNotRunnable,
    CommandTimeout,
    ExpectFailed,
    JobLogError,
    OutputTooLarge,
    StatusLost,
)
from cb_subprocess.execution import CAPTURE, DISCARD, INHERIT, MERGE, RunOptions, Stream
from cb_subprocess.result import PipeResult, Result, Stage
from cb_subprocess.running import LiveLines, lines, out, pipe, run, stream
from cb_subprocess.starting import Process, start

__version__ = "0.1.0"
__all__ = [
    "CAPTURE",
    "DISCARD",
    "INHERIT",
    "MERGE",
    "BadCommand",
    "BatchHalted",
    "Command",
    "CommandError",
    "CommandFailed",
    "CommandNotFound",
    "CommandNotRunnable",
    "CommandTimeout",
    "ExpectFailed",
    "JobLogError",
    "LiveLines",
    "OutputTooLarge",
    "PipeResult",
    "Process",
    "Result",
    "RunOptions",
    "Shell",
    "Stage",
    "StatusLost",
    "Stream",
    "__version__",
    "lines",
    "out",
    "pipe",
    "quote",
    "run",
    "shell",
    "split",
    "start",
    "stream",
    "which",
]
