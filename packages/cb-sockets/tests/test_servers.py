"""The servers: one handler, three ways to wait, the same behaviour. Each test runs against every server."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from cb_sockets import (
    Address,
    AddressError,
    Delimited,
    Fixed,
    Framing,
    LengthPrefixed,
    Limits,
    Peer,
    PeerClosed,
    Raw,
    SelectorServer,
    UntilEOF,
    batch,
    connect,
    discard,
    echo,
    per_connection,
)
from cb_sockets.poller import WRITE, SelectorsPoller, new_poller

Serve = Callable[..., Any]
Dial = Callable[[Address], socket.socket]
UntilEnd = Callable[[socket.socket], bytes]
FRAMING = LengthPrefixed()


@pytest.mark.parametrize("framing", [FRAMING, Delimited(), Fixed(4), LengthPrefixed(3, "little", -3)], ids=str)
def test_messages_in_replies_out(serve: Serve, framing: Framing) -> None:
    """A handler's replies come back in order, whichever server calls it and whatever the framing."""
    server = serve(framing, bytes.upper)
    with connect(server.address, framing) as peer:
        assert peer.request(b"abcd") == b"ABCD"
        peer.send_many([b"w%03d" % number for number in range(500)])
        assert [peer.recv() for _ in range(500)] == [b"W%03d" % number for number in range(500)]


@pytest.mark.parametrize("size", [0, 1, 8191, 8192, 100_000, 3_000_000])
def test_sizes(serve: Serve, size: int) -> None:
    """Messages of every size pass, one alone and several at once."""
    server = serve(FRAMING, echo)
    message = bytes(range(256)) * (size // 256 + 1)
    with connect(server.address, FRAMING) as peer:
        assert peer.request(message[:size]) == message[:size]
        sender = threading.Thread(target=peer.send_many, args=([message[:size], b"small", message[:size]],))
        sender.start()
        assert [peer.recv() for _ in range(3)] == [message[:size], b"small", message[:size]]
        sender.join()


def test_no_reply(serve: Serve) -> None:
    """A handler that returns None sends nothing, and `discard` never does."""
    server = serve(FRAMING, lambda message: None if message == b"quiet" else message)
    with connect(server.address, FRAMING) as peer:
        peer.send_many([b"quiet", b"loud", b"quiet", b"again"])
        assert [peer.recv(), peer.recv()] == [b"loud", b"again"]
    with connect(serve(FRAMING, discard).address, FRAMING) as peer:
        peer.send_many([b"a", b"b"])
        peer.half_close()
        assert list(peer) == []


def test_batch(serve: Serve) -> None:
    """A batch handler gets all messages that came together, in order, and answers with as many as it likes."""
    server = serve(FRAMING, batch(lambda messages: [b"%d" % len(messages), messages[0], messages[-1]]))
    with connect(server.address, FRAMING) as peer:
        peer.send_many([b"%d" % number for number in range(100)])
        seen = 0
        while seen < 100:
            count, first, last = peer.recv(), peer.recv(), peer.recv()
            assert first == b"%d" % seen
            seen += int(count)
            assert last == b"%d" % (seen - 1)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0"])
def test_per_connection(serve: Serve, address: str) -> None:
    """A factory makes each connection's own handler and knows the peer's address."""

    def factory(peer: Peer) -> Callable[[bytes], bytes]:
        seen = []

        def handler(message: bytes) -> bytes:
            seen.append(message)
            return f"{peer.address} {len(seen)}".encode()

        return handler

    server = serve(FRAMING, per_connection(factory), address=address)
    for _ in range(2):
        with connect(server.address, FRAMING) as peer:
            host, port = peer.sock.getsockname()[:2]
            name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            assert [peer.request(b"x") for _ in range(2)] == [f"{name} 1".encode(), f"{name} 2".encode()]


def test_unix_peer(serve: Serve, tmp_path: Any) -> None:
    """Over a Unix socket the peer has no address of its own: it is called unix."""
    server = serve(FRAMING, per_connection(lambda peer: lambda _: peer.address.encode()), address=f"unix:{tmp_path}/s")
    with connect(server.address, FRAMING) as peer:
        assert peer.request(b"who am I") == b"unix"


def failing(message: bytes) -> bytes:
    """A handler with a bug."""
    if message == b"bad":
        raise RuntimeError("a bug in the handler")
    return message


def test_handler_exception(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A handler that raises ends its connection, after the replies before it; the others go on; the log tells where."""
    server = serve(FRAMING, failing)
    with connect(server.address, FRAMING) as bystander, connect(server.address, FRAMING) as peer:
        assert bystander.request(b"first") == b"first"
        peer.send_many([b"1", b"2", b"bad", b"3"])
        assert list(peer) == [b"1", b"2"]
        assert bystander.request(b"second") == b"second"
    assert "a bug in the handler" in caplog.text


def test_batch_exception(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A batch handler that raises ends its connection only."""
    server = serve(FRAMING, batch(lambda messages: [failing(message) for message in messages]))
    with connect(server.address, FRAMING) as peer:
        peer.send(b"bad")
        assert list(peer) == []
    with connect(server.address, FRAMING) as peer:
        assert peer.request(b"good") == b"good"
    assert "a bug in the handler" in caplog.text


def test_factory_exception(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A factory that raises ends the connection that it was to serve, and no other."""
    calls: list[Peer] = []

    def factory(peer: Peer) -> Callable[[bytes], bytes]:
        calls.append(peer)
        if len(calls) == 1:
            raise RuntimeError("no handler today")
        return bytes.upper

    server = serve(FRAMING, per_connection(factory))
    with connect(server.address, FRAMING) as peer:
        assert list(peer) == []
    with connect(server.address, FRAMING) as peer:
        assert peer.request(b"a") == b"A"
    assert "no handler today" in caplog.text


@pytest.mark.parametrize("reply", ["text", "t" * 10_000, 7], ids=["str", "long str", "int"])
def test_reply_that_is_no_bytes(serve: Serve, reply: object, caplog: pytest.LogCaptureFixture) -> None:
    """A reply that is no bytes ends its connection, not the server."""
    server = serve(FRAMING, lambda message: reply if message == b"bad" else message)
    with connect(server.address, FRAMING) as peer:
        peer.send(b"bad")
        assert list(peer) == []
    with connect(server.address, FRAMING) as peer:
        assert peer.request(b"good") == b"good"
    assert "reply cannot be framed" in caplog.text


def test_reply_that_cannot_be_framed(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A reply that the framing cannot carry ends its connection, not the server."""
    server = serve(Delimited(), lambda _: b"two\nlines")
    for _ in range(2):
        with connect(server.address, Delimited()) as peer:
            peer.send(b"x")
            assert list(peer) == []
    assert "reply cannot be framed" in caplog.text


def test_connection_limit(serve: Serve, caplog: pytest.LogCaptureFixture, eventually: Any) -> None:
    """Beyond the limit a client connects, waits in the queue, and is served as soon as another leaves."""
    server = serve(FRAMING, echo, limits=Limits(max_connections=2))
    first, second, third = (connect(server.address, FRAMING) for _ in range(3))
    with first, second, third:
        assert first.request(b"1") == b"1"
        assert second.request(b"2") == b"2"
        third.send(b"3")
        assert first.request(b"still") == b"still"
        assert server.connections == 2
        eventually(lambda: "limit of 2 connections" in caplog.text)
        first.close()
        assert third.recv() == b"3"


def test_many_waiting_clients(serve: Serve) -> None:
    """However many wait at the limit, each one gets its turn."""
    server = serve(FRAMING, echo, limits=Limits(max_connections=3))
    peers = [connect(server.address, FRAMING) for _ in range(30)]
    for number, peer in enumerate(peers):
        peer.send(b"%d" % number)
    for number, peer in enumerate(peers):
        with peer:
            assert peer.recv() == b"%d" % number


def test_idle_timeout(serve: Serve) -> None:
    """A connection without a message for too long is ended cleanly."""
    server = serve(FRAMING, echo, limits=Limits(idle_timeout=0.5))
    with connect(server.address, FRAMING) as peer:
        assert peer.request(b"x") == b"x"
        with pytest.raises(PeerClosed) as end:
            peer.recv()
    assert end.value.clean


@pytest.mark.parametrize("stream", [b"\0\0\0\x40abc", b"\0\0", b"\0\0\0\1x\0\0\0\x40abc"])
def test_message_timeout(serve: Serve, dial: Dial, until_eof: UntilEnd, stream: bytes) -> None:
    """A message that does not become whole in time ends its connection; no reply is made up for it."""
    server = serve(FRAMING, echo, limits=Limits(message_timeout=0.1))
    sock = dial(server.address)
    sock.sendall(stream)
    got = b""
    try:
        while chunk := sock.recv(100):
            got += chunk
    except ConnectionResetError:
        pass
    assert got == (stream[:5] if len(stream) > 8 else b"")


@pytest.mark.parametrize("kind", ["selector", "thread"])
def test_the_time_of_a_message_begins_with_its_first_byte(start: Any, dial: Dial, eventually: Any, kind: str) -> None:
    """White-box: a message's time runs from its first byte, also where that came together with the message before."""
    server = start(kind, FRAMING, echo)
    sock = dial(server.address)
    sock.sendall(FRAMING.encode(b"x") + b"\0\0\0\x05a")
    assert sock.recv(100) == FRAMING.encode(b"x")
    (connection,) = server._connections.values()
    eventually(lambda: connection.waits_for() == "message")
    since = connection.since
    sock.sendall(b"b")
    eventually(lambda: connection.decoder.buffered == 6)
    assert connection.since == since


def test_slowloris(serve: Serve, dial: Dial) -> None:
    """A peer that sends a byte now and then is cut off all the same: the time is for the message, not for a read."""
    server = serve(FRAMING, echo, limits=Limits(message_timeout=0.2, idle_timeout=None))
    sock = dial(server.address)
    sock.settimeout(0.02)
    sock.sendall(b"\0\0\1\0")
    for _ in range(255):  # one more would complete the message
        try:
            sock.sendall(b"x")
            assert sock.recv(10) == b""
            break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    else:
        pytest.fail("the message became whole before the peer was cut off")


def test_peer_that_never_reads(serve: Serve, dial: Callable[..., socket.socket], eventually: Any) -> None:
    """A peer that sends and never reads is not read any more above the high-water mark, and cut off in time."""
    handled = []

    def handler(message: bytes) -> bytes:
        handled.append(len(message))
        return message

    server = serve(FRAMING, handler, limits=Limits(write_timeout=0.3, high_water=100_000))
    sock = dial(server.address, receive_buffer=4096)
    frame = FRAMING.encode(b"x" * 50_000)
    with pytest.raises(ConnectionError):
        sock.sendall(frame * 2000)
    eventually(lambda: server.connections == 0)
    with connect(server.address, FRAMING) as other:
        assert other.request(b"x") == b"x"


def test_memory_of_a_peer_that_never_reads(start: Serve, dial: Callable[..., socket.socket], eventually: Any) -> None:
    """White-box: what waits for a peer is bounded by the high-water mark and what one read brings."""
    server = start("selector", FRAMING, echo, limits=Limits(high_water=100_000))
    sock = dial(server.address, receive_buffer=4096)
    sock.setblocking(False)
    frame = FRAMING.encode(b"x" * 1000)
    quiet = threading.Event()
    largest = 0
    refused = 0
    while refused < 20:  # until nothing more has fitted for a while
        try:
            sock.send(frame * 100)
            refused = 0
        except BlockingIOError:
            refused += 1
            quiet.wait(0.01)
        largest = max([largest, *(c.out.size for c in list(server._connections.values()) if c.out is not None)])
    assert 0 < largest <= 100_000 + 256 * 1024 + 1004


@pytest.mark.parametrize("stream", [b"\xff\xff\xff\xff" + b"x" * 100, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_oversize_and_garbage(
    serve: Serve, dial: Dial, until_eof: UntilEnd, stream: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What is no message, or claims 4 GB, ends its connection after the replies to what came before it."""
    caplog.set_level(logging.INFO)
    server = serve(FRAMING, echo)
    sock = dial(server.address)
    sock.sendall(FRAMING.encode(b"whole") + stream)
    assert until_eof(sock) == FRAMING.encode(b"whole")
    with connect(server.address, FRAMING) as peer:
        assert peer.request(b"next") == b"next"
    assert "exceeds the limit" in caplog.text


@pytest.mark.parametrize("sent", [b"", b"\0\0", b"\0\0\0\5abc", b"\0\0\0\3abc\0\0\0\5a"])
def test_reset_by_peer(serve: Serve, dial: Dial, eventually: Any, sent: bytes) -> None:
    """A peer that resets its connection, inside a message or not, ends that connection only."""
    server = serve(FRAMING, echo)
    sock = dial(server.address)
    sock.sendall(sent)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
    with connect(server.address, FRAMING) as peer:
        assert peer.request(b"next") == b"next"
    eventually(lambda: server.connections == 0)


def test_half_close_delivers_the_rest(serve: Serve) -> None:
    """A client that has ended its side still gets every reply, then the end."""
    server = serve(FRAMING, echo)
    with connect(server.address, FRAMING) as peer:
        peer.send_many([b"%d" % number * 1000 for number in range(1000)])
        peer.half_close()
        assert list(peer) == [b"%d" % number * 1000 for number in range(1000)]


def test_half_close_inside_a_message(serve: Serve, dial: Dial, until_eof: UntilEnd) -> None:
    """A stream that ends inside a message: what was whole is answered, the rest is not."""
    sock = dial(serve(FRAMING, echo).address)
    sock.sendall(FRAMING.encode(b"whole") + FRAMING.encode(b"half")[:-2])
    sock.shutdown(socket.SHUT_WR)
    assert until_eof(sock) == FRAMING.encode(b"whole")


@pytest.mark.parametrize("size", [1, 1000, 2_000_000])
def test_until_eof(serve: Serve, size: int) -> None:
    """A message ended by half-close is answered by one that the server's close ends; nothing gets no answer."""
    server = serve(UntilEOF(), bytes.upper)
    with connect(server.address, UntilEOF()) as peer:
        peer.send(b"a" * size)
        peer.half_close()
        assert peer.recv() == b"A" * size
    with connect(server.address, UntilEOF()) as peer:
        peer.half_close()
        assert list(peer) == []


def test_raw(serve: Serve) -> None:
    """The raw framing hands over bytes as they come."""
    with connect(serve(Raw(), echo).address, Fixed(41)) as peer:
        assert (
            peer.request(b"This is the message. It will be repeated.") == b"This is the message. It will be repeated."
        )


def test_address_in_use(kind: str, serve: Serve, start: Serve) -> None:
    """A second server at the same address is an AddressError that says what to do."""
    server = serve(FRAMING, echo)
    with pytest.raises(AddressError, match="another program listens there"):
        start(kind, FRAMING, echo, address=server.address)


def test_reuse_port(kind: str, start: Serve) -> None:
    """With `reuse_port` several servers share an address, and every connection is answered by one of them."""
    first = start(kind, FRAMING, lambda _: b"first", reuse_port=True)
    start(kind, FRAMING, lambda _: b"second", address=first.address, reuse_port=True)
    answers = set()
    for _ in range(200):
        with connect(first.address, FRAMING) as peer:
            answers.add(peer.request(b"who"))
    assert answers == {b"first", b"second"}


def test_restart_at_once(kind: str, start: Serve, stable_address: Callable[[], str]) -> None:
    """A server can be started again at the address of one that has just ended, its connections fresh in memory."""
    server = start(kind, FRAMING, echo, address=stable_address())
    with connect(server.address, FRAMING) as peer:
        assert peer.request(b"1") == b"1"
        server.close()
        with pytest.raises(PeerClosed):
            peer.recv()
    again = start(kind, FRAMING, echo, address=server.address)
    with connect(again.address, FRAMING) as peer:
        assert peer.request(b"2") == b"2"


def test_portable_poller(poller: str, start: Serve, eventually: Any) -> None:
    """The selector server does the same over the portable selectors as over epoll."""
    server = start("selector", FRAMING, echo, limits=Limits(max_connections=1, high_water=1000))
    with connect(server.address, FRAMING) as peer, connect(server.address, FRAMING) as waiting:
        sender = threading.Thread(target=peer.send_many, args=([b"x" * 1_000_000] * 20,))
        sender.start()
        eventually(lambda: [c for c in server._connections.values() if c.mask == WRITE])  # not read any more
        assert [len(peer.recv()) for _ in range(20)] == [1_000_000] * 20
        sender.join()
        peer.close()
        assert waiting.request(b"next") == b"next"
    server.drain(5, grace=0)
    assert server.join(5)


def test_poller_of_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems without epoll get the portable poller."""
    monkeypatch.setattr(sys, "platform", "darwin")
    poller = new_poller()
    poller.close()
    assert isinstance(poller, SelectorsPoller)


@pytest.mark.parametrize("name", ["max_connections", "idle_timeout", "message_timeout", "write_timeout"])
def test_impossible_limits(name: str) -> None:
    """A limit of nothing is a mistake; None is how to have none."""
    with pytest.raises(ValueError, match=f"{name} must be above 0, not 0"):
        Limits(**{name: 0})
    assert Limits(idle_timeout=None, message_timeout=None, write_timeout=None).shortest == float("inf")


def test_serve_forever_in_a_thread_of_ones_own() -> None:
    """`serve_forever` can be called by anyone's thread; `close` from another then ends it."""
    server = SelectorServer("127.0.0.1:0", FRAMING, echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with connect(server.address, FRAMING) as peer:
        assert peer.request(b"x") == b"x"
        assert server.join()  # there is no thread of `start` to wait for
        server.close()
        thread.join(10)
        assert not thread.is_alive()
    server.serve_forever()  # returns: it is closed


def test_close_at_the_limit(serve: Serve) -> None:
    """A server that does not listen at the moment, being at its limit, closes as any other."""
    server = serve(FRAMING, echo, limits=Limits(max_connections=1))
    with connect(server.address, FRAMING) as first, connect(server.address, FRAMING) as waiting:
        assert first.request(b"x") == b"x"
        waiting.send(b"y")
        assert first.request(b"x") == b"x"
        server.close()
        with pytest.raises(PeerClosed):
            waiting.recv()


def test_close_cuts_off(serve: Serve) -> None:
    """Closing a server resets what is open, and a second close is harmless."""
    server = serve(FRAMING, echo)
    with connect(server.address, FRAMING) as peer:
        assert peer.request(b"x") == b"x"
        server.close()
        with pytest.raises(PeerClosed) as end:
            peer.recv()
    assert not end.value.clean
    server.close()
