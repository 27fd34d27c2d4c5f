"""One peer of an ``aio`` server: the asyncio protocol between its transport and the handler."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias, cast

from cb_sockets.aio_transport import abort, truncated, write
from cb_sockets.decoders import Decoder
from cb_sockets.errors import FramingError
from cb_sockets.handlers import Handler, HandlerFailed, Peer, Process, bind, per_connection
from cb_sockets.server import LINGER, peer_text
from cb_sockets.transport import frame_parts

if TYPE_CHECKING:
    from cb_sockets.aio_server import AsyncServer

__all__ = ["AsyncHandler", "ServerConnection"]

log: logging.Logger = logging.getLogger("cb_sockets")

AsyncHandler: TypeAlias = Callable[[bytes], Awaitable[bytes | None]]
"""``async def handler(message: bytes) -> bytes | None``"""


class ServerConnection(asyncio.Protocol):
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
