"""How connections end while something else is going on: unsent replies, handlers at work, peers that send on."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest
from cb_sockets import (
    Address,
    LengthPrefixed,
    Limits,
    MessageSocket,
    Peer,
    aio_connection,
    connect,
    echo,
    loop,
    per_connection,
    server,
    threads,
)

Serve = Callable[..., Any]
Dial = Callable[..., socket.socket]
FRAMING = LengthPrefixed()
BIG = 8_000_000  # more than the kernel takes for a peer that does not read


@pytest.fixture
def short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that does not close after our end is given up sooner than usual."""
    for module in (server, threads, aio_connection):
        monkeypatch.setattr(module, "LINGER", 0.05)


def replies(message: bytes) -> bytes | None:
    """A large reply, a bug, or the message itself."""
    if message == b"bad":
        raise RuntimeError("a bug in the handler")
    return b"y" * BIG if message == b"big" else message


@pytest.mark.parametrize("then", ["end", "bad", "more", "garbage"])
def test_unsent_reply(serve: Serve, dial: Dial, then: str) -> None:
    """A reply that waits for its peer arrives whole, whatever follows the request it answers."""
    running = serve(FRAMING, replies, limits=Limits(high_water=50_000_000))
    with MessageSocket(dial(running.address, receive_buffer=4096), FRAMING) as peer:
        peer.send(b"big")
        assert peer.sock.recv(1, socket.MSG_PEEK)  # its beginning is there
        if then == "end":
            peer.half_close()
        elif then == "garbage":
            peer.sock.sendall(b"\xff\xff\xff\xff")
        else:
            peer.send_many([b"ok", b"bad" if then == "bad" else b"again"])
        assert peer.recv() == b"y" * BIG
        if then in {"bad", "more"}:
            assert peer.recv() == b"ok"
        if then == "more":
            assert peer.recv() == b"again"
            peer.half_close()
        assert list(peer) == []


def test_unsent_replies_of_a_batch_that_fails(serve: Serve, dial: Dial) -> None:
    """Replies to messages before a bug arrive whole, however large."""
    running = serve(FRAMING, replies)
    with MessageSocket(dial(running.address, receive_buffer=4096), FRAMING) as peer:
        peer.send_many([b"big", b"bad", b"never handled"])
        assert list(peer) == [b"y" * BIG]


def test_small_replies_to_a_peer_that_does_not_read(serve: Serve, tmp_path: Any) -> None:
    """Small replies that the kernel takes whole or not at all wait, and arrive in order when the peer reads."""
    handled = threading.Semaphore(0)

    def handler(message: bytes) -> bytes:
        handled.release()
        return message

    running = serve(FRAMING, handler, address=f"unix:{tmp_path}/s")
    messages = [b"%06d" % number * 600 for number in range(120)]
    with connect(running.address, FRAMING) as peer:
        sent = []
        for message in messages:
            peer.send(message)
            sent.append(message)
            if not handled.acquire(timeout=0.1):
                break  # a thread that stands still in its reply reads no more
        assert [peer.recv() for _ in sent] == sent


def test_peer_gone_while_its_handler_fails(serve: Serve, dial: Dial, eventually: Any) -> None:
    """A peer that resets while its handler works, and a handler that then fails: neither harms the server."""
    begun, go_on = threading.Event(), threading.Event()

    def handler(message: bytes) -> bytes | None:
        if message == b"big":
            begun.set()
            assert go_on.wait(10)
        return replies(message)

    running = serve(FRAMING, handler)
    sock = dial(running.address)
    sock.sendall(FRAMING.encode_many([b"big", b"bad"]))
    assert begun.wait(10)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
    go_on.set()
    eventually(lambda: running.connections == 0)
    with connect(running.address, FRAMING) as peer:
        assert peer.request(b"x") == b"x"


@pytest.mark.parametrize("then", ["end", "reset", "nothing"])
def test_peer_that_sends_on_after_the_end(
    serve: Serve, dial: Dial, until_eof: Any, eventually: Any, short_linger: None, then: str
) -> None:
    """After its end a server reads and drops what still comes, so that its last reply is not lost to a reset."""
    running = serve(FRAMING, echo, limits=Limits(message_timeout=0.2))
    sock = dial(running.address)
    sock.sendall(FRAMING.encode(b"last") + b"\xff\xff\xff\xff")
    assert until_eof(sock) == FRAMING.encode(b"last")
    if then != "nothing":
        sock.sendall(b"x" * 1000)
        sock.sendall(b"y" * 1000)
    if then == "end":
        sock.close()
    elif then == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    eventually(lambda: running.connections == 0)


def test_many_at_once(serve: Serve) -> None:
    """More clients than are accepted in one go, all at once, are all served."""
    begun, go_on = threading.Event(), threading.Event()

    def handler(message: bytes) -> bytes:
        if message == b"wait":
            begun.set()
            assert go_on.wait(10)
        return message

    running = serve(FRAMING, handler)
    with connect(running.address, FRAMING) as first:
        first.send(b"wait")
        assert begun.wait(10)
        peers = [connect(running.address, FRAMING) for _ in range(150)]
        for peer in peers:
            peer.send(b"x")
        go_on.set()
        assert first.recv() == b"wait"
        for peer in peers:
            with peer:
                assert peer.recv() == b"x"


def test_client_gone_before_it_was_accepted(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """An accept that fails because that client is gone concerns nobody else."""
    running = serve(FRAMING, echo)
    failures = [ConnectionAbortedError(103, "Software caused connection abort")] * 3
    accept = socket.socket.accept

    def failing(listener: socket.socket) -> Any:
        if failures:
            raise failures.pop()
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", failing)
    with connect(running.address, FRAMING) as peer:
        assert peer.request(b"x") == b"x"
    assert failures == []


def test_no_more_threads(start: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Where the system has no thread for a connection, that connection is closed, and the server goes on."""
    running = start("thread", FRAMING, echo)
    begin = threading.Thread.start
    failures = 1

    def failing(thread: threading.Thread) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", failing)
    with connect(running.address, FRAMING) as peer:
        assert list(peer) == []
    with connect(running.address, FRAMING) as peer:
        assert peer.request(b"x") == b"x"
    assert "can't start new thread" in caplog.text


def test_drain_with_more_unread_than_one_poll_tells(start: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """White-box: where the poller may know of more requests than it told, nobody is ended as idle."""
    monkeypatch.setattr(loop, "_POLL_MOST", 0)
    begun, go_on = threading.Event(), threading.Event()

    def handler(message: bytes) -> bytes:
        if message == b"wait":
            begun.set()
            assert go_on.wait(10)
        return message

    running = start("selector", FRAMING, handler)
    peers = [connect(running.address, FRAMING) for _ in range(5)]
    for peer in peers:
        assert peer.request(b"x") == b"x"
    peers[0].send(b"wait")
    assert begun.wait(10)
    for peer in peers[1:]:
        peer.send(b"y")
    running.drain(5, grace=0)
    go_on.set()
    for peer in peers:
        with peer:
            assert list(peer) == [b"wait" if peer is peers[0] else b"y"]
    assert running.join(5)


def test_drain_at_once(serve: Serve) -> None:
    """A drain without time is over at once."""
    running = serve(FRAMING, echo)
    running.drain(0)
    assert running.join(5)
    assert running.cut == 0


def test_async_handler_with_large_replies(start: Serve, dial: Dial) -> None:
    """A coroutine handler whose replies wait for the peer: the next request is read when they are gone."""

    async def handler(message: bytes) -> bytes:
        return message * 1_000_000

    running = start("aio", FRAMING, handler, limits=Limits(high_water=1000))
    with MessageSocket(dial(running.address, receive_buffer=4096), FRAMING) as peer:
        peer.send(b"12345678")
        assert peer.sock.recv(1, socket.MSG_PEEK)
        peer.send(b"x")
        assert peer.recv() == b"12345678" * 1_000_000
        assert peer.recv() == b"x" * 1_000_000


def test_tls_factory_exception(
    serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    """A factory that raises behind a TLS handshake or not ends its connection only."""

    def factory(peer: Peer) -> Callable[[bytes], bytes]:
        raise RuntimeError(f"nobody serves {peer.address}")

    running: Any = serve(FRAMING, per_connection(factory), tls=server_tls)
    for _ in range(2):
        with connect(running.address, FRAMING, tls=client_tls) as peer:
            assert list(peer) == []
    assert caplog.text.count("RuntimeError: nobody serves 127.0.0.1:") == 2


def test_address_is_what_was_bound(serve: Serve) -> None:
    """The address tells the port that the system has chosen, and connects."""
    running = serve(FRAMING, echo, address=Address("127.0.0.1", 0))
    assert running.address.port > 0
    with connect(str(running.address), FRAMING) as peer:
        assert peer.request(b"x") == b"x"
