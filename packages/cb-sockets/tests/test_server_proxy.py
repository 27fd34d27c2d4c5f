"""The servers behind a balancer that tells the client's address: PROXY protocol, version 2."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest
from cb_sockets import Address, InvalidMessage, LengthPrefixed, Limits, MessageSocket, Peer, per_connection
from cb_sockets.proxy import SIGNATURE, encode_header, missing, source

Serve = Callable[..., Any]
Dial = Callable[[Address], socket.socket]
FRAMING = LengthPrefixed()
V4 = encode_header(("203.0.113.7", 4711), ("192.0.2.1", 443))
V6 = encode_header(("2001:db8::7", 4711), ("2001:db8::1", 443))
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
UNIX = SIGNATURE + b"\x21\x31\x00\xd8" + b"/run/a.sock".ljust(108, b"\0") + b"/run/b.sock".ljust(108, b"\0")
UNKNOWN = SIGNATURE + b"\x21\x00\x00\x03abc"
TLV = SIGNATURE + b"\x21\x11\x00\x14" + V4[16:] + b"\x04\0\x05\0\0\0\0\0"

whoami = per_connection(lambda peer: lambda _: peer.address.encode())


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (V4, "203.0.113.7:4711"),
        (V6, "[2001:db8::7]:4711"),
        (TLV, "203.0.113.7:4711"),
        (UNIX, "unix:/run/a.sock"),
        (LOCAL, None),
        (UNKNOWN, None),
    ],
    ids=["IPv4", "IPv6", "with TLVs", "Unix", "LOCAL", "unknown family"],
)
@pytest.mark.parametrize("cuts", ["at once", "byte by byte"])
def test_address_survives(serve: Serve, dial: Dial, header: bytes, told: str | None, cuts: str) -> None:
    """The handler sees the client's address of the header; where it tells none, the balancer's own."""
    sock = dial(serve(FRAMING, whoami, proxy_protocol=True).address)
    stream = header + FRAMING.encode(b"who am I")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in [stream] if cuts == "at once" else [stream[i : i + 1] for i in range(len(stream))]:
        sock.sendall(piece)
    with MessageSocket(sock, FRAMING) as peer:
        assert peer.recv() == (told or f"127.0.0.1:{sock.getsockname()[1]}").encode()


def test_tls_behind_the_header(
    serve: Serve, dial: Dial, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """The header is read before TLS begins and not a byte beyond it; LOCAL leaves the real peer."""
    server = serve(FRAMING, whoami, proxy_protocol=True, tls=server_tls)
    for header, told in ((V6, "[2001:db8::7]:4711"), (LOCAL, None)):
        sock = dial(server.address)
        name = f"127.0.0.1:{sock.getsockname()[1]}"
        sock.sendall(header)
        with MessageSocket(client_tls.wrap_socket(sock, server_hostname="localhost"), FRAMING) as peer:
            assert peer.request(b"who am I") == (told or name).encode()


def test_gone_between_header_and_tls(
    start: Serve, dial: Dial, eventually: Any, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """A client that is gone when its header has been read leaves nothing behind."""
    begun, go_on = threading.Event(), threading.Event()

    def handler(message: bytes) -> bytes:
        begun.set()
        assert go_on.wait(10)
        return message

    server = start("selector", FRAMING, handler, proxy_protocol=True, tls=server_tls)
    sock = dial(server.address)
    sock.sendall(V4)
    with MessageSocket(client_tls.wrap_socket(sock, server_hostname="localhost"), FRAMING) as peer:
        peer.send(b"x")
        assert begun.wait(10)
        gone = dial(server.address)
        gone.sendall(V4)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        gone.close()
        go_on.set()
        assert peer.recv() == b"x"
    eventually(lambda: server.connections == 0)


@pytest.mark.parametrize(
    "beginning",
    [
        FRAMING.encode(b"who am I, and no header"),
        b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n",
        SIGNATURE + b"\x31\x11\0\x0c" + V4[16:],
        SIGNATURE + b"\x21\x11\xff\xff",
        SIGNATURE + b"\x21\x11\0\x04abcd",
        SIGNATURE + b"\x21\x41\0\x04abcd",
    ],
    ids=["no header", "version 1", "version 3", "64 KiB", "too short", "no such family"],
)
def test_refused(serve: Serve, dial: Dial, beginning: bytes) -> None:
    """A connection without a sound header is closed before anything of it is read as a message."""
    handled: list[Peer] = []

    def factory(peer: Peer) -> Callable[[bytes], bytes]:
        handled.append(peer)
        return bytes

    server = serve(FRAMING, per_connection(factory), proxy_protocol=True)
    sock = dial(server.address)
    sock.sendall(beginning)
    with contextlib.suppress(ConnectionResetError):  # what we sent was not all read
        assert sock.recv(100) == b""
    assert handled == []


def test_truncated(serve: Serve, dial: Dial) -> None:
    """A connection that ends inside its header is closed, at whatever byte."""
    server = serve(FRAMING, whoami, proxy_protocol=True)
    for length in range(len(V4)):
        sock = dial(server.address)
        sock.sendall(V4[:length])
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""


@pytest.mark.parametrize("end", ["timeout", "reset"])
def test_header_that_stops(serve: Serve, dial: Dial, eventually: Any, end: str) -> None:
    """A header that does not become whole in time, or is reset, leaves nothing behind."""
    server = serve(FRAMING, whoami, proxy_protocol=True, limits=Limits(message_timeout=0.1 if end == "timeout" else 30))
    sock = dial(server.address)
    sock.sendall(V4[:20])
    if end == "timeout":
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(100) == b""
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    eventually(lambda: server.connections == 0)


def test_pure_functions() -> None:
    """`missing` asks for exactly the bytes of the header, whatever came of it already; `source` reads it."""
    for header in (V4, V6, LOCAL, UNIX, TLV):
        head = b""
        while need := missing(head):
            assert 0 < need <= len(header) - len(head)
            head += header[len(head) : len(head) + 1]
        assert head == header
    assert source(V6) == "[2001:db8::7]:4711"
    with pytest.raises(InvalidMessage, match="does not begin with a PROXY"):
        missing(b"GET")
