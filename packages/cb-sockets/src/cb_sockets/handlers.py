"""What a server does with a message: plain functions, the same for every server of this package.

A handler takes one message and returns the reply, or None for no reply. Three wrappers say more:
``batch`` for a function over all messages that came together, ``per_connection`` for state or for knowing the peer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

__all__ = [
    "Handler",
    "HandlerFailed",
    "Limits",
    "Peer",
    "Process",
    "batch",
    "bind",
    "discard",
    "echo",
    "per_connection",
]


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end: `address` as ``host:port`` (told by the balancer where PROXY protocol is on)."""

    address: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server grants its peers. Times in seconds; None switches a limit off.

    - `max_connections`: at once; further ones wait in the listener's queue until one leaves.
    - `idle_timeout`: a connection without a message for so long is closed.
    - `message_timeout`: from the first byte of a message (or of the TLS handshake) to its last. Counted a message,
      not a read, so that a peer that sends a byte now and then does not hold its place.
    - `write_timeout`: a peer that has taken no byte of a waiting reply for so long is cut off.
    - `high_water`: bytes of replies waiting for one peer above which no more of its messages are read.
    """

    max_connections: int = 10_000
    idle_timeout: float | None = 300.0
    message_timeout: float | None = 30.0
    write_timeout: float | None = 30.0
    high_water: int = 2**20

    def __post_init__(self) -> None:
        for name in ("max_connections", "idle_timeout", "message_timeout", "write_timeout"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0, not {value}")

    @property
    def shortest(self) -> float:
        """The shortest time limit; infinite where there is none."""
        times = (self.idle_timeout, self.message_timeout, self.write_timeout)
        return min((time for time in times if time is not None), default=float("inf"))


class batch:  # noqa: N801  # a decorator
    """A handler over all messages of one read, in order; what it yields goes out in one write.

    >>> server_handler = batch(lambda messages: [b"%d messages" % len(messages)])
    """

    def __init__(self, function: Callable[[list[bytes]], Iterable[bytes]]) -> None:
        self.function = function


Handler: TypeAlias = Callable[[bytes], bytes | None] | batch


H_co = TypeVar("H_co", covariant=True)


class per_connection(Generic[H_co]):  # noqa: N801  # a decorator
    """A factory that is called with the `Peer` of each new connection and returns the handler for it."""

    def __init__(self, factory: Callable[[Peer], H_co]) -> None:
        self.factory = factory

    def make(self, peer: Peer) -> H_co:
        """The handler for one peer. Raises `HandlerFailed` where the factory does."""
        try:
            return self.factory(peer)
        except Exception as error:
            raise HandlerFailed([]) from error


class HandlerFailed(Exception):
    """A handler raised (the cause); `replies` are those to the messages before."""

    def __init__(self, replies: list[bytes]) -> None:
        super().__init__("handler failed")
        self.replies = replies


Process: TypeAlias = Callable[[list[bytes]], list[bytes]]


def bind(handler: Handler) -> Process:
    """What the servers call: all messages of a read in, all replies out. Raises `HandlerFailed`."""
    if handler is echo:
        return _same
    if isinstance(handler, batch):
        return _whole(handler.function)
    return _one_by_one(handler)


def _same(messages: list[bytes]) -> list[bytes]:
    return messages


def _whole(function: Callable[[list[bytes]], Iterable[bytes]]) -> Process:
    def process(messages: list[bytes]) -> list[bytes]:
        try:
            return list(function(messages))
        except Exception as error:
            raise HandlerFailed([]) from error

    return process


def _one_by_one(handler: Callable[[bytes], bytes | None]) -> Process:
    def process(messages: list[bytes]) -> list[bytes]:
        replies: list[bytes] = []
        try:
            for message in messages:
                reply = handler(message)
                if reply is not None:
                    replies.append(reply)
        except Exception as error:
            raise HandlerFailed(replies) from error
        return replies

    return process


echo: batch = batch(_same)
"""Every message back to its sender."""

discard: batch = batch(lambda _: ())
"""No reply to anything."""
