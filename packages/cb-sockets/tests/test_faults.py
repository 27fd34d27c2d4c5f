"""Faults injected for real: cut frames, killed servers, no descriptors left. Small counts; CB_FAULTS=full for all."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cb_sockets import (
    Address,
    ConnectFailed,
    Delimited,
    Fixed,
    Framing,
    IncompleteMessage,
    LengthPrefixed,
    MessageSocket,
    PeerClosed,
    TimeoutExceeded,
    connect,
    echo,
    net,
    quiesce,
)

Serve = Callable[..., Any]
Dial = Callable[[Address], socket.socket]
Count = Callable[[int, int], int]
UntilEnd = Callable[[socket.socket], bytes]
FRAMING = LengthPrefixed()
linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc and socket filters are Linux's")


@pytest.mark.parametrize(
    ("framing", "messages"),
    [
        (Fixed(5), [b"first", b"again"]),
        (Delimited(b"\r\n"), [b"first\r", b"", b"\nlast"]),
        (LengthPrefixed(1), [b"first", b"", b"last"]),
        (LengthPrefixed(8, "little", -8), [b"first", b"last"]),
    ],
    ids=str,
)
def test_partial_frames(serve: Serve, dial: Dial, until_eof: UntilEnd, framing: Framing, messages: list[bytes]) -> None:
    """A stream cut at every byte boundary into two segments, over a real socket, is answered as if it were whole."""
    server = serve(framing, echo)
    stream = framing.encode_many(messages)
    sock = dial(server.address)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for cut in range(1, len(stream)):
        sock.sendall(stream[:cut])
        whole = b"".join(framing.encode(message) for message in framing.decoder().feed(stream[:cut]))
        received = b""
        while len(received) < len(whole):  # the first segment has been read, then
            received += sock.recv(1000)
        assert received == whole
        sock.sendall(stream[cut:])
        while len(received) < len(stream):
            received += sock.recv(1000)
        assert received == stream


def test_every_byte_a_segment(serve: Serve, dial: Dial) -> None:
    """A conversation of one byte a segment is answered as any other."""
    server = serve(FRAMING, echo)
    sock = dial(server.address)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    messages = [b"x" * size for size in (0, 1, 100, 300)]
    for byte in FRAMING.encode_many(messages):
        sock.sendall(bytes([byte]))
    with MessageSocket(sock, FRAMING) as peer:
        assert [peer.recv() for _ in messages] == messages


@pytest.mark.parametrize("how", ["end", "reset"])
def test_cut_at_every_byte(serve: Serve, dial: Dial, until_eof: UntilEnd, eventually: Any, how: str) -> None:
    """A stream that ends, or is reset, after any of its bytes: what was whole was handled, and nothing else."""
    handled: list[bytes] = []
    server = serve(LengthPrefixed(2), handled.append)
    stream = LengthPrefixed(2).encode_many([b"one", b"two"])
    for cut in range(len(stream) + 1):
        handled.clear()
        sock = dial(server.address)
        sock.sendall(stream[:cut])
        expected = [b"one", b"two"][: cut // 5]
        if how == "end":
            sock.shutdown(socket.SHUT_WR)
            assert until_eof(sock) == b""
        else:
            eventually(lambda: server.connections == 1 and handled == expected)  # noqa: B023
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
        eventually(lambda: server.connections == 0)
        assert handled == expected


@linux
@pytest.mark.faults
def test_one_after_another(kind: str, spawn: Callable[..., Any], eventually: Any, count: Count) -> None:
    """Thousands of connections one after another, some of them ended badly, leave no descriptor open."""
    child = spawn("--kind", kind)
    with connect(child.address, FRAMING) as peer:
        assert peer.request(b"x") == b"ok:x"
        before = child.descriptors - 1
    for turn in range(count(500, 10_000)):
        with connect(child.address, FRAMING) as peer:
            if turn % 7 == 0:
                peer.sock.sendall(b"\0\0")
                peer.abort()
            elif turn % 7 == 1:
                peer.sock.sendall(b"\xff\xff\xff\xff")
            else:
                assert peer.request(b"%d" % turn) == b"ok:%d" % turn
    eventually(lambda: child.descriptors <= before)


@linux
@pytest.mark.faults
def test_out_of_descriptors(kind: str, spawn: Callable[..., Any], eventually: Any, count: Count) -> None:
    """With no descriptors left the server neither dies, spins nor floods its log, and serves the waiting afterwards."""
    child = spawn("--kind", kind, "--descriptors", "64")
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(connect(child.address, FRAMING)) for _ in range(100)]
        served: list[MessageSocket] = []
        for peer in peers:
            peer.send(b"x")
        while True:  # as many as there are descriptors for
            peer = peers[len(served)]
            try:
                assert peer.recv(timeout=2) == b"ok:x"
            except TimeoutExceeded:
                break
            served.append(peer)
        assert 30 < len(served) < 64
        start, used = time.monotonic(), child.cpu_seconds
        with pytest.raises(TimeoutExceeded):  # nothing happens, for a while
            peers[-1].recv(timeout=count(5, 210) / 10)
        busy = (child.cpu_seconds - used) / (time.monotonic() - start)
        assert busy < 0.2, "a server that spins would take a whole processor"
        for peer in served:
            peer.close()
        rest = peers[len(served) :]
        for peer in rest:
            assert peer.recv() == b"ok:x"
            peer.close()
    lines = [line for line in child.log.splitlines() if "no more connections for now" in line]
    assert 1 <= len(lines) <= 1 + (time.monotonic() - start) // 10 + 1
    assert child.log.splitlines() == lines
    child.terminate()
    assert child.wait() == 0


@linux
def test_at_the_limit_without_spinning(kind: str, spawn: Callable[..., Any]) -> None:
    """At its limit of connections, with others waiting, a server takes next to no processor time."""
    child = spawn("--kind", kind, "--connections", "2")
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(connect(child.address, FRAMING)) for _ in range(10)]
        assert peers[0].request(b"x") == b"ok:x"
        start, used = time.monotonic(), child.cpu_seconds
        with pytest.raises(TimeoutExceeded):
            peers[-1].recv(timeout=0.5)
        assert (child.cpu_seconds - used) / (time.monotonic() - start) < 0.2


def transfer(address: Address, framing: Framing, several: threading.Semaphore, outcomes: list[str]) -> None:
    """Request after request, each on a connection of its own, until there is an error."""
    request = b"r" * 100_000
    try:
        while True:
            with connect(address, framing, timeout=30) as peer:
                reply = peer.request(request)
            if reply != b"ok:" + request:
                outcomes.append(f"torn: {len(reply)} bytes")
                return
            several.release()
    except (PeerClosed, IncompleteMessage, ConnectFailed) as error:
        outcomes.append(type(error).__name__)


@pytest.mark.faults
@pytest.mark.parametrize("framing", [LengthPrefixed(), Delimited()], ids=["len:4be", "line"])
def test_kill_in_mid_transfer(kind: str, spawn: Callable[..., Any], framing: Framing, count: Count) -> None:
    """A server killed in the midst of transfers: its clients get an error, never a torn or a made-up message."""
    for _ in range(count(1, 20)):
        child = spawn("--kind", kind, "--frame", "line" if isinstance(framing, Delimited) else "len:4be")
        outcomes: list[str] = []
        several = threading.Semaphore(0)
        arguments = (child.address, framing, several, outcomes)
        threads = [threading.Thread(target=transfer, args=arguments) for _ in range(10)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            assert several.acquire(timeout=30)
        child.kill()
        for thread in threads:
            thread.join(60)
        assert set(outcomes) <= {"PeerClosed", "IncompleteMessage", "ConnectFailed"}
        assert len(outcomes) == 10


def storm_and_close(listener: net.Listener, *, quiet: bool, turns: int) -> tuple[int, int]:
    """Close a listener in a storm of connects, with or without the filter; those accepted, and those reset unserved."""
    ended = threading.Event()
    accepted = lost = 0
    lock = threading.Lock()
    address = listener.address

    def storm() -> None:
        nonlocal lost
        while not ended.is_set():
            sock = socket.socket()
            sock.settimeout(10)
            try:
                sock.connect((address.host, address.port))
            except OSError:  # refused: that is an honest answer
                sock.close()
                continue
            try:
                reply = sock.recv(10)
            except OSError:
                reply = b""
            with lock:
                lost += reply != b"hello"
            sock.close()

    threads = [threading.Thread(target=storm) for _ in range(4)]
    for thread in threads:
        thread.start()
    closing_at = None
    while True:
        try:
            sock, _ = listener.sock.accept()
        except BlockingIOError:
            if closing_at is not None and time.monotonic() >= closing_at:
                break
            continue
        sock.sendall(b"hello")
        sock.close()
        accepted += 1
        if accepted == turns:
            grace = 0.3 if quiet and quiesce.stop_handshakes(listener.sock) else 0.0
            closing_at = time.monotonic() + grace
    listener.close()
    ended.set()
    for thread in threads:
        thread.join()
    return accepted, lost


@linux
@pytest.mark.faults
def test_the_filter_closes_a_listener_without_a_loss(count: Count) -> None:
    """White-box: closed after `stop_handshakes`, a listener in a storm of connects resets nobody."""
    for _ in range(count(1, 100)):
        listener = net.listen(net.Address("127.0.0.1"))
        accepted, lost = storm_and_close(listener, quiet=True, turns=200)
        assert accepted >= 200
        assert lost == 0


@linux
def test_without_the_filter_a_connection_is_lost() -> None:
    """White-box: what the filter is for: a handshake that completes between the last accept and the close is reset."""
    listener = net.listen(net.Address("127.0.0.1"))
    with pytest.raises(BlockingIOError):
        listener.sock.accept()  # the queue is empty: one could close now
    with socket.create_connection((listener.address.host, listener.address.port), 5) as sock:
        listener.close()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    # The same with the filter: the handshake does not even begin, and its client learns that it has to go elsewhere.
    listener = net.listen(net.Address("127.0.0.1"))
    assert quiesce.stop_handshakes(listener.sock)
    with socket.socket() as sock:
        sock.setblocking(False)
        assert sock.connect_ex((listener.address.host, listener.address.port)) != 0
        listener.close()
        assert select.select([], [sock], [], 10)[1]
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


@linux
def test_the_filter_lets_the_others_pass() -> None:
    """White-box: connections in the queue, and bytes on open ones, pass the filter."""
    listener = net.listen(net.Address("127.0.0.1")).sock
    with listener, socket.create_connection(listener.getsockname(), 5) as queued:
        assert quiesce.stop_handshakes(listener)
        sock, _ = listener.accept()
        with sock:
            queued.sendall(b"to the server")
            assert sock.recv(100) == b"to the server"
            sock.sendall(b"back")
            assert queued.recv(100) == b"back"


def test_unix_listener_shut_before_its_close(tmp_path: Path) -> None:
    """White-box: a Unix listener told to stop refuses the next client and hands out the one in its queue."""
    listener = net.listen(net.Address(path=f"{tmp_path}/s"))
    with socket.socket(socket.AF_UNIX) as queued, socket.socket(socket.AF_UNIX) as late:
        queued.connect(f"{tmp_path}/s")
        assert not quiesce.stop_handshakes(listener.sock)
        with pytest.raises(ConnectionRefusedError):
            late.connect(f"{tmp_path}/s")
        sock, _ = listener.sock.accept()
        sock.close()
    listener.close()


def test_no_filter_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no such filter, or forbids it, `stop_handshakes` says so and does nothing."""
    with net.listen(net.Address("127.0.0.1")).sock as listener:
        monkeypatch.setattr(quiesce, "_SO_ATTACH_FILTER", 999)
        assert not quiesce.stop_handshakes(listener)
        monkeypatch.setattr(sys, "platform", "darwin")
        assert not quiesce.stop_handshakes(listener)
