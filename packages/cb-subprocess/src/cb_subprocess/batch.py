"""`batch`: many commands, so many at once. `Schedule` says what is next, `Pool` does it, `Turns` keeps the order.

A guard, a small process of its own, ends what a batch was running if the batch itself is killed. Cost: linear; memory:
the jobs that run, and the results that wait for their turn.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeAlias, get_args

from cb_subprocess import tree
from cb_subprocess.child import environment, explained, new_token
from cb_subprocess.command import Command, which, words
from cb_subprocess.errors import BadCommand, BatchHalted, CommandNotFound, CommandNotRunnable, JobLogError
from cb_subprocess.joblog import JobLog, command_text
from cb_subprocess.limits import Limits, processors, seconds
from cb_subprocess.pool import BUSY, Pool, Try, kept
from cb_subprocess.result import JobResult
from cb_subprocess.schedule import Halt, Schedule
from cb_subprocess.turns import Turns

__all__ = ["batch"]

Job: TypeAlias = "Command | Callable[[int], Command]"
Order: TypeAlias = Literal["input", "done"]
Resume: TypeAlias = Literal["all", "failed"]
_PATIENCE = 60.0  # seconds to wait for descriptors, processes or memory while nothing of ours runs


def batch(
    jobs: Iterable[Job],
    *,
    at_once: int | None = None,
    retries: int = 0,
    backoff: float = 1.0,
    timeout: float | None = None,
    grace: float = 2.0,
    halt: str = "never",
    order: Order = "input",
    joblog: str | os.PathLike[str] | None = None,
    resume: Resume | None = None,
    max_load: float | None = None,
    min_free: int | None = None,
    delay: float = 0.0,
    max_bytes: int = 1 << 24,
    capture: bool = True,
) -> Iterator[JobResult]:
    r"""Run many commands, some at once, and yield what each has left behind.

    Jobs are taken as they can be started, so they may come from an endless source. Leave off, and close the iterator,
    and what runs is killed. Until then this process has threads, two to eight, that start the jobs: since Python 3.12
    `os.fork` warns of that.

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
    if order not in get_args(Order) or resume not in (None, *get_args(Resume)):
        raise ValueError(f"order is 'input' or 'done', resume None, 'all' or 'failed'; not {order!r}, {resume!r}")
    if resume and joblog is None:
        raise ValueError("resume goes by a joblog: name one")
    if min(retries, max_bytes) < 0:
        raise ValueError("retries and max_bytes are 0 or more")
    for name, value in (("timeout", timeout), ("grace", grace), ("backoff", backoff), ("delay", delay)):
        seconds(name, value)
    at_once = at_once or processors()
    schedule = Schedule(at_once, retries=retries, backoff=backoff, delay=delay, halt=Halt.parse(halt))
    run = _Batch(iter(jobs), schedule, Limits(max_load, min_free), max_bytes, ordered=order == "input")
    return run.results(joblog, resume, at_once, timeout, grace, capture=capture)


class _Batch:
    def __init__(
        self, jobs: Iterator[Job], schedule: Schedule, limits: Limits, max_bytes: int, *, ordered: bool
    ) -> None:
        self._jobs = jobs
        self._schedule = schedule
        self._limits = limits
        self._max_bytes = max_bytes
        self._seq = 0
        self._more = True
        self._coming: list[Job] = []  # the next job, once a slot is free for it
        self._jobs_tried: dict[int, Job] = {}  # those that run, by number
        self._again: dict[int, tuple[Job, int, JobResult | None]] = {}  # waits for a try: tries so far, last result
        self._turns = Turns(ordered=ordered)
        self._skip: set[int] = set()  # numbers
        self._busy_since: float | None = None
        self._paths: dict[str, str] = {}
        self._log: JobLog | None = None
        self._pool: Pool

    def results(
        self,
        joblog: str | os.PathLike[str] | None,
        resume: Resume | None,
        at_once: int,
        timeout: float | None,
        grace: float,
        *,
        capture: bool,
    ) -> Iterator[JobResult]:
        schedule = self._schedule
        env = environment(None, new_token())
        token = env[tree.TOKEN_VARIABLE]
        with contextlib.ExitStack() as stack:
            if joblog is not None:
                log = self._log = stack.enter_context(contextlib.closing(JobLog(joblog, resume=resume is not None)))
                self._skip = {seq for seq, done in log.done.items() if resume == "all" or done.ok}
            stack.enter_context(_guarded(token, grace, self._log))
            stack.enter_context(contextlib.closing(self._turns))
            pool = self._pool = Pool(env, token, at_once, timeout, grace, capture=capture)
            stack.enter_context(contextlib.closing(pool))
            while self._start() or pool.busy or self._again:
                self._wait()
                yield from self._turns.take()
                if schedule.halted:
                    self._halt()
            yield from self._turns.take(everything=True)
        if schedule.halted:
            counts = f"{schedule.succeeded} jobs done, {schedule.failed} failed"
            raise BatchHalted(f"stopped by the halt policy: {counts}, job {self._seq} was the last one started")

    def _start(self) -> bool:
        """Start what may start; return whether there may be more to start later."""
        schedule = self._schedule
        now = time.monotonic()
        self._look_ahead()
        while schedule.ready(now) and not (self._turns.full and self._pool.busy) and self._limits.allow(now):
            seq = schedule.due(now)
            if seq is not None:
                job, tries, _ = self._again.pop(seq)
                self._try(seq, job, tries + 1, now)
                continue
            if not self._coming:
                break
            job = self._coming.pop()
            self._seq += 1
            if self._passed_over(self._seq, job):
                self._turns.pass_over(self._seq)
            else:
                self._try(self._seq, job, 1, now)
                now = time.monotonic()
            self._look_ahead()
        return (self._more or bool(self._coming)) and schedule.halted is None

    def _look_ahead(self) -> None:
        """Take the next job if there is a slot for it: nobody is to wait until a job may start that does not come."""
        if self._more and not self._coming and self._schedule.free and self._schedule.halted is None:
            for job in self._jobs:
                self._coming.append(job)
                return
            self._more = False

    def _passed_over(self, seq: int, job: Job) -> bool:
        known = self._log.done.get(seq) if self._log is not None else None
        if known is not None and self._log is not None and not callable(job):
            text = command_text(_words(seq, job))
            if text != known.command:
                raise JobLogError(
                    f"{self._log.name}: job {seq} was {known.command}, not {text} (the log is of another batch)"
                )
        return seq in self._skip

    def _try(self, seq: int, job: Job, tries: int, now: float) -> None:
        slot = self._schedule.started(now)
        argv = _words(seq, job, slot)
        self._jobs_tried[seq] = job
        one = Try(seq, argv, tries, slot)
        try:
            one.path = self._path(argv[0])
        except (CommandNotFound, CommandNotRunnable) as error:
            one.clock, one.error = time.time(), error
            self._over(one)
        else:
            self._pool.start(one)

    def _path(self, name: str) -> str:
        path = self._paths.get(name)
        if path is None:
            path = self._paths[name] = which(name)
        return path

    def _wait(self) -> None:
        """Wait for an end, or for the time to do something."""
        now = time.monotonic()
        times = [] if (wake := self._schedule.wake(now)) is None else [wake]
        if not self._limits.allow(now):
            times.append(0.2)
        for one in self._pool.wait(min(times) if times else None if self._pool.busy else 0):
            self._over(one)

    def _over(self, one: Try) -> None:
        """A try is over: there will be another, or the job is finished and written down."""
        schedule, job, now = self._schedule, self._jobs_tried.pop(one.seq), time.monotonic()
        schedule.freed(one.slot)
        if one.error is None:
            self._busy_since = None
            result = self._result(one)
        elif not isinstance(one.error, OSError):
            raise one.error
        elif one.error.errno in BUSY and self._patient(now):
            self._again[one.seq] = (job, one.tries - 1, None)
            schedule.postpone(one.seq, now + 0.1)
            return
        else:
            result = _not_started(one, one.error)
        if schedule.ended(one.seq, ok=result.ok, tries=one.tries, now=now):
            self._again[one.seq] = (job, one.tries, result)
            result.close()
        else:
            self._finish(result)

    def _patient(self, now: float) -> bool:
        """Whether to wait for room: something of ours will end, or somebody else's soon."""
        if self._busy_since is None or self._pool.busy:
            self._busy_since = now
        return now - self._busy_since < _PATIENCE

    def _result(self, one: Try) -> JobResult:
        outputs = [kept(fd, self._max_bytes) for fd in one.outputs] or [("", None)] * 2
        (out, out_file), (err, err_file) = outputs
        code, late = os.waitstatus_to_exitcode(one.status), one.kill is not None
        of_job = (one.seq, tuple(one.argv), code, out, err, one.clock, one.seconds, one.tries)
        return JobResult(*of_job, late, out_file, err_file)

    def _finish(self, result: JobResult) -> None:
        if self._log is not None:
            self._log.add(result)
        self._turns.put(result)

    def _halt(self) -> None:
        """Let no job have another try; kill what runs if it is to be now: those jobs are not written down."""
        for seq in self._schedule.give_up():
            _, _, last = self._again.pop(seq)
            if last is not None:
                self._finish(last)
        if self._schedule.halted == "now":
            self._pool.close()


def _words(seq: int, job: Job, slot: int = 0) -> list[str]:
    try:
        return words(job(slot) if callable(job) else job)
    except BadCommand as error:
        error.job = seq
        raise


def _not_started(one: Try, error: OSError) -> JobResult:
    if not isinstance(error, (CommandNotFound, CommandNotRunnable)):
        error = explained(error, one.argv, None)
    code = 127 if isinstance(error, CommandNotFound) else 126
    return JobResult(one.seq, tuple(one.argv), code, "", f"{error}\n", one.clock, 0.0, one.tries)


@contextlib.contextmanager
def _guarded(token: bytes, grace: float, log: JobLog | None) -> Iterator[None]:
    """Have a process that ends what carries the token if we are killed, or cannot do it ourselves.

    Then it lets go of the job log.
    """
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", tree.__file__, os.fsdecode(token), str(grace)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(log.fd,) if log is not None else (),
        start_new_session=True,
    )
    try:
        yield
    except BaseException:
        guard.communicate()  # an end of file: it looks whether anything is left
        raise
    guard.kill()
    guard.communicate()
