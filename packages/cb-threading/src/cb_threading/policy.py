"""How politely, how stubbornly and how long to fetch: values, which never change, apart from the state that does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

__all__ = ["Policy", "Retry", "Timeout"]


def _chance() -> float:
    import random  # where nothing fails it is not needed

    return random.random()  # noqa: S311 - nothing to be guessed


@dataclass(frozen=True, slots=True)
class Timeout:
    """Seconds: to connect; without *floor* bytes within *stall*, so that a drip is a stall, too; for a try in all."""

    connect: float = 10.0
    stall: float = 30.0
    total: float | None = None
    floor: int = 1000


@dataclass(frozen=True, slots=True)
class Retry:
    """How often to try, and what was tried. Each failure makes a new one; nothing is shared between pages.

    The pause is random between 0 and ``base * 2 ** tries``, at most *cap*, so that clients that failed together do not
    come back together; a server's Retry-After is kept to the second, up to *patience*.

    >>> Retry(attempts=2).after("reset", chance=lambda: 1.0)
    (Retry(attempts=2, base=0.5, cap=30.0, patience=300.0, history=('reset',)), 0.5)
    >>> Retry(attempts=1).after("reset") is None
    True
    """

    attempts: int = 4
    base: float = 0.5
    cap: float = 30.0
    patience: float = 300.0
    history: tuple[str, ...] = ()

    def after(
        self, cause: str, *, retry_after: float | None = None, chance: Callable[[], float] = _chance
    ) -> tuple[Retry, float] | None:
        """Return what is left after a failure, and the seconds to wait before it; None: nothing is left."""
        tries = len(self.history)
        if tries + 1 >= self.attempts or (retry_after or 0.0) > self.patience:
            return None
        pause = chance() * min(self.cap, self.base * 2.0 ** min(tries, 60))
        return replace(self, history=(*self.history, cause)), max(pause, retry_after or 0.0)


@dataclass(frozen=True, slots=True)
class Policy:
    """All that can be said about how to fetch.

    Args:
        jobs: Transfers at a time, over all hosts; at most 500.
        per_host: Transfers at a time with one host (scheme, name and port).
        delay: Seconds between two requests as the host sees them; a longer Crawl-delay of its own counts instead.
        timeout: See `Timeout`.
        retry: See `Retry`.
        statuses: HTTP statuses that are worth another try.
        redirects: How many to follow for one URL.
        robots: Keep to robots.txt (RFC 9309).
        agent: Our name, for robots.txt and the User-Agent header.
        headers: More header lines, (name, value). Authorization and Cookie go to the URL's own host only.
        max_bytes: Give a body up that is longer, decoded.
        hash: SHA-256 of each body.
        compressed: Let the server compress; the file is decoded.
        proxy: http://host:port for everything; else the environment's http_proxy, https_proxy and no_proxy.
        ca: A file of certificates to trust in place of the system's.
        fsync: Wait until each file is on the disk, so that a power failure costs nothing.
        engine: "curl" (pycurl), "http" (standard library threads), or "auto": curl if it can be had.
        threads: Threads of the curl engine; the http engine takes one a job.
    """

    jobs: int = 64
    per_host: int = 4
    delay: float = 0.0
    timeout: Timeout = field(default_factory=Timeout)
    retry: Retry = field(default_factory=Retry)
    statuses: frozenset[int] = frozenset({408, 425, 429, 500, 502, 503, 504})
    redirects: int = 10
    robots: bool = True
    agent: str = "cb-threading"
    headers: tuple[tuple[str, str], ...] = ()
    max_bytes: int | None = None
    hash: bool = True
    compressed: bool = True
    proxy: str | None = None
    ca: str | None = None
    fsync: bool = False
    engine: Literal["auto", "curl", "http"] = "auto"
    threads: int = 1
