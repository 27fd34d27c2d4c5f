"""The same as `client`, for asyncio: what is said is the same generator, driven by streams."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any, Self, Unpack

from cb_mail.client import Options, Settings
from cb_mail.delivery import Sendable
from cb_mail.errors import ConnectError, MailError
from cb_mail.result import Result
from cb_mail.sending import Line, closing, opened, sending
from cb_mail.session import Action, Capabilities, Do, Write
from cb_mail.wire import IDLE, connect_error, tls_error

__all__ = ["AsyncClient"]


class AsyncClient:
    """`Client` for asyncio; its arguments and its errors are the same. For one task at a time."""

    def __init__(self, url: str, **options: Unpack[Options]) -> None:
        self._settings = Settings(url, **options)
        self._line = Line(f"{self._settings.place}: the server")
        self._stream: _Stream | None = None

    async def capabilities(self) -> Capabilities:
        """Return what the server said it can do; connects where there is no connection."""
        found: Capabilities = await self._do(opened(self._settings.plan, self._line))
        return found

    async def send(self, message: Sendable) -> Result:
        """Deliver one message; returns what became of each receiver."""
        results = [result async for result in self.send_many([message])]
        return results[0]

    async def send_many(self, messages: Iterable[Sendable | None]) -> AsyncIterator[Result]:
        """Deliver messages; yields their results."""
        steps = sending(messages, self._settings.plan, self._line)
        done = False
        try:
            action = next(steps)
            while True:
                if isinstance(action, Result):
                    yield action
                    action = next(steps)
                else:
                    action = await self._step(steps, action)
        except (StopIteration, _Ended):
            done = True
        finally:
            if not done:
                self._drop()

    async def close(self) -> None:
        """Say QUIT, and close the connection."""
        await self._do(closing(self._line))
        self._drop()
        await asyncio.sleep(0)  # the transport closes its socket in the loop's next round

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _do(self, steps: Any) -> Any:
        try:
            action = next(steps)
        except StopIteration as stop:
            return stop.value
        while True:
            try:
                action = await self._step(steps, action)
            except _Ended as ended:
                return ended.value

    async def _step(self, steps: Any, action: Action) -> Any:
        try:
            data = await self._act(action)
        except MailError as error:
            return self._next(steps.throw, error)
        return self._next(steps.send, data)

    @staticmethod
    def _next(go: Any, value: object) -> Any:
        try:
            return go(value)
        except StopIteration as stop:  # must not leave a coroutine as it is
            raise _Ended(stop.value) from None

    async def _act(self, action: Action) -> bytes | None:
        settings = self._settings
        if action is Do.CONNECT:
            self._stream = await _Stream.open(settings)
            return None
        if action is Do.CLOSE:
            self._drop()
            return None
        stream = self._stream
        if stream is None:
            raise ConnectError(f"{settings.place}: the connection is not there any more")
        if action is Do.READ:
            return await stream.read()
        if isinstance(action, Write):
            await stream.write(action)
        elif action is Do.ALIVE:
            stream.check()
        else:
            await stream.start_tls()
        return None

    def _drop(self) -> None:
        self._line.capabilities = None
        if self._stream:
            self._stream.close()
            self._stream = None


class _Ended(Exception):
    """A conversation has returned."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value


class _Stream:
    """A connection: see `wire.Wire`."""

    def __init__(self, settings: Settings, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._settings = settings
        self._reader = reader
        self._writer = writer
        self._used = time.monotonic()

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        place = settings.place
        implicit = settings.context if settings.tls == "implicit" else None
        try:
            async with asyncio.timeout(settings.timeout):
                if place.path:
                    streams = await asyncio.open_unix_connection(place.path)
                else:
                    streams = await asyncio.open_connection(
                        place.host, place.port, ssl=implicit, local_addr=settings.source_address
                    )
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise tls_error(place, error) from error
        except OSError as error:
            raise connect_error(place, error) from error
        return cls(settings, *streams)

    async def start_tls(self) -> None:
        try:
            async with asyncio.timeout(self._settings.timeout):
                assert self._settings.context is not None
                await self._writer.start_tls(self._settings.context, server_hostname=self._settings.place.host)
        except OSError as error:
            raise tls_error(self._settings.place, error) from error

    def check(self) -> None:
        if time.monotonic() - self._used > IDLE or self._reader.at_eof() or self._writer.is_closing():
            raise ConnectError(f"{self._settings.place}: the connection is not there any more")

    async def write(self, action: Write) -> None:
        self._used = time.monotonic()
        try:
            self._writer.writelines(action.data)
            async with asyncio.timeout(self._settings.timeout):
                await self._writer.drain()
        except OSError as error:
            raise connect_error(self._settings.place, error) from error

    async def read(self) -> bytes:
        try:
            async with asyncio.timeout(self._settings.timeout):
                data = await self._reader.read(1 << 16)
        except OSError as error:
            raise connect_error(self._settings.place, error) from error
        self._used = time.monotonic()
        return data

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have ended
            self._writer.transport.abort()  # QUIT was answered, or nothing is to be expected: no more is said
