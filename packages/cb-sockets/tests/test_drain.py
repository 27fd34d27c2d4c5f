"""The way out: what a server that is told to end still answers, and what it leaves to others."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cb_sockets import (
    Address,
    ConnectFailed,
    FramingError,
    LengthPrefixed,
    Limits,
    MessageSocket,
    PeerClosed,
    SocketsError,
    UntilEOF,
    connect,
    echo,
)

Serve = Callable[..., Any]
Dial = Callable[[Address], socket.socket]
Count = Callable[[int, int], int]
FRAMING = LengthPrefixed()


def test_idle_connections_end_between_messages(serve: Serve) -> None:
    """Idle connections, used and fresh, get a clean end of the stream; the drain then is over and nothing was cut."""
    server = serve(FRAMING, echo)
    with connect(server.address, FRAMING) as used, connect(server.address, FRAMING) as fresh:
        assert used.request(b"x") == b"x"
        server.drain(5, grace=0.1)
        assert list(used) == []
        assert list(fresh) == []
    assert server.join(5)
    assert server.cut == 0


def test_nothing_to_drain(serve: Serve) -> None:
    """A server without connections is drained as soon as its listener may close."""
    server = serve(FRAMING, echo)
    server.drain(30, grace=0)
    assert server.join(5)


@pytest.mark.parametrize("begun", [1, 3, 4, 5, 9])
def test_a_request_that_has_begun_is_answered(serve: Serve, dial: Dial, begun: int) -> None:
    """A request whose first bytes came before the drain, at whatever byte it stands, is answered, then the end."""
    server = serve(FRAMING, echo)
    with MessageSocket(dial(server.address), FRAMING) as peer, connect(server.address, FRAMING) as idle:
        assert peer.request(b"x") == b"x"
        assert idle.request(b"x") == b"x"
        frame = FRAMING.encode(b"begun")
        peer.sock.sendall(frame[:begun])
        server.drain(5, grace=0)
        assert list(idle) == []  # the drain is on
        peer.sock.sendall(frame[begun:])
        expected = [b"begun"]
        assert list(peer) == expected
    assert server.join(5)
    assert server.cut == 0


def test_unaccepted_connections_are_served(kind: str, serve: Serve) -> None:
    """Clients in the listener's queue when the drain begins are taken and answered."""
    server = serve(FRAMING, echo, limits=Limits(max_connections=1))
    with connect(server.address, FRAMING) as first:
        assert first.request(b"x") == b"x"
        waiting = [connect(server.address, FRAMING) for _ in range(20)]
        for number, peer in enumerate(waiting):
            peer.send(b"%d" % number)
        server.drain(5, grace=0.3)
        for number, peer in enumerate(waiting):
            with peer:
                assert list(peer) == [b"%d" % number]
    assert server.join(5)
    assert server.cut == 0


def test_unix_queue_is_served(serve: Serve, tmp_path: Path) -> None:
    """The same holds for a Unix socket, whose file is gone afterwards."""
    server = serve(FRAMING, echo, address=f"unix:{tmp_path}/s", limits=Limits(max_connections=1))
    with connect(server.address, FRAMING) as first:
        assert first.request(b"x") == b"x"
        waiting = [connect(server.address, FRAMING) for _ in range(5)]
        for peer in waiting:
            peer.send(b"y")
        server.drain(5, grace=0.3)
        for peer in waiting:
            with peer:
                assert list(peer) == [b"y"]
    assert server.join(5)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("state", ["begun", "unread reply", "connected"])
def test_deadline(
    serve: Serve, dial: Callable[..., socket.socket], until_eof: Any, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What the peer does not bring to an end is cut off at the deadline, by a reset, and counted."""
    server = serve(FRAMING, lambda message: message * 12_000_000 if message == b"x" else message)
    sock = dial(server.address, receive_buffer=4096)
    if state == "begun":
        sock.sendall(FRAMING.encode(b"begun")[:-1])
    elif state == "unread reply":
        sock.sendall(FRAMING.encode(b"hello"))
        assert sock.recv(9) == FRAMING.encode(b"hello")
        sock.sendall(FRAMING.encode(b"x"))
        assert sock.recv(1) == b"\0"
    server.drain(0.3, grace=0.3 if state == "connected" else 0)
    assert server.join(10)
    if state == "connected":
        return  # never heard of: ended, not cut
    assert server.cut == 1
    with pytest.raises(ConnectionResetError):
        assert until_eof(sock) == b"", "a clean end"
    assert "1 connections cut off" in caplog.text


def test_half_a_reply_never_looks_whole(serve: Serve, dial: Callable[..., socket.socket]) -> None:
    """Where the end of the stream ends the message, a reply that is cut off is an error to the client, not short."""
    server = serve(UntilEOF(), lambda message: message * 6_000_000)
    with MessageSocket(dial(server.address, receive_buffer=4096), UntilEOF()) as peer:
        peer.send(b"xx")
        peer.half_close()
        while peer._decoder.buffered < 4096:  # the reply has begun
            with pytest.raises(SocketsError, match="no whole message"):
                peer.recv(timeout=0.01)
        server.drain(0.1, grace=0)
        assert server.join(10)
        with pytest.raises(PeerClosed) as end:
            peer.recv()
    assert not end.value.clean


def test_half_a_request_is_never_handled(serve: Serve, dial: Dial) -> None:
    """Where the end of the stream ends the message, a request that is cut off by a limit is not taken for whole."""
    handled: list[bytes] = []
    server = serve(UntilEOF(), handled.append, limits=Limits(message_timeout=0.1))
    sock = dial(server.address)
    sock.sendall(b"delete everything older than 10")
    with pytest.raises(ConnectionResetError):
        sock.recv(10)
    sock = dial(server.address)
    sock.sendall(b"delete everything older than 10")
    server.drain(0.1, grace=0)
    assert server.join(5)
    assert handled == []


def test_listener_refuses_afterwards(serve: Serve) -> None:
    """A drained server's address refuses connections: the next server may have it."""
    server = serve(FRAMING, echo)
    server.drain(1, grace=0)
    assert server.join(5)
    with pytest.raises(ConnectFailed, match="refused"):
        connect(server.address, FRAMING)


def test_again_is_harmless(serve: Serve) -> None:
    """Draining or closing twice, in any order, does no harm."""
    server = serve(FRAMING, echo)
    with connect(server.address, FRAMING) as peer:
        peer.sock.sendall(b"\0")
        server.drain(5, grace=0)
        server.drain(5, grace=0)
        peer.sock.sendall(b"\0\0\1x")
        assert list(peer) == [b"x"]
    assert server.join(5)
    server.drain(5)
    server.close()
    server.close()
    server.drain(5)
    assert server.cut == 0


def test_close_ends_a_drain(serve: Serve) -> None:
    """Closing a server that drains cuts the drain short."""
    server = serve(FRAMING, echo)
    with connect(server.address, FRAMING) as peer:
        peer.sock.sendall(b"\0\0\0\5half")
        server.drain(60, grace=0)
        server.close()
        with pytest.raises(SocketsError):
            peer.recv()


def test_handler_at_work_is_waited_for(start: Serve) -> None:
    """A handler that is at work when the drain begins ends its work, and its reply arrives."""
    at_work, go_on = threading.Event(), threading.Event()

    def handler(message: bytes) -> bytes:
        at_work.set()
        assert go_on.wait(10)
        return message

    server = start("thread", FRAMING, handler)
    with connect(server.address, FRAMING) as peer:
        peer.send(b"slow")
        assert at_work.wait(10)
        server.drain(10, grace=0)
        assert not server.join(0.05)
        go_on.set()
        assert list(peer) == [b"slow"]
    assert server.join(5)
    assert server.cut == 0


def test_handler_at_work_at_the_deadline(start: Serve, eventually: Any) -> None:
    """A handler still at work at the deadline is left behind; its late reply does not reach the peer."""
    at_work, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def handler(message: bytes) -> bytes:
        at_work.set()
        assert go_on.wait(10)
        done.set()
        return message

    server = start("thread", FRAMING, handler)
    with connect(server.address, FRAMING) as peer:
        peer.send(b"slow")
        assert at_work.wait(10)
        server.drain(0.05, grace=0)
        assert server.join(10)
        assert server.cut == 1
        go_on.set()
        assert done.wait(10)
        with pytest.raises(PeerClosed) as end:
            peer.recv()
    assert not end.value.clean
    eventually(lambda: server.connections == 0)


def test_exhausted_descriptors_while_draining(
    kind: str, serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A drain that finds no descriptor for those in the queue goes on trying, and serves them when there are some."""
    server = serve(FRAMING, echo, limits=Limits(max_connections=1))
    failures = 5
    accept = socket.socket.accept

    def failing(listener: socket.socket) -> Any:
        nonlocal failures
        if failures and threading.current_thread() is not threading.main_thread():
            failures -= 1
            raise OSError(24, "Too many open files")
        return accept(listener)

    with connect(server.address, FRAMING) as first:
        assert first.request(b"x") == b"x"
        with connect(server.address, FRAMING) as waiting:
            waiting.send(b"y")
            monkeypatch.setattr(socket.socket, "accept", failing)
            server.drain(10, grace=0.3)
            assert list(waiting) == [b"y"]
    assert server.join(10)
    assert failures == 0
    assert server.cut == 0


class Client(threading.Thread):
    """Asks one request after another on one connection until the server ends it; keeps what was answered."""

    def __init__(self, address: Address, name: str, size: int) -> None:
        super().__init__(daemon=True)
        self._address, self._name, self._size = address, name, size
        self.answered: list[bytes] = []
        self.unanswered: bytes | None = None
        self.wrong: list[str] = []
        self.several = threading.Event()

    def run(self) -> None:
        with connect(self._address, FRAMING) as peer:
            for number in range(1_000_000):
                request = f"{self._name}-{number} ".encode().ljust(self._size, b".")
                self.unanswered = request
                try:
                    reply = peer.request(request)
                except PeerClosed:
                    return  # cleanly, or by the reset of a request that came after the end
                except FramingError as error:
                    self.wrong.append(f"torn frame: {error}")
                    return
                finally:
                    self.several.set() if number > 2 else None
                if reply != b"ok:" + request:
                    self.wrong.append(f"wrong reply {reply[:50]!r}")
                    return
                self.answered.append(request.rstrip(b"."))
                self.unanswered = None


@pytest.mark.faults
@pytest.mark.parametrize("size", [40, 70_000])
def test_sigterm_with_transfers_in_flight(
    kind: str, spawn: Callable[..., Any], tmp_path: Path, count: Count, size: int
) -> None:
    """SIGTERM in the midst of 100 transfers: what was answered stands in the ledger once, no frame is torn, exit 0."""
    for turn in range(count(1, 25)):
        ledger = tmp_path / f"ledger-{turn}"
        ledger.touch()
        child = spawn("--kind", kind, "--ledger", str(ledger))
        transfers = 100 if size < 1000 else count(30, 100)
        clients = [Client(child.address, f"{turn}.{number}", size) for number in range(transfers)]
        for client in clients:
            client.start()
        for client in clients:
            assert client.several.wait(30)
        child.terminate()
        for client in clients:
            client.join(30)
            assert not client.is_alive()
        assert child.wait() == 0, child.log
        assert [wrong for client in clients for wrong in client.wrong] == []
        handled = Counter(line.split()[0] for line in ledger.read_bytes().splitlines())
        answered = Counter(request.rstrip() for client in clients for request in client.answered)
        assert sum(answered.values()) >= 3 * transfers
        assert answered == handled, "what was handled and what was answered is not the same"


@pytest.mark.faults
def test_connect_storm_while_draining(kind: str, spawn: Callable[..., Any], count: Count) -> None:
    """Clients that connect while a server drains are refused or served: none that got in is reset unanswered."""
    for _ in range(count(1, 10)):
        child = spawn("--kind", kind)
        outcomes: Counter[str] = Counter()
        lock, begun = threading.Lock(), threading.Barrier(9)

        def storm(address: Address, outcomes: Counter[str], lock: Any, begun: threading.Barrier) -> None:
            served = 0
            while True:
                if served == 20:
                    begun.wait(30)
                served += 1
                try:
                    peer = connect(address, FRAMING, timeout=20)
                except ConnectFailed:
                    return
                with peer:
                    try:
                        assert peer.request(b"x") == b"ok:x"
                        outcome = "served"
                    except PeerClosed as end:
                        outcome = "ended" if end.clean else f"reset: {end}"
                with lock:
                    outcomes[outcome] += 1

        threads = [threading.Thread(target=storm, args=(child.address, outcomes, lock, begun)) for _ in range(8)]
        for thread in threads:
            thread.start()
        begun.wait(30)
        child.terminate()
        for thread in threads:
            thread.join(60)
        assert child.wait() == 0
        assert set(outcomes) == {"served"}, outcomes
