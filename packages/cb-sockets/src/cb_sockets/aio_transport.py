"""What asyncio's transports leave out: to end by a reset, and to tell a whole TLS stream from one that was cut."""

from __future__ import annotations

import asyncio
import ssl

from cb_sockets.transport import reset

__all__ = ["abort", "truncated"]


def abort(transport: asyncio.Transport) -> None:
    """End a connection by a reset: after a bare end of the stream, half a message could pass for a whole one."""
    reset(transport.get_extra_info("socket"))
    transport.abort()


def truncated(transport: asyncio.Transport) -> bool:
    """Whether the stream that has just ended is TLS without its goodbye: it may have been cut.

    asyncio reports either as the end. All that came has been read by then, so that one more read tells which it is:
    TLS at its end gives nothing; TLS that was cut still wants more.
    """
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return False
    try:
        return bool(tls.read(1))
    except ssl.SSLZeroReturnError:
        return False
    except ssl.SSLError:
        return True
