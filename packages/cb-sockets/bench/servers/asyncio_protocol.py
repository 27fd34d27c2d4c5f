"""asyncio.Protocol with a bytearray and a write per message; batched by hand: one write for all frames of a read."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from servers import BACKLOG, PREFIX, echo
from servers.asyncio_loop import run


class Echo(asyncio.Protocol):
    """The usual idiom: append, cut off each complete frame, write each reply."""

    def __init__(self) -> None:
        self.buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        for message in self.messages(data):
            reply = echo(message)
            self.transport.write(len(reply).to_bytes(PREFIX, "big") + reply)

    def messages(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes."""
        buffer = self.buffer
        buffer += data
        complete = []
        start, size = 0, len(buffer)
        while size - start >= PREFIX:
            end = start + PREFIX + int.from_bytes(buffer[start : start + PREFIX], "big")
            if end > size:
                break
            complete.append(bytes(buffer[start + PREFIX : end]))
            start = end
        del buffer[:start]
        return complete


class BatchedEcho(Echo):
    """The same, with one write for all the frames of a read."""

    def data_received(self, data: bytes) -> None:
        replies = []
        for message in self.messages(data):
            reply = echo(message)
            replies += (len(reply).to_bytes(PREFIX, "big"), reply)
        if replies:
            self.transport.write(b"".join(replies))


def serve(announce: Callable[[int], None], tls: ssl.SSLContext | None, *, loop: str, batched: bool = False) -> None:
    """Serve on the loop of that name."""

    async def main() -> None:
        factory = BatchedEcho if batched else Echo
        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0, ssl=tls, backlog=BACKLOG)
        announce(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    run(main(), loop)
