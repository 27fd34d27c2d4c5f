"""cb-sockets without asyncio: SelectorServer and ThreadServer, limits and timers on."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import cb_sockets
from cb_sockets import LengthPrefixed

from servers import MAX_SIZE, PREFIX, echo
from servers.cb_limits import LIMITS


def serve(announce: Callable[[int], None], tls: ssl.SSLContext | None, *, kind: str) -> None:
    """Serve with the class of that name."""
    framing = LengthPrefixed(width=PREFIX, byteorder="big", max_size=MAX_SIZE)
    server = getattr(cb_sockets, kind)("tcp://127.0.0.1:0", framing, echo, limits=LIMITS, tls=tls)
    announce(server.address.port)
    server.serve_forever()
