"""A catching server on asyncio: it takes all mail, delivers none of it, and shows what came."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

from cb_mail.receiving import Received, Receiver, ReceiverOptions

__all__ = ["Catcher"]

_BACKLOG = 1000
_ROOM = 1 << 16


class Catcher:
    """Listens, and hands each message to *deliver*.

    Args:
        deliver: Called with each message before it is acknowledged; OSError becomes ``452``.
        options: What is offered, and what goes wrong.
        context: A server's context: STARTTLS is offered, or *implicit* TLS spoken.
        implicit: Whether a connection begins with TLS.
    """

    def __init__(
        self,
        deliver: Callable[[Received], object],
        options: ReceiverOptions,
        *,
        context: ssl.SSLContext | None = None,
        implicit: bool = False,
    ) -> None:
        self.deliver: Callable[[Received], object] = deliver
        self.options: ReceiverOptions = options
        self.context: ssl.SSLContext | None = context
        self.implicit: bool = implicit
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; returns where, for port 0 is any free one.

        Raises:
            OSError: It cannot listen there.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), host, port, ssl=self.context if self.implicit else None, backlog=_BACKLOG
        )
        address = self._server.sockets[0].getsockname()
        return address[0], address[1]

    def cut(self) -> None:
        """End all connections at once."""
        for connection in list(self.connections):
            connection.cut()

    async def stop(self) -> None:
        """Listen no more, and cut what is open."""
        if self._server:
            self._server.close()
        self.cut()
        if self._server:
            await self._server.wait_closed()
        for _ in range(3):  # aborted transports tell their protocols in the next rounds
            await asyncio.sleep(0)


class _Connection(asyncio.BufferedProtocol):
    """One connection: bytes between a transport and a `Receiver`."""

    def __init__(self, catcher: Catcher) -> None:
        self._catcher = catcher
        self._receiver = Receiver(catcher.options, catcher.deliver, tls=catcher.implicit)  # type: ignore[arg-type]
        self._room = memoryview(bytearray(_ROOM))
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] | None = None  # what comes while an answer is delayed
        self._tasks: set[asyncio.Future[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._catcher.connections.add(self)
        self._receiver.begin()
        self._answer()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's own signature
        """Give room for what comes: always the same, for new room each time costs more than the message."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes, unless an answer is delayed."""
        if self._waiting is not None:
            self._waiting.append(bytes(self._room[:nbytes]))
            return
        self._receiver.feed(self._room[:nbytes])
        self._answer()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own signature
        """Forget it."""
        self._catcher.connections.discard(self)
        for task in self._tasks:
            task.cancel()

    def cut(self) -> None:
        """End it at once."""
        if self._transport:
            self._transport.abort()

    def _answer(self) -> None:
        receiver = self._receiver
        assert self._transport is not None
        if receiver.delay or receiver.next:
            self._waiting = []
            if receiver.next == "start tls":
                self._transport.pause_reading()  # what comes next is TLS's
            self._later(self._odd())
        elif out := receiver.take():
            self._transport.write(out)

    def _later(self, what: Coroutine[Any, Any, None]) -> None:
        task: asyncio.Future[None] = asyncio.ensure_future(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _odd(self) -> None:
        """What takes time: a delay, TLS, an end, or no end."""
        receiver, transport = self._receiver, self._transport
        assert transport is not None
        delay, receiver.delay = receiver.delay, 0.0
        if delay:
            await asyncio.sleep(delay)
        transport.write(receiver.take())
        if receiver.next == "close":
            transport.close()
            return
        if receiver.next == "stall":
            return  # and what comes is kept until the client has enough
        if receiver.next == "endless":
            while not transport.is_closing():
                transport.write(b"250-and on and on\r\n" * 100)
                await asyncio.sleep(0.001)
            return
        if receiver.next == "start tls":
            assert self._catcher.context is not None
            loop = asyncio.get_running_loop()
            self._waiting = []  # from here on it is what came in TLS
            try:
                secured = await loop.start_tls(transport, self, self._catcher.context, server_side=True)
            except (OSError, ssl.SSLError):
                transport.abort()
                return
            if secured is None:
                return
            self._transport = secured
            receiver.secured()
        waiting, self._waiting = self._waiting or [], None
        receiver.feed(b"".join(waiting))
        self._answer()
