"""Fetch a list of URLs into a folder: the plan, the store and the engines, put together."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

from cb_threading.errors import BadInput
from cb_threading.names import Names
from cb_threading.plan import Job, plan
from cb_threading.policy import Policy
from cb_threading.results import Progress, Report, Result
from cb_threading.session import Engine, Session
from cb_threading.store import Store
from cb_threading.trust import readable
from cb_threading.workers import WorkerGroup

__all__ = ["Fetch", "fetch"]

MOST_JOBS = 500
STOP_WITHIN = 0.4  # seconds for the threads to end when they are told to


class Fetch:
    """A fetch that is under way in a ``with`` block; iterate over it for the results, as they come.

    Leaving the block early, by Ctrl-C too, stops it at once: no file is half-written, and what can be gone on with is
    kept for a run with *resume*.

    Args:
        urls: URLs, or jobs with a path of their own.
        out: The folder; made if it is not there.
        policy: How to fetch.
        names: How files are named, see `cb_threading.names.destination`.
        resume: Keep what earlier runs saved here, and go on with what they began.
        force: Replace files that are there and not from here.
        label: Name of a journal of its own, for several fetches in one folder at once.
        stop: When it is set, by any thread, iterating ends with `KeyboardInterrupt`, as with Ctrl-C.

    Raises:
        BadInput, Collision: The list makes no sense; nothing was requested.
        StoreError: The folder cannot be written; also raised while iterating.
    """

    def __init__(
        self,
        urls: Iterable[str | Job],
        out: str | PathLike[str],
        *,
        policy: Policy | None = None,
        names: Names = "path",
        resume: bool = False,
        force: bool = False,
        label: str = "",
        stop: threading.Event | None = None,
    ) -> None:
        self._stop = stop
        self._policy = policy or Policy()
        if min(self._policy.jobs, self._policy.per_host, self._policy.threads, self._policy.retry.attempts) < 1:
            raise BadInput("jobs, per_host, threads and attempts must be 1 or more")
        if self._policy.jobs > MOST_JOBS:
            raise BadInput(f"{self._policy.jobs} jobs are too many (at most {MOST_JOBS}: each takes a descriptor)")
        jobs = plan(urls, names=names)
        if not self._policy.hash and any(job.sha256 for job in jobs):
            raise BadInput("the list gives SHA-256 sums, but none are to be computed (leave the hash on)")
        if self._policy.ca is not None:
            readable(self._policy.ca)
        self._store = Store(Path(out), label=label, hashed=self._policy.hash, sync=self._policy.fsync)
        try:
            kept, parts = self._store.begin(jobs, resume=resume, force=force)
            self._engines = engines(self._policy, len(jobs) - len(kept))
        except BaseException:
            self._store.close()
            raise
        self._session = Session(self._policy, self._store)
        there = {record.path for record in kept}
        self._session.add(
            (job for job in jobs if job.path not in there),
            validators={path: part.etag for path, part in parts.items()},
            kept=(Result(record.url, record.path, "kept", record.size, record.sha256) for record in kept),
        )
        self._left = len(jobs)
        self._group = WorkerGroup(errors="keep", name="fetch", grace=STOP_WITHIN)

    def __enter__(self) -> Self:
        for engine in self._engines:
            self._group.start(self._run, engine)
        return self

    def _run(self, engine: Engine) -> None:
        try:
            engine.run(self._session)
        except BaseException as error:  # noqa: BLE001 - raised where the results are read
            self._session.broken(error)

    def __iter__(self) -> Iterator[Result]:
        while self._left:
            try:
                came = self._session.results.get(timeout=None if self._stop is None else 0.05)
            except queue.Empty:
                if self._stop is not None and self._stop.is_set():
                    raise KeyboardInterrupt from None
                continue
            if isinstance(came, BaseException):
                raise came
            for result in came:
                self._left -= 1
                yield result

    def progress(self) -> Progress:
        """How far it has come; may be asked from any thread."""
        return self._session.progress()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._left:
            self._session.broken(KeyboardInterrupt())
            for engine in self._engines:
                engine.stop()
        self._group.join(STOP_WITHIN if self._left else None)
        self._store.close()


def engines(policy: Policy, jobs: int) -> list[Engine]:
    """The engines that the policy asks for, for so many jobs."""
    busy = max(1, min(policy.jobs, jobs))
    if policy.engine != "http":
        try:
            from cb_threading.engine_curl import CurlEngine
        except ImportError as error:
            if policy.engine == "curl":
                raise BadInput("no pycurl here (pip install pycurl, or choose the engine http)") from error
        else:
            threads = min(policy.threads, busy)
            return [CurlEngine(policy, (busy + number) // threads) for number in range(threads)]
    from cb_threading.engine_http import HttpEngine

    return [HttpEngine(policy, busy)]


def fetch(
    urls: Iterable[str | Job],
    out: str | PathLike[str],
    *,
    policy: Policy | None = None,
    names: Names = "path",
    resume: bool = False,
    force: bool = False,
    on_result: Callable[[Result], object] | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Fetch *urls* into the folder *out* and tell what became of each. The arguments are those of `Fetch`."""
    start = time.monotonic()
    results: list[Result] = []
    with Fetch(urls, out, policy=policy, names=names, resume=resume, force=force, stop=stop) as running:
        for result in running:
            results.append(result)
            if on_result is not None:
                on_result(result)
    return Report(tuple(results), time.monotonic() - start)
