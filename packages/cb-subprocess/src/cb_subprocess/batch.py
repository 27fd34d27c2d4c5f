"""`batch`: many commands, so many at once. `Schedule` says what is next; here it is done, with epoll and pidfds.

Outputs go to unnamed temporary files, not pipes: no job waits for us, and a child that one leaves behind holds nothing
up. A guard, a small process of its own, ends what a batch was running if the batch itself is killed. Only processes
started here are waited for. Cost: linear; memory: the jobs that run, and the results that wait for their turn.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, TypeAlias

from cb_subprocess import tree
from cb_subprocess.child import environment, explained, new_token
from cb_subprocess.command import Command, which, words
from cb_subprocess.errors import BatchHalted, CommandNotFound, CommandNotRunnable, JobLogError
from cb_subprocess.joblog import Done, JobLog, command_text
from cb_subprocess.schedule import Halt, Schedule

__all__ = ["JobResult", "batch"]

Job: TypeAlias = "Command | Callable[[int], Command]"
_BUSY = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
_PATIENCE = 60.0  # seconds to wait for descriptors, processes or memory while nothing of ours runs
_HELD_BYTES = 1 << 26
_HELD_FILES = 64


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


def batch(
    jobs: Iterable[Job],
    *,
    at_once: int | None = None,
    retries: int = 0,
    backoff: float = 1.0,
    timeout: float | None = None,
    grace: float = 2.0,
    halt: str = "never",
    order: Literal["input", "done"] = "input",
    joblog: str | os.PathLike[str] | None = None,
    resume: Literal["all", "failed"] | None = None,
    max_load: float | None = None,
    min_free: int | None = None,
    delay: float = 0.0,
    max_bytes: int = 1 << 24,
    capture: bool = True,
) -> Iterator[JobResult]:
    r"""Run many commands, some at once, and yield what each has left behind.

    Jobs are taken as they can be started, so they may come from an endless source. Leave off, and close the iterator,
    and what runs is killed.

    >>> [job.stdout for job in batch(["echo", str(number)] for number in range(3))]
    ['0\n', '1\n', '2\n']

    Args:
        jobs: Commands, as for `run`; or functions that make one for a slot, a number from 1 to `at_once`.
        at_once: How many run at a time. Default: as many as there are processors for us.
        retries: How often a job that failed is tried again.
        backoff: Seconds before the first retry; then twice as many each time.
        timeout: Seconds a try may take; then it is killed with all that it started.
        grace: Seconds between SIGTERM and SIGKILL.
        halt: When to stop: ``"never"``; ``"soon,fail=3"`` starts no more, ``"now,fail=1"`` kills what runs;
            ``fail=10%`` is a share of the finished jobs, from the tenth on; ``success=N``.
        order: Results in the order of the jobs, or as they are done.
        joblog: A file that gets a line for each finished job; see `read_joblog`.
        resume: Pass over the jobs that are finished by the log (``"all"``), or that have succeeded (``"failed"``).
        max_load: Start nothing while the machine's load is higher.
        min_free: Start nothing while fewer bytes of memory are available.
        delay: Seconds between two starts.
        max_bytes: Bytes of each output that a result holds in memory.
        capture: With False, jobs write where this process writes.

    Raises:
        BatchHalted: After the last result, if the halt policy stopped it.
        JobLogError: The log is in use, of another batch, or has jobs in it and `resume` is None.
    """
    if at_once is not None and at_once < 1:
        raise ValueError("at_once is 1 or more")
    if resume and joblog is None:
        raise ValueError("resume goes by a joblog: name one")
    schedule = Schedule(at_once or _processors(), retries=retries, backoff=backoff, delay=delay, halt=Halt.parse(halt))
    limits = _Limits(max_load, min_free)
    run = _Batch(iter(jobs), schedule, limits, timeout, grace, max_bytes, capture=capture, ordered=order == "input")
    return run.results(joblog, resume)


@dataclass(slots=True)
class _Try:
    seq: int
    job: Job
    argv: list[str]
    tries: int
    slot: int
    pid: int
    pidfd: int
    outputs: tuple[int, ...]
    clock: float
    started: float
    kill: tree.TreeKill | None = None
    ended: bool = False  # and not reaped, for its number marks the rest of its tree


@dataclass(slots=True)
class _Limits:
    """What the machine must have left for a start; looked at five times a second at most."""

    max_load: float | None
    min_free: int | None
    _next: float = 0.0
    _open: bool = True

    def allow(self, now: float) -> bool:
        if self.max_load is None and self.min_free is None:
            return True
        if now >= self._next:
            self._next = now + 0.2
            self._open = (self.max_load is None or load() <= self.max_load) and (
                self.min_free is None or free_memory() >= self.min_free
            )
        return self._open


def load() -> float:
    """The machine's load average over the last minute."""
    return os.getloadavg()[0]


def free_memory() -> int:
    """Bytes of memory that can be had without swapping."""
    with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))


class _Batch:
    def __init__(
        self,
        jobs: Iterator[Job],
        schedule: Schedule,
        limits: _Limits,
        timeout: float | None,
        grace: float,
        max_bytes: int,
        *,
        capture: bool,
        ordered: bool,
    ) -> None:
        self.schedule = schedule
        self._jobs = jobs
        self._limits = limits
        self._timeout = timeout
        self._grace = grace
        self._max_bytes = max_bytes
        self._capture = capture
        self._ordered = ordered
        self._seq = 0
        self._more = True
        self._running: dict[int, _Try] = {}  # by pidfd
        self._overdue: deque[_Try] = deque()  # in the order of their starts, which is that of their limits
        self._killing: list[_Try] = []
        self._again: dict[int, tuple[Job, int, JobResult | None]] = {}  # waits for a try: tries so far, last result
        self._finished: dict[int, JobResult | None] = {}  # waits for its turn; None: passed over
        self._held = [0, 0]  # bytes, files
        self._next = 1
        self._log: JobLog | None = None
        self._skip: dict[int, Done] = {}
        self._busy_since: float | None = None
        self._token = new_token()
        self._env = environment(None, self._token)
        self._name = self._env[tree.TOKEN_VARIABLE]
        self._paths: dict[str, str] = {}
        self._null = -1

    def results(
        self, joblog: str | os.PathLike[str] | None, resume: Literal["all", "failed"] | None
    ) -> Iterator[JobResult]:
        if joblog is not None:
            self._log = JobLog(joblog, resume=resume is not None)
            self._skip = {s: d for s, d in self._log.done.items() if resume == "all" or not (d.code or d.signal)}
        guard = None
        self._null = os.open(os.devnull, os.O_RDONLY)
        self._spares = [os.dup(self._null) for _ in range(8)]  # so that there are descriptors to kill with
        self._epoll = select.epoll()
        try:
            guard = self._guard()
            while self._start() or self._running or self._killing or self._again:
                self._wait()
                yield from self._ready()
                if self.schedule.halted:
                    self._halt()
                    yield from self._ready()
            yield from self._ready(everything=True)
        finally:
            self._close()
            if guard is not None:
                guard.kill()
                guard.communicate()
        if self.schedule.halted:
            counts = f"{self.schedule.succeeded} jobs done, {self.schedule.failed} failed"
            raise BatchHalted(f"stopped by the halt policy: {counts}, job {self._seq} was the last one started")

    def _start(self) -> bool:
        """Start what may start; return whether there may be more to start later."""
        schedule = self.schedule
        now = time.monotonic()
        while schedule.ready(now) and not self._crowded() and self._limits.allow(now):
            seq = schedule.due(now)
            if seq is not None:
                job, tries, _ = self._again.pop(seq)
                self._spawn(seq, job, tries + 1, now)
                continue
            try:
                job = next(self._jobs)
            except StopIteration:
                self._more = False
                break
            self._seq += 1
            if not self._passed_over(self._seq, job):
                self._spawn(self._seq, job, 1, now)
                now = time.monotonic()
        return self._more and schedule.halted is None

    def _passed_over(self, seq: int, job: Job) -> bool:
        done = self._skip.get(seq)
        if self._log is not None and (known := done or self._log.done.get(seq)) and not callable(job):
            text = command_text(words(job))
            if text != known.command:
                raise JobLogError(
                    f"{self._log.name}: job {seq} was {known.command}, not {text} (the log is of another batch)"
                )
        if done is None:
            return False
        if self._ordered:
            self._finished[seq] = None
        return True

    def _crowded(self) -> bool:
        """Whether so much waits for the output of an earlier job that nothing is to be started."""
        return bool(self._running) and (self._held[0] > _HELD_BYTES or self._held[1] > _HELD_FILES)

    def _spawn(self, seq: int, job: Job, tries: int, now: float) -> None:
        slot = self.schedule.started(now)
        argv = words(job(slot) if callable(job) else job)
        self._env[tree.TOKEN_VARIABLE] = b"%s.%d." % (self._name, seq)
        outputs: tuple[int, ...] = ()
        spare = -1  # so that there is a descriptor for the pidfd of what has started
        clock, started = time.time(), time.monotonic()
        try:
            actions = [(os.POSIX_SPAWN_DUP2, self._null, 0)]
            if self._capture:
                outputs = (_unnamed(),)
                outputs += (_unnamed(),)
                actions += [(os.POSIX_SPAWN_DUP2, outputs[0], 1), (os.POSIX_SPAWN_DUP2, outputs[1], 2)]
            spare = os.dup(self._null)
            pid = os.posix_spawn(
                self._path(argv[0]),
                argv,
                self._env,
                file_actions=actions,
                setpgroup=0,
                setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
            )
        except OSError as error:
            for fd in (*outputs, *([spare] if spare >= 0 else [])):
                os.close(fd)
            self.schedule.freed(slot)
            if error.errno in _BUSY and self._patient(now):
                self._again[seq] = (job, tries - 1, None)
                self.schedule.postpone(seq, now + 0.1)
                return
            known = error if isinstance(error, (CommandNotFound, CommandNotRunnable)) else explained(error, argv, None)
            code = 127 if isinstance(known, CommandNotFound) else 126
            result = JobResult(seq, tuple(argv), code, "", f"{known}\n", clock, 0.0, tries)
            self._over(job, result, now)
            return
        self._busy_since = None
        os.close(spare)
        pidfd = os.pidfd_open(pid)
        one = self._running[pidfd] = _Try(seq, job, argv, tries, slot, pid, pidfd, outputs, clock, started)
        self._epoll.register(pidfd, select.EPOLLIN)
        if self._timeout is not None:
            self._overdue.append(one)

    def _path(self, name: str) -> str:
        path = self._paths.get(name)
        if path is None:
            path = self._paths[name] = which(name)
        return path

    def _patient(self, now: float) -> bool:
        """Whether to wait for room: something of ours will end, or somebody else's soon."""
        if self._busy_since is None or self._running:
            self._busy_since = now
        return now - self._busy_since < _PATIENCE

    def _wait(self) -> None:
        """Wait for an end, or for the time to do something, and do it."""
        now = time.monotonic()
        times = [] if (wake := self.schedule.wake(now)) is None else [wake]
        while self._overdue and self._overdue[0].pidfd not in self._running:
            self._overdue.popleft()
        if self._overdue and self._timeout is not None:
            times.append(max(0.0, self._overdue[0].started + self._timeout - now))
        if self._killing:
            times.append(0.02)
        if not self._limits.allow(now):
            times.append(0.2)
        for pidfd, _ in self._epoll.poll(min(times) if times else None if self._running else 0):
            self._reap(self._running.pop(pidfd))
        now = time.monotonic()
        while self._overdue and self._timeout is not None and self._overdue[0].started + self._timeout <= now:
            late = self._overdue.popleft()
            if self._running.get(late.pidfd) is late:
                late.kill = tree.TreeKill([late.pid], b"%s.%d." % (self._name, late.seq), self._grace)
                self._killing.append(late)
        for late in self._killing[:]:
            assert late.kill is not None
            if late.kill.step():
                self._killing.remove(late)
                late.kill.close()
                if late.ended:
                    self._conclude(late)

    def _reap(self, one: _Try) -> None:
        """A job's process has ended."""
        self._epoll.unregister(one.pidfd)  # before close: a child that is just starting may hold a copy
        one.ended = True
        if one not in self._killing:
            self._conclude(one)

    def _conclude(self, one: _Try) -> None:
        os.close(one.pidfd)
        _, status = os.waitpid(one.pid, 0)
        now = time.monotonic()
        self.schedule.freed(one.slot)
        (out, out_file), (err, err_file) = map(self._output, one.outputs) if one.outputs else (("", None), ("", None))
        result = JobResult(
            one.seq,
            tuple(one.argv),
            os.waitstatus_to_exitcode(status),
            out,
            err,
            one.clock,
            now - one.started,
            one.tries,
            one.kill is not None,
            out_file,
            err_file,
        )
        self._over(one.job, result, now)

    def _output(self, fd: int) -> tuple[str, BinaryIO | None]:
        size = os.fstat(fd).st_size
        if not size:
            os.close(fd)
            return "", None
        text = os.pread(fd, min(size, self._max_bytes), 0).decode("utf-8", "surrogateescape")
        if size <= self._max_bytes:
            os.close(fd)
            return text, None
        os.lseek(fd, 0, os.SEEK_SET)
        return text, open(fd, "rb")  # the result's

    def _over(self, job: Job, result: JobResult, now: float) -> None:
        """A try is over: there will be another, or the job is finished and written down."""
        if self.schedule.ended(result.seq, ok=result.ok, tries=result.tries, now=now):
            self._again[result.seq] = (job, result.tries, result)
            _close_files(result)
        else:
            self._finish(result)

    def _finish(self, result: JobResult) -> None:
        if self._log is not None:
            number = -result.code if result.code < 0 else 0
            code = -1 if result.timed_out else max(result.code, 0)
            received = len(result.stdout.encode("utf-8", "surrogateescape"))
            if result.stdout_file is not None:
                received = os.fstat(result.stdout_file.fileno()).st_size
            text = command_text(result.args)
            self._log.add(Done(result.seq, result.started, result.seconds, received, code, number, text))
        self._finished[result.seq] = result
        self._hold(result, 1)

    def _hold(self, result: JobResult, sign: int) -> None:
        self._held[0] += sign * (len(result.stdout) + len(result.stderr))
        self._held[1] += sign * ((result.stdout_file is not None) + (result.stderr_file is not None))

    def _ready(self, *, everything: bool = False) -> Iterator[JobResult]:
        """The results whose turn it is."""
        if not self._ordered or everything:
            order = sorted(self._finished) if self._ordered else list(self._finished)
            for seq in order:
                result = self._finished.pop(seq)
                if result is not None:
                    self._hold(result, -1)
                    yield result
            return
        while self._next in self._finished:
            result = self._finished.pop(self._next)
            self._next += 1
            if result is not None:
                self._hold(result, -1)
                yield result

    def _halt(self) -> None:
        """Let no job have another try; kill what runs if it is to be now."""
        for seq in self.schedule.give_up():
            _, _, last = self._again.pop(seq)
            if last is not None:
                self._finish(last)
        if self.schedule.halted == "now":
            self._kill_all()

    def _kill_all(self) -> None:
        """End what runs. Those jobs are not finished: they are not written down."""
        while self._spares:
            os.close(self._spares.pop())
        runs = [*self._running.values(), *(late for late in self._killing if late.ended)]
        for late in self._killing:
            assert late.kill is not None
            late.kill.close()
        self._killing.clear()
        self._running.clear()
        if not runs:
            return
        try:
            tree.kill_tree([one.pid for one in runs], self._name, self._grace)
        finally:
            for one in runs:
                for fd in (one.pidfd, *one.outputs):
                    os.close(fd)
                os.waitpid(one.pid, 0)

    def _close(self) -> None:
        try:
            self._kill_all()
        finally:
            self._epoll.close()
            os.close(self._null)
            for result in self._finished.values():
                if result is not None:
                    _close_files(result)
            if self._log is not None:
                self._log.close()

    def _guard(self) -> subprocess.Popen[bytes]:
        """Start what ends our jobs if we are killed, and then lets go of the job log."""
        keep = (self._log.fd,) if self._log is not None else ()
        return subprocess.Popen(
            [sys.executable, "-I", "-S", tree.__file__, os.fsdecode(self._name), str(self._grace)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=keep,
            start_new_session=True,
        )


def _unnamed() -> int:
    """Open a file without a name, on disk: memory is not for outputs of any size."""
    try:
        return os.open(tempfile.gettempdir(), os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in _BUSY:
            raise
        fd, name = tempfile.mkstemp()  # a file system that has no such files
        os.unlink(name)
        return fd


def _close_files(result: JobResult) -> None:
    for file in (result.stdout_file, result.stderr_file):
        if file is not None:
            file.close()


def _processors() -> int:
    return len(os.sched_getaffinity(0))
