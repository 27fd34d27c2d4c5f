"""The server of ``aio``: made by `aio.serve`.

While a coroutine handler works, its peer is not read: back-pressure reaches the peer through TCP. What asyncio's own
`Server` leaves open is done here, alike on every Python: accepting pauses, instead of spinning, at the connection
limit and when descriptors run out; `drain` answers what has begun and ends by itself.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import logging
import select
import socket
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeAlias, cast

from cb_sockets import proxy
from cb_sockets.aio_transport import abort, truncated, write
from cb_sockets.decoders import Decoder
from cb_sockets.errors import FramingError
from cb_sockets.framing import Framing
from cb_sockets.handlers import Handler, HandlerFailed, Limits, Peer, Process, bind, per_connection
from cb_sockets.net import Address, Listener
from cb_sockets.quiesce import stop_handshakes
from cb_sockets.server import EXHAUSTED, LINGER, LOG_EVERY, peer_text
from cb_sockets.transport import frame_parts

__all__ = ["AsyncHandler", "AsyncServer"]

log: logging.Logger = logging.getLogger("cb_sockets")

AsyncHandler: TypeAlias = Callable[[bytes], Awaitable[bytes | None]]
"""``async def handler(message: bytes) -> bytes | None``"""


class _ServerConnection(asyncio.Protocol):
    """One peer of an `AsyncServer`."""

    def __init__(self, server: AsyncServer, told: str | None) -> None:
        self.server = server
        self.told = told
        self.decoder: Decoder = server.framing.decoder()
        self.process: Process | None = None
        self.work: AsyncHandler | None = None
        self.task: asyncio.Task[None] | None = None
        self.since: float = server.loop.time()
        self.unsent: int = 0
        self.partial: bool = False
        self.lagging: bool = False
        self.ending: bool = False
        self.heard_all: bool = False
        self.fresh: bool = True
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=self.server.limits.high_water)
        self.server.connections.add(self)
        handler = self.server.handler
        if isinstance(handler, per_connection):
            try:
                handler = handler.make(Peer(self.told or peer_text(transport.get_extra_info("peername"))))
            except HandlerFailed as error:
                self.failed(error.__cause__)
                self.finish()
                return
        if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None)):  # noqa: B004
            self.work = cast("AsyncHandler", handler)
        else:
            self.process = bind(cast("Handler", handler))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the event loop's signature
        if self.task is not None:
            self.task.cancel()
        self.server.leave(self)

    def pause_writing(self) -> None:
        self.lagging = True
        self.since = self.server.loop.time()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.lagging = False
        self.since = self.server.loop.time()
        if self.task is None and not self.ending:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.ending:
            return
        failure: FramingError | None = None
        try:
            messages = self.decoder.feed(data)
        except FramingError as error:
            messages, failure = error.completed, error
        self.take(messages, failure)

    def eof_received(self) -> bool:
        if self.ending:
            return False
        self.heard_all = True
        if truncated(self.transport):
            abort(self.transport)
            return False
        failure: FramingError | None = None
        messages: list[bytes] = []
        try:
            messages = self.decoder.feed_eof()
        except FramingError as error:
            failure = error
        self.ending = True
        self.take(messages, failure)
        # With a handler still at work the transport stays open for its reply; `finish` closes it.
        return self.transport.can_write_eof()

    def take(self, messages: list[bytes], failure: FramingError | None) -> None:
        now = self.server.loop.time()
        if failure is not None:
            log.info("%s: %s: %s", self.server.address, self.told or "peer", failure)
            self.ending = True
        if messages:
            self.since, self.partial, self.fresh = now, self.decoder.buffered > 0, False
            if self.process is not None:
                self.answer(self.process, messages)
            else:
                assert self.work is not None
                self.transport.pause_reading()
                self.task = self.server.loop.create_task(self.answer_later(self.work, messages))
                return
        elif not self.partial:
            self.since, self.partial = now, True
        if self.ending and self.task is None:
            self.finish()

    def answer(self, process: Process, messages: list[bytes]) -> None:
        try:
            replies = process(messages)
        except HandlerFailed as error:
            self.failed(error.__cause__)
            replies = error.replies
        self.reply(replies)

    async def answer_later(self, work: AsyncHandler, messages: list[bytes]) -> None:
        """Handle one message after the other; the reader stands still meanwhile."""
        replies: list[bytes] = []
        try:
            for message in messages:
                reply = await work(message)
                if reply is not None:
                    replies.append(reply)
        except Exception as error:  # noqa: BLE001  # the handler's, whatever it is: reported, and the peer is let go
            self.failed(error)
        self.since = self.server.loop.time()
        self.reply(replies)
        self.task = None
        if self.ending:
            self.finish()
        elif not self.lagging:
            self.transport.resume_reading()

    def failed(self, cause: BaseException | None) -> None:
        log.error("%s: handler failed, connection closed", self.server.address, exc_info=cause)
        self.ending = True

    def reply(self, replies: list[bytes]) -> None:
        if not replies:
            return
        try:
            parts = frame_parts(self.server.framing.parts(replies), replies)
        except (FramingError, TypeError) as error:
            log.error("%s: reply cannot be framed, connection closed: %s", self.server.address, error)
            self.ending = True
            return
        write(self.transport, parts, high_water=self.server.limits.high_water)

    def finish(self) -> None:
        """End our side once all is written; the peer ends its own if it has not yet, or the sweep does."""
        self.ending = True
        self.since = self.server.loop.time()
        if self.transport.can_write_eof() and not self.heard_all and not self.transport.is_closing():
            self.transport.write_eof()
            self.transport.resume_reading()
        else:
            self.transport.close()

    def idle(self) -> bool:
        """Between two messages, with nothing left to do. Bytes that the event loop has not read yet do not count."""
        return self.task is None and not (self.decoder.buffered or self.lagging or self.ending)

    def fileno(self) -> int:
        return int(self.transport.get_extra_info("socket").fileno())

    def overdue(self, now: float) -> bool:
        """End the connection where its time is up; gently where it was only idle."""
        limits = self.server.limits
        unsent = self.transport.get_write_buffer_size()
        if self.task is not None or unsent != self.unsent:
            self.unsent, self.since = unsent, now if self.task is None else self.since
            return False
        if unsent:
            limit: float | None = limits.write_timeout
        elif self.ending:
            limit = LINGER
        else:
            limit = limits.message_timeout if self.decoder.buffered else limits.idle_timeout
        if limit is None or now - self.since < limit:
            return False
        if self.decoder.buffered or unsent or self.ending:
            abort(self.transport)
        else:
            self.finish()
        return True


def _unread(connections: list[_ServerConnection]) -> set[int]:
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
        self.connections: set[_ServerConnection] = set()
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

    def leave(self, connection: _ServerConnection) -> None:
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
                await self.loop.connect_accepted_socket(lambda: _ServerConnection(self, told), sock, ssl=self._tls)
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
