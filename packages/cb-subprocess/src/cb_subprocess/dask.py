"""A batch on the machines of a Dask cluster (extra ``dask``). A job whose worker dies is run again elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from cb_subprocess.command import words
from cb_subprocess.errors import CommandError, CommandNotFound, CommandNotRunnable, CommandTimeout, JobLogError
from cb_subprocess.joblog import JobLog, command_text
from cb_subprocess.result import JobResult
from cb_subprocess.running import run

__all__ = ["batch_on_dask"]

CONNECT_SECONDS = 10
"""How long a scheduler may take to answer."""


def run_job(seq: int, argv: Sequence[str], timeout: float | None, retries: int) -> JobResult:
    """Run one job, on whatever machine this is."""
    begin = time.time()
    result = JobResult(seq, tuple(argv), 126)
    for tries in range(1, retries + 2):
        begin, clock = time.time(), time.monotonic()
        try:
            done = run(argv, check=False, timeout=timeout)
            result = JobResult(seq, tuple(argv), done.code, done.stdout, done.stderr, begin, done.seconds, tries)
        except CommandTimeout as error:
            seconds = time.monotonic() - clock
            said = str(error.stdout or ""), str(error.stderr or "")
            result = JobResult(seq, tuple(argv), -15, *said, begin, seconds, tries, timed_out=True)
        except (CommandNotFound, CommandNotRunnable) as error:
            code = 127 if isinstance(error, CommandNotFound) else 126
            result = JobResult(seq, tuple(argv), code, "", f"{error}\n", begin, 0.0, tries)
        if result.ok:
            break
    return result


def batch_on_dask(
    jobs: Iterable[Sequence[str]],
    scheduler: str,
    *,
    retries: int = 0,
    timeout: float | None = None,
    joblog: str | os.PathLike[str] | None = None,
    resume: Literal["all", "failed"] | None = None,
    ahead: int = 1000,
) -> Iterator[JobResult]:
    """Run commands on a cluster and yield their results as they are done.

    Args:
        jobs: Argument lists.
        scheduler: Its address, ``tcp://host:8786``.
        retries: How often a job that failed is tried again, where it is.
        timeout: Seconds a try may take.
        joblog: As for `batch`.
        resume: As for `batch`.
        ahead: How many jobs the cluster is given at a time.

    Raises:
        CommandError: The cluster cannot be reached, or has lost a job for good.
    """
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise CommandError("dask is not installed (pip install 'cb-subprocess[dask]')") from error
    log = JobLog(joblog, resume=resume is not None) if joblog is not None else None
    try:
        try:
            client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
        except OSError as error:
            raise CommandError(f"{scheduler}: no scheduler answers there ({type(error).__name__})") from error
        with client:
            waiting: Any = as_completed(loop=client.loop)  # type: ignore[no-untyped-call]
            source = _left(jobs, log, resume)
            running = 0
            while True:
                while running < ahead and (job := next(source, None)) is not None:
                    waiting.add(client.submit(run_job, *job, timeout, retries, pure=False, retries=3))
                    running += 1
                if not running:
                    return
                future = next(waiting)
                running -= 1
                try:  # not its status: that of a result whose worker has died since is "lost" while it is made again
                    result: JobResult = future.result()
                except Exception as error:
                    raise CommandError(f"the cluster has lost a job: {error}") from error
                future.release()
                if log is not None:
                    log.add(result)
                yield result
    finally:
        if log is not None:
            log.close()


def _left(jobs: Iterable[Sequence[str]], log: JobLog | None, resume: str | None) -> Iterator[tuple[int, list[str]]]:
    for seq, job in enumerate(jobs, 1):
        argv = words(job)
        done = log.done.get(seq) if log is not None else None
        if log is not None and done is not None and done.command != command_text(argv):
            raise JobLogError(f"{log.name}: job {seq} was {done.command}, not {command_text(argv)}")
        if done is None or (resume == "failed" and not done.ok):
            yield seq, argv
