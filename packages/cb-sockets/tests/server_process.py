"""A server as a program: started by the tests, ended by signals. Not a test.

It answers each request with ``ok:`` and the request, after it has put the request and the peer's address into the
ledger, one line each: a reply that was received therefore stands in the ledger, or the server has lied.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import resource
import signal
import threading
from pathlib import Path

from cb_sockets import (
    Limits,
    Peer,
    SelectorServer,
    ThreadServer,
    aio,
    parse_framing,
    per_connection,
)
from cb_sockets.handlers import Handler


def ledger(path: Path | None, pause: float) -> per_connection[Handler]:
    """The handler; `pause` seconds is how long a request takes."""
    file = None if path is None else os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    waiting = threading.Event()

    def factory(peer: Peer) -> Handler:
        def handle(message: bytes) -> bytes:
            if pause:
                waiting.wait(pause)
            if file is not None:
                os.write(file, b"%s %s\n" % (message[:64].rstrip(b"."), peer.address.encode()))
            return b"ok:" + message

        return handle

    return per_connection(factory)


async def serve_async(options: argparse.Namespace) -> None:
    """The asyncio server, until SIGTERM."""
    server = await aio.serve(
        options.listen,
        parse_framing(options.frame),
        ledger(options.ledger, options.pause),
        limits=Limits(max_connections=options.connections),
        proxy_protocol=options.proxy,
    )
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, lambda: setattr(server, "task", asyncio.create_task(server.drain(options.deadline)))
    )
    print(f"listening on {server.address}", flush=True)  # noqa: T201
    await server.serve_forever()


def main() -> None:
    """Serve until SIGTERM, then drain."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=["selector", "thread", "aio"], default="selector")
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--frame", default="len:4be")
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--deadline", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--descriptors", type=int)
    parser.add_argument("--proxy", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(format="%(levelname)s %(message)s")
    if options.descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (options.descriptors, options.descriptors))
    if options.kind == "aio":
        asyncio.run(serve_async(options))
        return
    server = (SelectorServer if options.kind == "selector" else ThreadServer)(
        options.listen,
        parse_framing(options.frame),
        ledger(options.ledger, options.pause),
        limits=Limits(max_connections=options.connections),
        proxy_protocol=options.proxy,
    )
    signal.signal(signal.SIGTERM, lambda *_: server.drain(options.deadline))
    print(f"listening on {server.address}", flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    main()
