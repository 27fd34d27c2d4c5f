"""The job log: GNU parallel's columns, a line a finished job, only ever appended to.

A line is one write: a process killed at any moment leaves whole lines, at worst one cut at the end, which is dropped
when the log is opened again, for its job was never acknowledged. The file is locked as long as a batch, or the guard
that cleans up behind a killed one, uses it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cb_subprocess.command import quote
from cb_subprocess.errors import JobLogError
from cb_subprocess.result import JobResult

__all__ = ["Done", "JobLog", "read_joblog"]

_HEADER = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand"
_LOCK_WAIT = 10.0  # seconds: longer than a guard takes


class Done(NamedTuple):
    """One line: a finished job."""

    seq: int
    started: float
    seconds: float
    received: int
    code: int
    signal: int
    command: str

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return not (self.code or self.signal)


def read_joblog(path: str | os.PathLike[str]) -> dict[int, Done]:
    """Read a job log, GNU parallel's, too: the last line of every job.

    Raises:
        JobLogError: A line is none of a job log.
    """
    return _parse(Path(path).read_bytes(), os.fspath(path))[0]


def _parse(data: bytes, name: str) -> tuple[dict[int, Done], int]:
    """Return the jobs, and where the whole lines end."""
    whole = data.rfind(b"\n") + 1
    found: dict[int, Done] = {}
    for number, line in enumerate(data[:whole].decode("utf-8", "surrogateescape").split("\n")[:-1], 1):
        if number == 1:
            if line != _HEADER:
                raise JobLogError(f"{name}:1: not a job log (its first line would be Seq, Host, Starttime …)")
            continue
        fields = line.split("\t", 8)
        try:
            seq, _, started, seconds, _, received, code, signal, command = fields
            done = Done(int(seq), float(started), float(seconds), int(received), int(code), int(signal), command)
        except ValueError:
            raise JobLogError(f"{name}:{number}: not a job's line (nine columns: see line 1)") from None
        found[done.seq] = done
    return found, whole


class JobLog:
    """An open job log; ``done`` is what was in it."""

    def __init__(self, path: str | os.PathLike[str], *, resume: bool) -> None:
        self.name: str = os.fspath(path)
        try:
            self.fd: int = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise JobLogError(f"{self.name}: {error.strerror}") from error
        try:
            self.done: dict[int, Done] = self._begin(resume=resume)
        except BaseException:
            os.close(self.fd)
            raise

    def _begin(self, *, resume: bool) -> dict[int, Done]:
        self._lock()
        done, whole = _parse(os.pread(self.fd, os.fstat(self.fd).st_size, 0), self.name)
        if done and not resume:
            raise JobLogError(f"{self.name}: holds {len(done)} finished jobs (resume, or take another name)")
        os.ftruncate(self.fd, whole)
        if not whole:
            self._write(_HEADER + "\n")
        return done

    def add(self, job: JobResult) -> None:
        """Append a job's line."""
        if job.stdout_file is None:
            received = len(job.stdout.encode("utf-8", "surrogateescape"))
        else:
            received = os.fstat(job.stdout_file.fileno()).st_size
        code, number = -1 if job.timed_out else max(job.code, 0), max(-job.code, 0)
        self._write(
            f"{job.seq}\t:\t{job.started:.3f}\t{job.seconds:10.3f}\t0\t{received}"
            f"\t{code}\t{number}\t{command_text(job.args)}\n"
        )

    def close(self) -> None:
        os.fsync(self.fd)
        os.close(self.fd)

    def _write(self, line: str) -> None:
        data = line.encode("utf-8", "surrogateescape")
        try:
            whole = os.write(self.fd, data) == len(data)
        except OSError as error:  # pragma: no cover  # tested where no file may grow: the measured lines' neither
            raise JobLogError(f"{self.name}: {error.strerror}") from error
        if not whole:  # pragma: no cover  # the same
            raise JobLogError(f"{self.name}: no room for another line (the disk is full)")

    def _lock(self) -> None:
        until = time.monotonic() + _LOCK_WAIT
        while True:
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise JobLogError(f"{self.name}: in use by another batch") from None
                time.sleep(0.02)
            else:
                return


def command_text(argv: Sequence[str]) -> str:
    """A command as one line without tabs, that a POSIX shell with ``$'…'`` reads back."""
    return quote(argv)
