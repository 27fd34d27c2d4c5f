"""trio.serve_tcp with a bytearray: receive_some, cut off each complete frame, send_all."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import trio

from servers import BACKLOG, PREFIX, echo


async def serve_client(stream: trio.abc.Stream) -> None:
    """Answer one client until it is gone."""
    buffer = bytearray()
    try:
        async for data in stream:
            buffer += data
            start, size = 0, len(buffer)
            while size - start >= PREFIX:
                end = start + PREFIX + int.from_bytes(buffer[start : start + PREFIX], "big")
                if end > size:
                    break
                reply = echo(bytes(buffer[start + PREFIX : end]))
                await stream.send_all(len(reply).to_bytes(PREFIX, "big") + reply)
                start = end
            del buffer[:start]
    except trio.BrokenResourceError:
        pass  # the client has left


def serve(announce: Callable[[int], None], tls: ssl.SSLContext | None) -> None:
    """Serve with a task per connection."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            if tls:
                listeners = await nursery.start(start_tls, tls)
                port = listeners[0].transport_listener.socket.getsockname()[1]
            else:
                listeners = await nursery.start(start_plain)
                port = listeners[0].socket.getsockname()[1]
            announce(port)

    trio.run(main)


async def start_plain(task_status: trio.TaskStatus[list[trio.SocketListener]]) -> None:
    await trio.serve_tcp(serve_client, 0, host="127.0.0.1", backlog=BACKLOG, task_status=task_status)


async def start_tls(tls: ssl.SSLContext, task_status: trio.TaskStatus[list[trio.SSLListener]]) -> None:
    await trio.serve_ssl_over_tcp(
        serve_client, 0, tls, host="127.0.0.1", backlog=BACKLOG, https_compatible=True, task_status=task_status
    )
