"""asyncio streams: readexactly, write, drain (docs.python.org, "asyncio streams"), on asyncio's loop or uvloop's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from servers import BACKLOG, PREFIX, echo
from servers.asyncio_loop import run


async def serve_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one client until it is gone."""
    try:
        while True:
            size = int.from_bytes(await reader.readexactly(PREFIX), "big")
            reply = echo(await reader.readexactly(size))
            writer.write(len(reply).to_bytes(PREFIX, "big") + reply)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client has left: the end of the loop, not an error
    finally:
        writer.close()


def serve(announce: Callable[[int], None], tls: ssl.SSLContext | None, *, loop: str) -> None:
    """Serve on the loop of that name."""

    async def main() -> None:
        server = await asyncio.start_server(serve_client, "127.0.0.1", 0, ssl=tls, backlog=BACKLOG)
        announce(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    run(main(), loop)
