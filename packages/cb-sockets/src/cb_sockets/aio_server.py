"""The server of ``aio``: made by `aio.serve`.

While a coroutine handler works, its peer is not read: back-pressure reaches the peer through TCP. What asyncio's own
`Server` leaves open is done here, alike on every Python: accepting pauses, instead of spinning, at the connection
limit and when descriptors run out; `drain` answers what has begun and ends by itself.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import select
import socket
import ssl
from types import TracebackType
from typing import Self

from cb_sockets import proxy
from cb_sockets.aio_connection import AsyncHandler, ServerConnection
from cb_sockets.aio_transport import abort
from cb_sockets.errors import FramingError
from cb_sockets.framing import Framing
from cb_sockets.handlers import Handler, Limits, per_connection
from cb_sockets.net import Address, Listener
from cb_sockets.quiesce import stop_handshakes
from cb_sockets.server import EXHAUSTED, LOG_EVERY

__all__ = ["AsyncHandler", "AsyncServer"]

log: logging.Logger = logging.getLogger("cb_sockets")


def _unread(connections: list[ServerConnection]) -> set[int]:
    """The sockets with bytes that the event loop has not come to read yet."""
    poller = select.poll()
    for connection in connections:
        poller.register(connection.fileno(), select.POLLIN)
    return {fd for fd, _ in poller.poll(0)}


class AsyncServer:
    """A framed server on the running event loop; made by `serve`, which says what its arguments mean."""

    def __init__(
        self,
        listener: Listener,
        framing: Framing,
        handler: Handler | AsyncHandler | per_connection[Handler] | per_connection[AsyncHandler],
        limits: Limits,
        tls: ssl.SSLContext | None,
        *,
        proxy_protocol: bool,
    ) -> None:
        self.framing = framing
        self.handler = handler
        self.limits = limits
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.connections: set[ServerConnection] = set()
        self.cut: int = 0
        """Connections that the deadline of `drain` cut off."""
        self.address: Address = listener.address
        self._tls = tls
        self._proxy_protocol = proxy_protocol
        self._listening_at = listener
        self._listener = listener.sock
        self._empty = asyncio.Event()
        self._stopped = asyncio.Event()
        self._opening: set[asyncio.Task[None]] = set()
        self._unopened: set[socket.socket] = set()  # accepted, and not yet a transport's: ours to close
        self._next_log = 0.0
        self._draining = False
        self._listening = False
        self._listen_again()
        self._sweeper = self.loop.create_task(self._sweep())

    async def serve_forever(self) -> None:
        """Wait until `drain` or `close` has ended the server. Cancelling it closes the server."""
        try:
            await self._stopped.wait()
        finally:
            await self.close()

    async def drain(self, deadline: float = 10.0, *, grace: float = 0.5) -> int:
        """End the server as `Server.drain` does; return the number of connections that the deadline cut off."""
        if self._draining:
            await self._stopped.wait()
            return self.cut
        self._draining = True
        start = self.loop.time()
        grace_end = start + min(grace, deadline)
        listener_end = grace_end if stop_handshakes(self._listener) else start
        self._listen_again()
        opening: set[asyncio.Task[None]] = set()
        while (now := self.loop.time()) < start + deadline:
            if self._accept(4096) and now >= listener_end:
                self._close_listener()
            if now >= grace_end:
                for task in opening & self._opening:  # not those accepted a moment ago
                    task.cancel()
            opening = set(self._opening)
            idle = [connection for connection in self.connections if connection.idle()]
            unread = _unread(idle)
            for connection in idle:
                if connection.fileno() not in unread and (now >= grace_end or not connection.fresh):
                    connection.finish()
            if self._listener.fileno() < 0 and not self.connections and not self._opening:
                break
            await asyncio.sleep(0.02)
        self.cut = len(self.connections)
        if self.cut:
            log.warning("%s: drain deadline passed, %d connections cut off", self.address, self.cut)
        await self.close()
        return self.cut

    async def close(self) -> None:
        """Cut off everything and free the sockets. Safe to call twice."""
        self._close_listener()
        for task in (self._sweeper, *self._opening):
            task.cancel()
        await asyncio.wait([self._sweeper, *self._opening])
        for sock in list(self._unopened):  # whose tasks were cancelled before they began
            self._close_unopened(sock)
        for connection in list(self.connections):
            abort(connection.transport)
        while self.connections:
            self._empty.clear()
            await self._empty.wait()
        self._stopped.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def leave(self, connection: ServerConnection) -> None:
        """A connection is gone; its place is free."""
        self.connections.discard(connection)
        self._listen_again()
        if not self.connections:
            self._empty.set()

    def _accept(self, most: int = 64) -> bool:
        """Accept up to `most` connections; true where the queue is empty then."""
        for _ in range(most):
            if len(self.connections) + len(self._opening) >= self.limits.max_connections and not self._draining:
                self._accept_later("limit of %d connections reached", self.limits.max_connections)
                return False
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return True
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._accept_later("no more connections for now: %s", error.strerror)
                    return False
                if error.errno == errno.EBADF:  # closed, by a drain that has come so far
                    return True
                continue  # that client is gone again
            self._unopened.add(sock)
            task = self.loop.create_task(self._open(sock))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        return False

    def _accept_later(self, why: str, *args: object) -> None:
        if self._listening:
            self.loop.remove_reader(self._listener)
            self._listening = False
            self.loop.call_later(1.0, self._listen_again)
        if self.loop.time() >= self._next_log:
            self._next_log = self.loop.time() + LOG_EVERY
            log.warning("%s: %s; waiting clients stay in the queue", self.address, why % args)

    def _listen_again(self) -> None:
        if not self._listening and self._listener.fileno() >= 0:
            self.loop.add_reader(self._listener, self._accept)
            self._listening = True

    def _close_listener(self) -> None:
        if self._listener.fileno() < 0:
            return
        if self._listening:
            self.loop.remove_reader(self._listener)
            self._listening = False
        self._listening_at.close()

    async def _open(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        try:
            async with asyncio.timeout(self.limits.message_timeout):
                told = await self._read_proxy(sock) if self._proxy_protocol else None
                self._unopened.discard(sock)  # the transport closes it from here on, whatever happens
                await self.loop.connect_accepted_socket(lambda: ServerConnection(self, told), sock, ssl=self._tls)
        except (OSError, FramingError) as error:
            log.info("%s: connection refused: %s", self.address, error)
        finally:
            self._close_unopened(sock)

    def _close_unopened(self, sock: socket.socket) -> None:
        if sock in self._unopened:
            self._unopened.discard(sock)
            sock.close()

    async def _read_proxy(self, sock: socket.socket) -> str | None:
        head = bytearray()
        while (missing := proxy.missing(head)) > 0:
            data = await self.loop.sock_recv(sock, missing)
            if not data:
                raise ConnectionResetError("the connection ended inside its PROXY header")
            head += data
        return proxy.source(head)

    async def _sweep(self) -> None:
        tick = min(1.0, max(0.01, self.limits.shortest / 4))
        while True:
            await asyncio.sleep(tick)
            now = self.loop.time()
            for connection in list(self.connections):
                connection.overdue(now)
