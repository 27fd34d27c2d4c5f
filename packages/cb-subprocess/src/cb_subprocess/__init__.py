"""Run external commands so that nothing hangs, leaks, is lost or injected: one, a pipeline, or ten thousand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cb_subprocess.batch import batch
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
from cb_subprocess.interact import Talk, interact
from cb_subprocess.joblog import Done, read_joblog
from cb_subprocess.lint import Finding, lint
from cb_subprocess.result import JobResult, PipeResult, Result, Stage
from cb_subprocess.running import LiveLines, lines, out, pipe, run, stream
from cb_subprocess.size import Entry, Size, size
from cb_subprocess.starting import Process, start
from cb_subprocess.template import Template

if TYPE_CHECKING:
    from cb_subprocess.aio import alines, aout, apipe, arun, astream
    from cb_subprocess.aio_talk import AsyncProcess, AsyncTalk, ainteract, astart

__version__ = "0.1.0"
__all__ = [
    "CAPTURE",
    "DISCARD",
    "INHERIT",
    "MERGE",
    "AsyncProcess",
    "AsyncTalk",
    "BadCommand",
    "BatchHalted",
    "Command",
    "CommandError",
    "CommandFailed",
    "CommandNotFound",
    "CommandNotRunnable",
    "CommandTimeout",
    "Done",
    "Entry",
    "ExpectFailed",
    "Finding",
    "JobLogError",
    "JobResult",
    "LiveLines",
    "OutputTooLarge",
    "PipeResult",
    "Process",
    "Result",
    "RunOptions",
    "Shell",
    "Size",
    "Stage",
    "StatusLost",
    "Stream",
    "Talk",
    "Template",
    "__version__",
    "ainteract",
    "alines",
    "aout",
    "apipe",
    "arun",
    "astart",
    "astream",
    "batch",
    "interact",
    "lines",
    "lint",
    "out",
    "pipe",
    "quote",
    "read_joblog",
    "run",
    "shell",
    "size",
    "split",
    "start",
    "stream",
    "which",
]


def __getattr__(name: str) -> Any:
    """Import the asyncio twins when they are first asked for: asyncio takes longer to import than all the rest."""
    if name in ("alines", "aout", "apipe", "arun", "astream"):
        from cb_subprocess import aio

        return getattr(aio, name)
    if name in ("AsyncProcess", "AsyncTalk", "ainteract", "astart"):
        from cb_subprocess import aio_talk

        return getattr(aio_talk, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
