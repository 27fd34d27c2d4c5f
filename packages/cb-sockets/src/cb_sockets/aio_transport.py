"""What asyncio's transports leave out: back-pressure, to end by a reset, to tell a whole TLS stream from a cut one."""

from __future__ import annotations

import asyncio
import ssl

from cb_sockets.decoders import Buffer
from cb_sockets.transport import reset

__all__ = ["abort", "truncated", "write"]


def write(transport: asyncio.Transport, parts: list[Buffer], *, high_water: int | None = None) -> None:
    """Write all `parts`; the protocol is told to pause where more than `high_water` bytes wait.

    ``writelines`` alone forgets that in CPython 3.12.0 to 3.12.8, 3.13.0 and 3.13.1 (CVE-2024-12254), and a peer that
    never reads would fill the memory. To set the limits, even the same, makes it look.
    """
    if len(parts) == 1:
        transport.write(parts[0])
        return
    transport.writelines(parts)
    transport.set_write_buffer_limits(high=high_water)


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
