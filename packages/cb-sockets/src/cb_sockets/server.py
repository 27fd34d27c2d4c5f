"""What the thread server and the selector server share: the listener, its limits, the clock, and the way out.

One thread (the one in `serve_forever`) owns everything here. Others, and signal handlers, may call `drain` and
`close`: these set a flag and write a byte to the wake socket.

Accepting stops, instead of failing or spinning, at `max_connections` and where the system has no more descriptors or
memory; it goes on as soon as a connection leaves, and at the latest with the next tick of the clock.

Timeouts are kept by one sweep over the connections every `_tick` seconds rather than by a timer each: nothing to
pay per message but a time stamp, nothing to store, and a limit is kept to within that tick.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import ssl
import threading
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Generic, Literal, Protocol, Self, TypeAlias, TypeVar

from cb_sockets.framing import Framing
from cb_sockets.handlers import Handler, Limits, Peer, per_connection
from cb_sockets.net import Address, address_of, listen
from cb_sockets.poller import READ, new_poller
from cb_sockets.quiesce import stop_handshakes
from cb_sockets.transport import keep_large_blocks

__all__ = ["EXHAUSTED", "LINGER", "LOG_EVERY", "Server", "Wait", "peer_text"]

log: logging.Logger = logging.getLogger("cb_sockets")

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Errors of ``accept`` that say: not now. The others concern one connection that is gone already."""

LINGER = 1.0
"""Seconds for a peer to take the last reply and close, after we have ended our side."""

LOG_EVERY = 10.0
"""Seconds between two log lines about a server that cannot accept."""


class Connection(Protocol):
    """What the shared part needs to know of a connection."""

    sock: socket.socket
    since: float
    """When the present wait began (monotonic seconds)."""

    def waits_for(self) -> Wait | None:
        """What the connection waits for at the moment; None where it does not wait for its peer."""


Wait: TypeAlias = Literal["idle", "message", "write", "linger"]
"""``message``: inside one, or in a handshake. ``write``: replies are unsent. ``linger``: our side has ended."""

C = TypeVar("C", bound=Connection)


def _peer_name(sock: socket.socket) -> str:
    """The peer's address as text; ``unix`` for Unix sockets, whose clients have no name."""
    try:
        name = sock.getpeername()
    except OSError:
        return "gone"
    return peer_text(name)


def peer_text(name: object) -> str:
    """What the socket calls give as a peer's name, as text."""
    if not isinstance(name, tuple):
        return "unix"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


class Server(ABC, Generic[C]):
    """A framed server. Use `SelectorServer` or `ThreadServer`.

    `address`: ``HOST:PORT`` (port 0: a free one), ``unix:PATH``, a tuple or an `Address`. `tls`: a server context
    (see `server_context`). `proxy_protocol`: every connection begins with a PROXY protocol v2 header, from which the
    peer's address is taken; only for listeners that just the balancer can reach. `reuse_port`: several processes
    may listen on the same port, and the kernel spreads the connections over them.

    The socket listens when the constructor returns; `serve_forever` answers. Raises `AddressError`.
    """

    def __init__(
        self,
        address: str | tuple[str, int] | Address,
        framing: Framing,
        handler: Handler | per_connection[Handler],
        *,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        proxy_protocol: bool = False,
        reuse_port: bool = False,
    ) -> None:
        self._framing = framing
        self._handler = handler
        self._limits = limits or Limits()
        self._tls = tls
        self._proxy_protocol = proxy_protocol
        self._listening_at = listen(address_of(address), reuse_port=reuse_port, tls=tls is not None)
        self._listener = self._listening_at.sock
        self.address: Address = self._listening_at.address
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._poller = new_poller()
        self._poller.register(self._wake_reader.fileno(), READ)
        self._listening = False
        self._listen_again()
        self._connections: dict[int, C] = {}
        self._now = time.monotonic()
        self._tick = min(1.0, max(0.01, self._limits.shortest / 4))
        self._next_log = self._next_sweep = 0.0
        self._drain_wish: tuple[float, float] | None = None
        self._drain_end: float | None = None
        self._listener_end = 0.0
        self._grace_end = 0.0
        self._closing = False
        self._closed = False
        self._running = threading.Lock()
        self._thread: threading.Thread | None = None
        self.cut: int = 0
        """Connections that the drain's deadline, or `close`, cut off."""

    # -- for every thread -------------------------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """Connections open at the moment."""
        return len(self._connections)

    def drain(self, deadline: float = 10.0, *, grace: float = 0.5) -> None:
        """Take no new connection, answer every message that has begun, then let `serve_forever` return.

        Returns at once; safe from signal handlers and other threads. What is served still: connections already in
        the listener's queue, handshakes under way, and first messages that come within `grace` seconds. Each
        connection is ended between two messages, by a half-close, so that the last reply arrives whole; a request
        that gets no reply was not processed and can be sent elsewhere. After `deadline` seconds the rest is cut.
        """
        self._drain_wish = (deadline, min(grace, deadline))
        self.wake()

    def close(self) -> None:
        """Cut off everything and free the sockets. Safe to call twice, and from any thread."""
        self._closing = True
        self.wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if self._running.acquire(blocking=False):  # nobody is in serve_forever, which would do it
            self._dispose()
            self._running.release()

    def start(self) -> None:
        """Run `serve_forever` in a thread of its own; `close`, or the end of a ``with`` block, ends it."""
        self._thread = threading.Thread(target=self.serve_forever, name=f"serve {self.address}", daemon=True)
        self._thread.start()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread of `start` to end, as after `drain`. False where `timeout` seconds were not enough."""
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wake(self) -> None:
        """Make `serve_forever` look around."""
        try:
            self._wake_writer.send(b"\0")
        except (BlockingIOError, OSError):
            return  # full of wake-ups already, or closed

    # -- the serving thread -----------------------------------------------------------------------------------

    def serve_forever(self) -> None:
        """Serve until `drain` has ended or `close` was called. Then all sockets are closed."""
        keep_large_blocks()
        with self._running:
            try:
                while not self._closing and not self._drained():
                    self._turn()
            finally:
                self._dispose()

    def _turn(self) -> None:
        quiet = not self._connections and self._listening and self._drain_wish is None
        events = self._poller.poll(-1 if quiet else 0.02 if self._drain_end is not None else self._tick)
        now = time.monotonic()
        self._now = now
        connections = self._connections
        for fd, mask in events:
            connection = connections.get(fd)
            if connection is not None:
                self._ready(connection, mask)
            elif fd == self._wake_reader.fileno():
                self._swallow_wakes()
                if len(connections) < self._limits.max_connections:
                    self._listen_again()
            else:  # the listener
                self._accept(64)
        if self._drain_wish is not None:
            self._drain_step()
        if now >= self._next_sweep:
            self._next_sweep = now + self._tick
            self._sweep(now)

    def _swallow_wakes(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._wake_reader.recv(4096)

    def _accept(self, most: int) -> bool:
        """Accept up to `most` connections; true where the queue is empty then."""
        for _ in range(most):
            if len(self._connections) >= self._limits.max_connections and self._drain_end is None:
                self._accept_later("limit of %d connections reached", self._limits.max_connections)
                return False
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return True
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._accept_later("no more connections for now: %s", error.strerror)
                    return False
                continue  # that client is gone again
            self._adopt(sock)
        return False

    def _accept_later(self, why: str, *args: object) -> None:
        if self._listening:
            self._poller.unregister(self._listener.fileno())
            self._listening = False
        if self._now >= self._next_log:
            self._next_log = self._now + LOG_EVERY
            log.warning("%s: %s; waiting clients stay in the queue", self.address, why % args)

    def _listen_again(self) -> None:
        if not self._listening and self._listener.fileno() >= 0:
            self._poller.register(self._listener.fileno(), READ)
            self._listening = True

    def _forget(self, fd: int) -> None:
        """A connection has left; its place is free."""
        if self._connections.pop(fd, None) is not None and not self._listening:
            self._listen_again()

    def _sweep(self, now: float) -> None:
        limits = self._limits
        if not self._listening and (len(self._connections) < limits.max_connections or self._drain_end is not None):
            self._listen_again()
        longest: dict[Wait, float | None] = {
            "idle": limits.idle_timeout,
            "message": limits.message_timeout,
            "write": limits.write_timeout,
            "linger": LINGER,
        }
        shortest = min(limits.shortest, LINGER)
        for connection in list(self._connections.values()):
            age = now - connection.since
            if age >= shortest:
                self._overdue(connection, age, longest)

    def _overdue(self, connection: C, age: float, longest: dict[Wait, float | None]) -> None:
        wait = connection.waits_for()
        limit = None if wait is None else longest[wait]
        if limit is not None and age >= limit:
            if wait in ("message", "write"):
                log.info("%s: %s cut off after %.3g s: %s timeout", self.address, self._name(connection), age, wait)
            self._expire(connection, gently=wait in ("idle", "linger"))

    def _drained(self) -> bool:
        return self._drain_end is not None and not self._connections and self._listener.fileno() < 0

    def _drain_step(self) -> None:
        assert self._drain_wish is not None
        if self._drain_end is None:
            deadline, grace = self._drain_wish
            self._drain_end = self._now + deadline
            self._grace_end = self._now + grace
            self._listener_end = self._grace_end if stop_handshakes(self._listener) else self._now
            self._listen_again()
        if self._listener.fileno() >= 0 and self._accept(4096) and self._now >= self._listener_end:
            self._close_listener()
        if self._now >= self._drain_end:
            self._close_listener()
            self.cut = len(self._connections)
            if self.cut:
                log.warning("%s: drain deadline passed, %d connections cut off", self.address, self.cut)
            self._closing = True
            return
        self._end_idle(fresh_too=self._now >= self._grace_end)

    def _close_listener(self) -> None:
        if self._listener.fileno() < 0:
            return
        if self._listening:
            self._poller.unregister(self._listener.fileno())
            self._listening = False
        self._listening_at.close()

    def _dispose(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._close_listener()
        for connection in list(self._connections.values()):
            self._expire(connection, gently=False)
        self._finish()
        self._poller.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def _peer(self, connection: C, told: str | None) -> Peer:
        return Peer(told or self._name(connection))

    def _name(self, connection: C) -> str:
        return _peer_name(connection.sock)

    @abstractmethod
    def _adopt(self, sock: socket.socket) -> None:
        """Make a connection of an accepted socket."""

    @abstractmethod
    def _ready(self, connection: C, mask: int) -> None:
        """The poller says that a connection can go on."""

    @abstractmethod
    def _expire(self, connection: C, *, gently: bool) -> None:
        """End a connection: by an ordinary close, or by a reset."""

    @abstractmethod
    def _end_idle(self, *, fresh_too: bool) -> None:
        """Half-close the connections that are between two messages; those never heard of only with `fresh_too`."""

    def _finish(self) -> None:
        """After the last turn: wait for what still runs."""
