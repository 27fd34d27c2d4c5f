"""Places where processes share results.

A store keeps results as bytes with a deadline, and gives one caller at a time the claim to compute a result: a lease
under a token, which its owner renews while it runs, and which ends by itself when the owner is gone. Only the holder of
the claim can publish. That is a lease and not a consensus: an owner that is stopped for longer than its lease may find
its run repeated by somebody else; its own late result is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Literal, NamedTuple, Protocol

__all__ = ["Claim", "Store", "StoreStats"]


class Claim(NamedTuple):
    """The answer to a claim.

    ``found``: ``value`` is valid for ``remaining`` more seconds. ``claimed``: compute and publish. ``busy``: somebody
    else does. ``alone``: somebody else does, and waits for the caller; compute without publishing.
    """

    state: Literal["found", "claimed", "busy", "alone"]
    value: bytes = b""
    remaining: float = inf


class StoreStats(NamedTuple):
    """What a store knows of one function. Hits and misses are counted over all processes."""

    function: str
    entries: int
    bytes: int
    hits: int
    misses: int


class Store(Protocol):
    """What ``cached(store=...)`` wants of a store. Every method may raise ``StoreUnavailable``; all are thread-safe."""

    codec: str
    """``json``, ``msgpack`` or ``pickle``."""
    local_ttl: float
    """For how many seconds at most a process may answer from its own memory; it does not hear of an ``invalidate``
    elsewhere for so long. 0 asks the store each time."""
    lock_ttl: float
    """The length of a lease in seconds: how long others wait for an owner that vanished."""
    strict: bool
    """Raise where the store cannot be used, instead of computing locally."""

    def claim(self, function: str, call: str, token: str, within: Sequence[str] = (), *, fresh: bool = False) -> Claim:
        """Return the result, or try to get the claim. ``within`` are the tokens of the runs the caller is part of."""

    def publish(self, function: str, call: str, token: str, value: bytes | None, lifetime: float = inf) -> bool:
        """Give the claim back, and keep *value* (unless None) for *lifetime* seconds. Return whether it was held."""

    def renew(self, function: str, call: str, token: str) -> bool:
        """Hold the claim for another ``lock_ttl``. Return whether it was held."""

    def wait(self, function: str, call: str, timeout: float) -> None:
        """Return when the claim may have been given back, *timeout* seconds from now at the latest."""

    def contains(self, function: str, call: str) -> bool:
        """Whether a valid result is there. Counts nothing."""

    def put(self, function: str, call: str, value: bytes, lifetime: float = inf) -> None:
        """Keep a result; a run under way does not replace it."""

    def delete(self, function: str, call: str) -> bool:
        """Forget a result; a run under way does not leave its own. Return whether there was one."""

    def clear(self, function: str | None = None) -> int:
        """Forget all results of *function*, or all; return how many."""

    def stats(self) -> list[StoreStats]:
        """Return entries and counts of each function, by name."""

    def close(self) -> None:
        """Let go of files and connections."""
