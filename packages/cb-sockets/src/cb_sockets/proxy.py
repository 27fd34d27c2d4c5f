"""PROXY protocol, version 2: the line a load balancer puts in front of a connection to tell who is behind it.

Source: the HAProxy project's "The PROXY protocol", section 2.2. Pure: bytes in, an answer out. Version 1 (text) is
not read: whoever can send it can send version 2. Only a listener behind a balancer may ask for the header, and it
then takes no connection without one: the header says who the peer is, and must not come from the peer.
"""

from __future__ import annotations

import socket
import struct

from cb_sockets.decoders import Buffer
from cb_sockets.errors import InvalidMessage

__all__ = ["SIGNATURE", "encode_header", "missing", "source"]

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIRST = 16
_MAX_BODY = 4096  # addresses take at most 216 bytes; the rest is for TLVs


def missing(header: Buffer) -> int:
    """How many more bytes the header takes, as far as its first bytes tell; 0 where it is whole.

    Raises `InvalidMessage` where these are not the beginning of a version 2 header.
    """
    if bytes(header[:12]) != SIGNATURE[: len(header)] or (len(header) > 12 and header[12] not in (0x20, 0x21)):
        raise InvalidMessage("connection does not begin with a PROXY protocol v2 header (send-proxy-v2 in HAProxy)")
    if len(header) < _FIRST:
        return _FIRST - len(header)
    size = int.from_bytes(header[14:16], "big")
    if size > _MAX_BODY:
        raise InvalidMessage(f"PROXY header claims {size} bytes, more than {_MAX_BODY}")
    return _FIRST + size - len(header)


def source(header: Buffer) -> str | None:
    """The client's ``host:port``; None where the balancer speaks for itself (LOCAL: health checks) or cannot tell."""
    if header[12] == 0x20:
        return None
    body = bytes(header[_FIRST:])
    family = header[13] >> 4
    if family == 1 and len(body) >= 12:
        return f"{socket.inet_ntop(socket.AF_INET, body[:4])}:{int.from_bytes(body[8:10], 'big')}"
    if family == 2 and len(body) >= 36:
        return f"[{socket.inet_ntop(socket.AF_INET6, body[:16])}]:{int.from_bytes(body[32:34], 'big')}"
    if family == 3 and len(body) >= 216:
        return "unix:" + body[:108].split(b"\0", 1)[0].decode(errors="replace")
    if family == 0:
        return None
    raise InvalidMessage(f"PROXY header of family {family} is too short for its addresses")


def encode_header(client: tuple[str, int], server: tuple[str, int]) -> bytes:
    """The header for a TCP connection of `client` to `server`, both IPv4 or both IPv6: for tests and for relays."""
    family, code = (socket.AF_INET6, 0x21) if ":" in client[0] else (socket.AF_INET, 0x11)
    body = socket.inet_pton(family, client[0]) + socket.inet_pton(family, server[0])
    body += struct.pack(">HH", client[1], server[1])
    return SIGNATURE + bytes([0x21, code]) + struct.pack(">H", len(body)) + body
