"""anyio on asyncio: BufferedByteReceiveStream.receive_exactly to read, send to write."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSListener

from servers import BACKLOG, PREFIX, echo


async def serve_client(stream: ByteStream) -> None:
    """Answer one client until it is gone."""
    async with stream:
        reader = BufferedByteReceiveStream(stream)
        try:
            while True:
                size = int.from_bytes(await reader.receive_exactly(PREFIX), "big")
                reply = echo(await reader.receive_exactly(size))
                await stream.send(len(reply).to_bytes(PREFIX, "big") + reply)
        except (anyio.IncompleteRead, anyio.BrokenResourceError):
            pass  # the client has left


def serve(announce: Callable[[int], None], tls: ssl.SSLContext | None) -> None:
    """Serve with a task per connection."""

    async def main() -> None:
        plain = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0, backlog=BACKLOG)
        announce(plain.extra(SocketAttribute.local_port))
        await (TLSListener(plain, tls, standard_compatible=False) if tls else plain).serve(serve_client)

    anyio.run(main)
