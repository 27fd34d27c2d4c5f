"""The same messages on asyncio, or on uvloop where the caller runs it.

``await aio.connect(...)`` and ``await aio.serve(...)`` mirror `connect` and the servers; a handler may also be a
coroutine function.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from types import EllipsisType, TracebackType
from typing import Self, cast

from cb_sockets.aio_server import AsyncHandler, AsyncServer
from cb_sockets.aio_transport import abort, truncated, write
from cb_sockets.decoders import Buffer
from cb_sockets.errors import ConnectFailed, FramingError, PeerClosed, SocketsError, TimeoutExceeded
from cb_sockets.framing import Framing
from cb_sockets.handlers import Handler, Limits, per_connection
from cb_sockets.net import Address, address_of, client_context, listen, unix_name, why_not_connected
from cb_sockets.transport import frame_parts, keep_large_blocks

__all__ = ["AsyncHandler", "AsyncMessageSocket", "AsyncServer", "connect", "serve"]


class AsyncMessageSocket(asyncio.Protocol):
    """A connection that speaks in messages; made by `connect`. ``async for`` yields messages until the peer ends."""

    def __init__(self, framing: Framing, timeout: float | None) -> None:
        self.framing = framing
        self.timeout = timeout
        self._decoder = framing.decoder()
        self._messages: deque[bytes] = deque()
        self._held = 0
        self._end: Exception | None = None
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._closed = asyncio.Event()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._held += len(data)
        self._decode(self._decoder.feed, data)
        if self._held > _HIGH_WATER and len(self._messages) > 1:
            self._transport.pause_reading()

    def _decode(self, feed: Callable[..., list[bytes]], *data: bytes) -> None:
        try:
            self._messages += feed(*data)
        except FramingError as error:
            self._messages += error.completed
            self._end = error
        self._arrived.set()

    def eof_received(self) -> bool:
        """Called by the event loop."""
        if truncated(self._transport):
            self._end = self._end or PeerClosed("connection lost: the stream ended without TLS's goodbye", clean=False)
            self._arrived.set()
        else:
            self._end = self._end or PeerClosed("the peer has ended the connection", clean=True)
            self._decode(self._decoder.feed_eof)
        return self._transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if self._end is None:
            text = "connection lost" if exc is None else f"connection lost: {exc}"
            self._end = PeerClosed(text, clean=False)
        self._arrived.set()
        self._writable.set()
        self._closed.set()

    def pause_writing(self) -> None:
        """Called by the event loop."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Called by the event loop."""
        self._writable.set()

    async def send(self, message: Buffer) -> None:
        """Send one message, whole. Raises as `send_many`."""
        await self.send_many((message,))

    async def send_many(self, messages: Iterable[Buffer]) -> None:
        """Send messages with one write, and wait while the peer lags behind.

        Raises `InvalidMessage` or `MessageTooLarge` before a byte is sent, `PeerClosed`, `TimeoutExceeded`.
        """
        batch = list(messages)
        if not batch:
            return
        parts = frame_parts(self.framing.parts(batch), batch)
        if self._transport.is_closing():
            raise PeerClosed("the connection is closed", clean=False)
        write(self._transport, parts)
        try:
            async with asyncio.timeout(self.timeout):
                await self._writable.wait()
        except TimeoutError as error:
            raise TimeoutExceeded(f"the peer did not take the message within {self.timeout} s") from error
        if self._closed.is_set():
            raise PeerClosed("connection lost while sending", clean=False)

    async def recv(self, *, timeout: float | EllipsisType | None = ...) -> bytes:  # noqa: ASYNC109
        """The next message. Cancelling it, or its `timeout` (seconds), loses nothing.

        Raises `TimeoutExceeded`, `PeerClosed`, `IncompleteMessage`, `MessageTooLarge`, `InvalidMessage`.
        """
        seconds = self.timeout if isinstance(timeout, EllipsisType) else timeout
        if not self._messages:
            try:
                async with asyncio.timeout(seconds):
                    await self._wait_for_message()
            except TimeoutError as error:
                raise TimeoutExceeded(f"no whole message within {seconds} s") from error
        message = self._messages.popleft()
        if not self._messages and self._held > _HIGH_WATER:
            self._transport.resume_reading()
        self._held = 0 if not self._messages else self._held
        return message

    async def _wait_for_message(self) -> None:
        while not self._messages:
            if self._end is not None:
                raise self._end
            self._arrived.clear()
            await self._arrived.wait()

    async def request(self, message: Buffer) -> bytes:
        """Send one message and wait for one."""
        await self.send(message)
        return await self.recv()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Messages until the peer ends the stream cleanly."""
        while True:
            try:
                message = await self.recv()
            except PeerClosed as end:
                if end.clean:
                    return
                raise
            yield message

    def half_close(self) -> None:
        """Say that no more will be sent. asyncio has no half-close over TLS: there it raises `SocketsError`."""
        if not self._transport.can_write_eof():
            raise SocketsError("asyncio has no half-close over TLS (close the connection, or use cb_sockets.connect)")
        self._transport.write_eof()

    async def close(self) -> None:
        """Send what is left, and end the connection; a peer that does not take it within `timeout` is cut off."""
        self._transport.close()
        try:
            async with asyncio.timeout(self.timeout):
                await self._closed.wait()
        except TimeoutError:
            abort(self._transport)
            await self._closed.wait()

    def abort(self) -> None:
        """Reset the connection: the peer gets an error, and what it has not read yet may be lost."""
        abort(self._transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


_HIGH_WATER = 2**20


async def connect(
    address: str | tuple[str, int] | Address,
    framing: Framing,
    *,
    timeout: float | None = 10.0,  # noqa: ASYNC109  # it is also the connection's default for every message
    tls: bool | ssl.SSLContext | None = None,
    server_hostname: str | None = None,
) -> AsyncMessageSocket:
    """Connect as `cb_sockets.connect` does. Raises `AddressError`, `ConnectFailed`, `TimeoutExceeded`."""
    wanted = address_of(address)
    context = tls if isinstance(tls, ssl.SSLContext) else client_context() if tls or wanted.tls else None
    name = (server_hostname or wanted.host) if context else None
    loop = asyncio.get_running_loop()

    def factory() -> AsyncMessageSocket:
        return AsyncMessageSocket(framing, timeout)

    try:
        async with asyncio.timeout(timeout):
            if wanted.path:
                path = unix_name(wanted.path)
                _, protocol = await loop.create_unix_connection(factory, path, ssl=context, server_hostname=name)
            else:
                _, protocol = await loop.create_connection(
                    factory, wanted.host, wanted.port, ssl=context, server_hostname=name
                )
    except TimeoutError as error:
        raise TimeoutExceeded(f"{wanted}: no connection within {timeout} s") from error
    except (OSError, ValueError) as error:
        raise ConnectFailed(f"{wanted}: {why_not_connected(error)}") from error
    return protocol


async def serve(
    address: str | tuple[str, int] | Address,
    framing: Framing,
    handler: Handler | AsyncHandler | per_connection[Handler] | per_connection[AsyncHandler],
    *,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
    proxy_protocol: bool = False,
    reuse_port: bool = False,
) -> AsyncServer:
    """Listen, and answer from now on. The arguments are those of `Server`. Raises `AddressError`."""
    keep_large_blocks()
    listener = listen(address_of(address), reuse_port=reuse_port, tls=tls is not None)
    return AsyncServer(listener, framing, handler, limits or Limits(), tls, proxy_protocol=proxy_protocol)
