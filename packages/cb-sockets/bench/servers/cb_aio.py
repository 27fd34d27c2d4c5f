"""cb-sockets on asyncio's loop or uvloop's: aio.serve, limits and timers on."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from cb_sockets import LengthPrefixed, aio

from servers import MAX_SIZE, PREFIX, echo
from servers.asyncio_loop import run
from servers.cb_limits import LIMITS


def serve(announce: Callable[[int], None], tls: ssl.SSLContext | None, *, loop: str) -> None:
    """Serve on the loop of that name."""

    async def main() -> None:
        framing = LengthPrefixed(width=PREFIX, byteorder="big", max_size=MAX_SIZE)
        server = await aio.serve("tcp://127.0.0.1:0", framing, echo, limits=LIMITS, tls=tls)
        announce(server.address.port)
        await server.serve_forever()

    run(main(), loop)
