"""One started process: its group, its token, its end. Only what was started here is ever signalled or waited for."""

from __future__ import annotations

import errno
import itertools
import os
import resource
import select
import subprocess
import time
from collections.abc import Mapping
from typing import NamedTuple

from cb_subprocess.command import near
from cb_subprocess.errors import BadCommand, CommandNotFound, CommandNotRunnable, StatusLost
from cb_subprocess.limits import LONGEST
from cb_subprocess.tree import TOKEN_VARIABLE

__all__ = ["Child", "Ended", "environment", "new_token"]

_numbers = itertools.count()


class Ended(NamedTuple):
    """How a process ended: status as `subprocess` has it, processor seconds, peak memory in bytes or None."""

    code: int
    cpu: float
    max_rss: int | None


def new_token() -> bytes:
    """A name for all that one call starts."""
    return b"%x.%x.%s" % (os.getpid(), next(_numbers), os.urandom(6).hex().encode())


def environment(changes: Mapping[str, str | None] | None, token: bytes) -> dict[bytes, bytes]:
    """Our environment with `changes` (None removes a name), and the token behind those of outer calls."""
    made = dict(os.environb)
    for name, value in (changes or {}).items():
        if value is None:
            made.pop(os.fsencode(name), None)
        elif not isinstance(value, str):
            raise BadCommand(f"the environment holds text, not {name}={value!r}")
        elif not name or "=" in name or "\0" in name + value:
            raise BadCommand(f"the environment cannot hold {name}={value!r} (no '=' in a name, no NUL byte)")
        else:
            made[os.fsencode(name)] = os.fsencode(value)
    outer = made.get(TOKEN_VARIABLE)
    made[TOKEN_VARIABLE] = token if outer is None else outer + b":" + token
    return made


def peak_memory(usage: resource.struct_rusage) -> int | None:
    """Peak memory in bytes; None where it was less than this process's own, which Linux counts in for a child."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage.ru_maxrss * 1024 if usage.ru_maxrss > own else None


class Child:
    """A started process that has not been waited for. `argv` must come from `words`."""

    def __init__(
        self,
        argv: list[str],
        env: dict[bytes, bytes],
        *,
        stdin: int | None,
        stdout: int | None,
        stderr: int | None,
        cwd: str | os.PathLike[str] | None,
        own_group: bool = True,
    ) -> None:
        self.argv = argv
        self.ended: Ended | None = None
        self._fd: int | None = None
        # A terminal serves one group: who reads from ours stays in ours.
        group = 0 if own_group and not (stdin is None and os.isatty(0)) else None
        self.started: float = time.monotonic()
        try:
            self._popen = subprocess.Popen(
                argv, stdin=stdin, stdout=stdout, stderr=stderr, cwd=cwd, env=env, process_group=group
            )
        except OSError as error:
            raise explained(error, argv, cwd) from error
        self.pid: int = self._popen.pid

    def fileno(self) -> int:
        """A pidfd, readable when the process has ended."""
        if self._fd is None:
            self._fd = os.pidfd_open(self.pid)
        return self._fd

    def wait(self, timeout: float | None = None) -> bool:
        """Wait at most so many seconds; return whether it has ended. It stays a zombie until `reap`."""
        if self.ended is None:
            poller = select.poll()
            try:
                poller.register(self.fileno(), select.POLLIN)
            except ProcessLookupError:
                return True  # its status was taken away: reap will say so
            until = None if timeout is None else time.monotonic() + timeout
            while not poller.poll(None if until is None else min(max(0, until - time.monotonic()), LONGEST) * 1000):
                if until is not None and time.monotonic() >= until:
                    return False
        return True

    def reap(self) -> Ended:
        """Wait for the end and take the exit status; afterwards its number may be another's."""
        if self.ended is None:
            try:
                _, status, usage = os.wait4(self.pid, 0)
            except ChildProcessError:
                self._popen.returncode = 0  # so that it asks no more
                self.ended = Ended(0, 0.0, None)
                raise StatusLost(
                    f"{self.argv[0]}: its exit status is lost (SIGCHLD ignored, or waited for elsewhere?)"
                ) from None
            finally:
                if self._fd is not None:
                    os.close(self._fd)
                    self._fd = None
            self._popen.returncode = code = os.waitstatus_to_exitcode(status)
            self.ended = Ended(code, usage.ru_utime + usage.ru_stime, peak_memory(usage))
        return self.ended


def explained(error: OSError, argv: list[str], cwd: str | os.PathLike[str] | None) -> OSError:
    """Say which of program, folder and system it was."""
    name = argv[0]
    if cwd is not None and not os.path.isdir(cwd):  # noqa: PTH112
        return CommandNotRunnable(error.errno, f"{name}: cannot start in {os.fspath(cwd)!r}: no such folder")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        if os.sep in name and os.path.exists(name):  # noqa: PTH110
            return CommandNotRunnable(error.errno, f"{name}: its interpreter is missing (look at its first line)")
        return CommandNotFound(name, near(name))
    if error.errno == errno.E2BIG:
        size = sum(len(os.fsencode(word)) + 1 for word in argv)
        return CommandNotRunnable(
            error.errno,
            f"{name}: {size} bytes of arguments are more than the system takes (give them as input, or in batches)",
        )
    hints = {
        errno.EACCES: "not executable (chmod +x?)",
        errno.ENOEXEC: "not a program (does its first line say #!…?)",
        errno.EAGAIN: "no more processes (ulimit -u)",
        errno.EMFILE: "no more file descriptors (ulimit -n)",
    }
    reason = hints.get(error.errno or 0, error.strerror)
    return CommandNotRunnable(error.errno, f"{name}: cannot be started: {reason}")
