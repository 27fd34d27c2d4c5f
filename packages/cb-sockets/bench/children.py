"""Child processes that cannot outlive the bench, and what the kernel says of them: CPU time and memory.

Each is started on a core of its own, ended by its context manager, and, should the bench itself be killed, ended by the
kernel (every child asks for PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
_TICK = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 30.0


class ChildFailed(Exception):
    """A child process did not start, or ended early. The message is for the reader of the table."""


def cores() -> tuple[int, int]:
    """The core for servers and the core for the load: the same one where there is no second."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[min(1, len(usable) - 1)]


class Child:
    """A running process with its log file."""

    def __init__(self, process: subprocess.Popen[str], log: IO[bytes]) -> None:
        self.process = process
        self._log = log
        self.port = 0

    def read_line(self, seconds: float) -> str:
        """Its next line on stdout; raises ChildFailed when it ends or takes longer."""
        out = self.process.stdout
        assert out is not None
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            if not selector.select(seconds):
                raise ChildFailed(f"no answer within {seconds:.0f} s")
        line = out.readline()
        if not line:
            code = self.process.wait()
            last = self.log().decode(errors="replace").strip().splitlines()[-1:]
            raise ChildFailed(": ".join([f"ended with exit code {code}", *last]))
        return line.strip()

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def log(self) -> bytes:
        """What it wrote to stderr so far."""
        self._log.seek(0)
        return self._log.read()

    def log_size(self) -> tuple[int, int]:
        """Lines and bytes on stderr so far, without keeping them all in memory."""
        self._log.seek(0)
        lines = size = 0
        while block := self._log.read(2**20):
            lines += block.count(b"\n")
            size += len(block)
        return lines, size

    def cpu_seconds(self) -> float:
        """CPU time used so far, user and system, ended threads included."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def _status(self, field: str) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        raise ChildFailed(f"/proc has no {field}")

    def resident(self) -> int:
        """Resident memory now, in bytes."""
        return self._status("VmRSS")

    def peak_resident(self) -> int:
        """The most resident memory so far, in bytes."""
        return self._status("VmHWM")

    def settle(self, most: float = 2.0) -> None:
        """Wait until it has nothing left to do (closing a thousand connections takes a while)."""
        deadline = time.monotonic() + most
        before = self.cpu_seconds()
        while time.monotonic() < deadline:
            time.sleep(0.03)
            now = self.cpu_seconds()
            if now == before:
                return
            before = now


@contextlib.contextmanager
def start(command: Sequence[str], core: int) -> Iterator[Child]:
    """Run `command` on `core` until the block ends."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=HERE, bufsize=1
        )
        try:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(process.pid, {core})
            yield Child(process, log)
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    with contextlib.suppress(OSError):
                        pipe.close()


@contextlib.contextmanager
def start_server(command: Sequence[str]) -> Iterator[Child]:
    """Run a server that prints its port, on the servers' core."""
    with start(command, cores()[0]) as child:
        child.port = int(child.read_line(_START_SECONDS))
        yield child


def python_server(name: str, *, certificate: Path | None = None, files: int | None = None) -> list[str]:
    """The command that runs one of the Python servers."""
    command = [sys.executable, str(HERE / "serve.py"), name]
    if certificate:
        command += ["--certificate", str(certificate)]
    if files:
        command += ["--files", str(files)]
    return command
