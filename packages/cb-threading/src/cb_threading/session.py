"""The state of a fetch, shared by its threads: what waits, what is asked, what has come, what is done with it.

Engines (`engine_curl`, `engine_http`) take exchanges, hand them back, and save what came. Redirects, retries and
robots.txt are further exchanges in the same schedule, so that they are as polite as the first.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from cb_threading.exchange import REDIRECTS, ROBOTS_SIZE, Exchange, Failure, Robots
from cb_threading.hosts import Schedule
from cb_threading.names import host_key, redirected
from cb_threading.plan import Job
from cb_threading.policy import Policy
from cb_threading.politeness import retry_after
from cb_threading.results import Progress, Result, State
from cb_threading.store import Store, problem

if TYPE_CHECKING:
    from protego import Protego

__all__ = ["Engine", "Session"]

OWN_HOST_ONLY = frozenset({"authorization", "cookie"})


class Engine(Protocol):
    """Carries exchanges, in threads of its own, until the session is over."""

    def run(self, session: Session) -> None:
        """Take exchanges and hand them back until there are none; called in a thread."""

    def stop(self) -> None:
        """Break off whatever is under way; called in another thread."""


class Session:
    """What engines work on. Its methods may be called from any thread."""

    def __init__(self, policy: Policy, store: Store) -> None:
        self.policy: Policy = policy
        self.store: Store = store
        self.stopped: bool = False
        coding = "gzip, deflate" if policy.compressed else "identity"
        ours = {"User-Agent": policy.agent, "Accept": "*/*", "Accept-Encoding": coding}
        given = {name.lower() for name, _ in policy.headers}
        self._given = (*(pair for pair in ours.items() if pair[0].lower() not in given), *policy.headers)
        self.results: queue.SimpleQueue[list[Result] | BaseException] = queue.SimpleQueue()
        self._changed = threading.Condition(threading.Lock())
        # A job becomes an exchange when its turn comes: a list may be long, and a job is small.
        self._schedule: Schedule[Job | Exchange] = Schedule(per_host=policy.per_host, delay=policy.delay)
        self._validators: dict[str, str] = {}
        self._rules: dict[str, Protego | Failure | None] = {}
        self._unknown: dict[str, list[tuple[Job | Exchange, float]]] = {}  # they wait for their host's robots.txt
        self._open = 0
        self._total = 0
        self._active = 0
        self._counts = {"saved": 0, "kept": 0, "failed": 0}
        self._size = 0
        self._took: dict[str, tuple[int, float]] = {}
        self._start = time.monotonic()

    # What is to be fetched ------------------------------------------------------------------------

    def add(self, jobs: Iterable[Job], *, validators: Mapping[str, str], kept: Iterable[Result] = ()) -> None:
        """Add jobs, with the validators of the parts that are there of them, by path; and what need not be fetched."""
        now = time.monotonic()
        with self._changed:
            self._validators.update(validators)
            there = list(kept)
            self._total += len(there)
            self._counts["kept"] += len(there)
            self.results.put(there)
            for job in jobs:
                self._open += 1
                self._total += 1
                self._put(job, host_key(job.url), now)
            self._changed.notify_all()

    def _put(self, item: Job | Exchange, host: str, now: float, *, after: float = 0.0) -> None:
        if not self.policy.robots or host in self._rules:
            self._schedule.put(item, host, now, after=after)
        elif host in self._unknown:
            self._unknown[host].append((item, after))
        else:
            self._unknown[host] = [(item, after)]
            first = self._exchange(Job(f"{host}/robots.txt"))
            first.robots = Robots(host)
            self._schedule.put(first, host, now)

    def _exchange(self, job: Job) -> Exchange:
        exchange = Exchange(job, self.policy.retry, store=self.store, limit=self.policy.max_bytes)
        exchange.validator = self._validators.get(job.path, "")
        return exchange

    # For engines ----------------------------------------------------------------------------------

    def take(self, *, wait: bool = False) -> Exchange | None:
        """The next exchange that may start, ready to be sent. None: there is none now; with *wait*: none any more."""
        with self._changed:
            while not self.over:
                now = time.monotonic()
                item = self._schedule.take(now)
                if item is not None:
                    exchange = self._exchange(item) if isinstance(item, Job) else item
                    if denied := self._denied(exchange):
                        self._schedule.untake(exchange.host, now)
                        self._fail(exchange, denied)
                        continue
                    self._active += 1
                    exchange.prepare(self._header(exchange), self.policy.timeout, now)
                    return exchange
                if not wait:
                    return None
                due = self._schedule.next_time(now)
                self._changed.wait(None if due is None else max(0.0, due - now))
        return None

    @property
    def over(self) -> bool:
        """Nothing is left to be sent, or nothing more shall be."""
        return self.stopped or not self._open

    def pause(self, longest: float) -> float:
        """How long an engine with nothing on its sockets may sleep, in seconds."""
        with self._changed:
            now = time.monotonic()
            due = self._schedule.next_time(now)
            return longest if due is None else min(longest, max(0.0, due - now))

    def _denied(self, exchange: Exchange) -> Failure | None:
        rules = self._rules.get(exchange.host) if exchange.robots is None else None
        if rules is None or isinstance(rules, Failure):
            return rules
        allowed = rules.can_fetch(exchange.url, self.policy.agent)
        return None if allowed else Failure("robots", f"{exchange.host}/robots.txt does not want it fetched")

    def _header(self, exchange: Exchange) -> tuple[tuple[str, str], ...]:
        """What is sent besides Host: ours, then the user's; what is secret to its own host only."""
        given = self._given
        if given and (exchange.robots is not None or not exchange.job.url.startswith(f"{exchange.host}/")):
            given = tuple(pair for pair in given if pair[0].lower() not in OWN_HOST_ONLY)
        return given

    def finished(self, ended: Iterable[tuple[Exchange, Failure | None]]) -> list[Exchange]:
        """An engine hands exchanges back, each with what went wrong on its way.

        Returns those that are pages; the engine saves them when it has the time, after asking for the next ones.
        """
        came: list[Exchange] = []
        with self._changed:
            for exchange, failure in ended:
                now = time.monotonic()
                self._active -= 1
                self._schedule.done(exchange.host, now, started=exchange.started, answered=exchange.answered or now)
                if self._is_page(exchange, exchange.failure or failure or exchange.end(), now):
                    came.append(exchange)
            self._changed.notify_all()
        return came

    def _is_page(self, exchange: Exchange, failure: Failure | None, now: float) -> bool:
        """Do what an answer leads to, unless it is the page itself."""
        if self.stopped:
            exchange.abandon(keep=True)
        elif exchange.robots is not None:
            self._robots_came(exchange, failure, now)
        elif failure is not None:
            self._try_again(exchange, failure, now)
        elif exchange.status in REDIRECTS and "location" in exchange.header:
            self._follow(exchange, now)
        elif not 200 <= exchange.status < 300:
            self._refused(exchange, now)
        else:
            return True
        return False

    def broken(self, error: BaseException) -> None:
        """Nothing can go on: the disk is full, an engine has failed. The error is raised where results are read."""
        with self._changed:
            self.stopped = True
            self._changed.notify_all()
        self.results.put(problem(self.store.folder, error) if isinstance(error, OSError) else error)

    # What an answer leads to ----------------------------------------------------------------------

    def _refused(self, exchange: Exchange, now: float) -> None:
        """An answer that is not the page."""
        if exchange.status == 416 and exchange.offset:  # the part is not a part of what is there now
            exchange.abandon(keep=False)
            self._put(exchange, exchange.host, now)
            return
        self._try_again(exchange, Failure("status", str(exchange.status), exchange.status in self.policy.statuses), now)

    def _try_again(self, exchange: Exchange, failure: Failure, now: float) -> None:
        wait = retry_after(exchange.header.get("retry-after", "")) if failure.kind == "status" else None
        if wait is not None and wait <= self.policy.retry.patience:
            self._schedule.hold(exchange.host, wait, now)
        left = exchange.retry.after(str(failure), retry_after=wait) if failure.again else None
        exchange.abandon(keep=True)
        if left is None:
            asked = f" (the server asks to come back in {wait:g} s)" if wait is not None else ""
            self._fail(exchange, Failure(failure.kind, failure.text + asked))
            return
        exchange.retry, after = left
        self._put(exchange, exchange.host, now, after=after)

    def _follow(self, exchange: Exchange, now: float) -> None:
        exchange.abandon(keep=True)
        exchange.hops += 1
        if exchange.hops > self.policy.redirects:
            self._fail(exchange, Failure("redirect", f"more than {self.policy.redirects} redirects"))
            return
        try:
            exchange.go_to(redirected(exchange.url, exchange.header["location"]))
        except ValueError as error:
            self._fail(exchange, Failure("redirect", str(error)))
        else:
            self._put(exchange, exchange.host, now)

    def _robots_came(self, exchange: Exchange, failure: Failure | None, now: float) -> None:
        """RFC 9309, 2.3.1: rules that are there count, none are none; a server that is in trouble is let alone."""
        assert exchange.robots is not None
        redirect = exchange.status in REDIRECTS and "location" in exchange.header and exchange.hops < 5
        rules: Protego | Failure | None = None
        if exchange.size >= ROBOTS_SIZE:
            failure = None  # more than anybody has to read: what was read counts
        if failure is None and redirect:
            try:
                exchange.go_to(redirected(exchange.url, exchange.header["location"]))
            except ValueError:
                rules = None  # leads nowhere: as if there were none
            else:
                exchange.hops += 1
                self._schedule.put(exchange, exchange.host, now)
                return
        if failure is None and exchange.status >= 500:
            failure = Failure("status", str(exchange.status))
        if failure is not None:
            left = exchange.retry.after(str(failure)) if failure.again else None
            if left is not None:
                exchange.retry, after = left
                self._schedule.put(exchange, exchange.host, now, after=after)
                return
            rules = Failure(failure.kind, f"{failure.text} (asking for {exchange.url})")
        elif 200 <= exchange.status < 300:
            rules = self._read_rules(exchange, now)
        self._rules[exchange.robots.host] = rules
        for item, after in self._unknown.pop(exchange.robots.host, ()):
            self._schedule.put(item, exchange.robots.host, now, after=after)

    def _read_rules(self, exchange: Exchange, now: float) -> Protego:
        from protego import Protego

        assert exchange.robots is not None
        rules = Protego.parse(exchange.take_body()[:ROBOTS_SIZE].decode("utf-8", "replace"))
        self._schedule.slow(exchange.robots.host, rules.crawl_delay(self.policy.agent) or 0.0, now)
        return rules

    # How a job ends -------------------------------------------------------------------------------

    def _fail(self, exchange: Exchange, failure: Failure) -> None:
        self._close([(self._result(exchange, "failed", error=str(failure)), exchange)])

    def _result(self, exchange: Exchange, state: State, *, size: int = 0, digest: str = "", error: str = "") -> Result:
        job = exchange.job
        return Result(
            job.url,
            job.path,
            state,
            size,
            digest,
            exchange.status,
            exchange.url,
            len(exchange.retry.history) + (exchange.first > 0),
            round(time.monotonic() - exchange.first, 4) if exchange.first else 0.0,
            error,
        )

    def _close(self, ended: Sequence[tuple[Result, Exchange]]) -> None:
        """Jobs have ended; called with the lock held."""
        for result, exchange in ended:
            self._open -= 1
            self._counts[result.state] += 1
            self._size += result.size
            count, seconds = self._took.get(exchange.host, (0, 0.0))
            self._took[exchange.host] = count + 1, seconds + result.seconds
        self.results.put([result for result, _ in ended])  # one wake-up for all of them

    def save(self, came: Sequence[Exchange]) -> None:
        """Make files of pages that have come; an OSError says that the disk is full, or such."""
        if not came:
            return
        finished: list[tuple[Result, str, int]] = []
        ended: list[tuple[Result, Exchange]] = []
        for exchange in came:
            job, part = exchange.job, exchange.part
            if part is None:
                body = exchange.take_body()
                (path, digest, mtime), size = self.store.write(body), len(body)
            else:
                (digest, mtime), path, size = part.finish(sync=self.policy.fsync), part.path, part.size
            if job.sha256 and digest != job.sha256:
                self.store.remove(path)
                result = self._result(exchange, "failed", error=f"sha256: {digest} came")
            else:
                result = self._result(exchange, "saved", size=size, digest=digest)
                finished.append((result, path, mtime))
            ended.append((result, exchange))
        self.store.publish(finished)
        with self._changed:
            self._close(ended)
            self._changed.notify_all()

    def progress(self) -> Progress:
        """How far it has come."""
        with self._changed:
            means = ((host, seconds / count) for host, (count, seconds) in self._took.items())
            slowest = tuple(sorted(means, key=lambda pair: -pair[1])[:3])
            counts = self._counts
            seconds = time.monotonic() - self._start
            return Progress(
                self._total,
                counts["saved"],
                counts["kept"],
                counts["failed"],
                self._size,
                self._active,
                seconds,
                slowest,
            )
