"""The public API, type-checked from outside."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import assert_type

import cb_sockets
from cb_sockets import (
    Address,
    Decoder,
    Delimited,
    Fixed,
    FixedLengthSocket,
    Framing,
    FramingError,
    Handler,
    IncompleteMessage,
    LengthPrefixed,
    Limits,
    MessageSocket,
    MessageTooLarge,
    Peer,
    PeerClosed,
    Raw,
    SelectorServer,
    ThreadServer,
    UntilEOF,
    aio,
    batch,
    client_context,
    connect,
    discard,
    echo,
    parse_framing,
    per_connection,
    server_context,
)

assert_type(cb_sockets.__version__, str)

# Framings and decoders.
framings: list[Framing] = [Fixed(4), Delimited(b"\n", 100), LengthPrefixed(2, "little", adjust=-2), UntilEOF(), Raw(16)]
assert_type(parse_framing("len:4be", max_size=100), Framing)
assert_type(LengthPrefixed().encode(b"a"), bytes)
assert_type(Fixed(1).encode_many([b"a", bytearray(b"b"), memoryview(b"c")]), bytes)
decoder = Delimited().decoder()
assert_type(decoder, Decoder)
assert_type(decoder.feed(memoryview(b"a\n")), list[bytes])
assert_type(decoder.feed_eof(), list[bytes])
assert_type(decoder.buffered, int)

# Errors carry what a caller acts on.
try:
    decoder.feed(b"x")
except MessageTooLarge as error:
    assert_type((error.size, error.limit), tuple[int, int])
except IncompleteMessage as error:
    assert_type((error.partial, error.expected), tuple[bytes, int | None])
except FramingError as error:
    assert_type(error.completed, list[bytes])
except PeerClosed as error:
    assert_type(error.clean, bool)


def client() -> None:
    """The blocking client."""
    context: ssl.SSLContext = client_context(ca="ca.pem", verify=True)
    with connect("tls://localhost:443", Delimited(), timeout=None, tls=context, server_hostname="x") as peer:
        assert_type(peer, MessageSocket)
        assert_type(peer.recv(), bytes)
        assert_type(peer.recv(timeout=None), bytes)
        assert_type(peer.recv(timeout=1), bytes)
        assert_type(peer.request(bytearray(b"x")), bytes)
        assert_type(iter(peer), Iterator[bytes])
        peer.send(memoryview(b"x"))
        peer.send_many(b"x" for _ in range(3))
        peer.half_close()
        peer.close()
        peer.abort()
    connect(("localhost", 80), Raw())
    connect(Address.parse("unix:/run/x"), Raw(), tls=True)
    tutorial = FixedLengthSocket(8)
    tutorial.connect("localhost", 80)
    assert_type(tutorial.receive(), bytes)


def upper(message: bytes) -> bytes:
    """Answers."""
    return message.upper()


def quiet(message: bytes) -> None:
    """Does not."""


def count(messages: list[bytes]) -> Iterator[bytes]:
    """Answers all messages of a read together."""
    yield b"%d" % len(messages)


@per_connection
def session(peer: Peer) -> Handler:
    """A handler for each peer."""
    return lambda message: peer.address.encode() + message


def servers() -> None:
    """Handlers of every kind, for both servers."""
    limits = Limits(max_connections=10, idle_timeout=None, message_timeout=1.5, write_timeout=2, high_water=1000)
    tls = server_context("cert.pem", "key.pem", client_ca=None)
    for handler in (upper, quiet, echo, discard, batch(count)):
        SelectorServer(":0", Fixed(4), handler)
        ThreadServer(("localhost", 0), Fixed(4), handler)
    with SelectorServer("[::1]:0", Fixed(4), session, limits=limits, tls=tls, reuse_port=True) as server:
        assert_type(server, SelectorServer)
        assert_type(server.address, Address)
        server.start()
        server.drain(5, grace=0)
        assert_type(server.join(1.0), bool)
        assert_type((server.connections, server.cut), tuple[int, int])
    with ThreadServer("unix:@x", Fixed(4), session, proxy_protocol=True) as threads:
        assert_type(threads, ThreadServer)
        threads.serve_forever()
        threads.close()


async def later(message: bytes) -> bytes | None:
    """A coroutine handler."""
    return message


async def asyncio_side() -> None:
    """The asyncio client and server."""
    for handler in (upper, later):
        await aio.serve("localhost:0", Raw(), handler)
    await aio.serve("localhost:0", Raw(), per_connection(lambda _: later))
    async with await aio.serve("localhost:0", Raw(), session, limits=Limits()) as server:
        assert_type(server, aio.AsyncServer)
        assert_type(server.address, Address)
        assert_type(await server.drain(5, grace=0), int)
        await server.serve_forever()
    async with await aio.connect("localhost:80", Raw(), timeout=None) as peer:
        assert_type(peer, aio.AsyncMessageSocket)
        assert_type(await peer.recv(timeout=None), bytes)
        assert_type(await peer.request(b"x"), bytes)
        await peer.send(b"x")
        await peer.send_many([b"x"])
        async for message in peer:
            assert_type(message, bytes)
        peer.half_close()
        peer.abort()
        await peer.close()
