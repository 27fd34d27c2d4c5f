"""The servers over TLS: the same messages, and an end that can be told from a cut."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from cb_sockets import (
    Address,
    ConnectFailed,
    LengthPrefixed,
    Limits,
    MessageSocket,
    Peer,
    PeerClosed,
    UntilEOF,
    client_context,
    connect,
    echo,
    loop,
    per_connection,
    server_context,
    threads,
    transport,
)

Serve = Callable[..., Any]
Dial = Callable[[Address], socket.socket]
FRAMING = LengthPrefixed()


def wrap(context: ssl.SSLContext, sock: socket.socket) -> ssl.SSLSocket:
    """A bare TLS client, for what the library's own client would never do."""
    return context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)


@pytest.mark.parametrize("size", [1, 16384 - 4, 16384, 100_000, 3_000_000])
def test_messages(serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, size: int) -> None:
    """Messages of every size pass over TLS, alone and in a pipeline."""
    server = serve(FRAMING, echo, tls=server_tls)
    assert str(server.address).startswith("tls://127.0.0.1:")
    with connect(server.address, FRAMING, tls=client_tls) as peer:
        assert peer.request(b"x" * size) == b"x" * size
        for number in range(5):
            peer.send_many([b"%d" % number + b"y" * size, b"small"])
            assert [peer.recv(), peer.recv()] == [b"%d" % number + b"y" * size, b"small"]


def test_records_that_do_not_fit_the_reads(
    serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """What TLS has decrypted beyond a read is answered too, though no poller tells of it."""
    waiting = threading.Event()

    def handler(message: bytes) -> bytes:
        if message == b"wait":
            waiting.wait(10)
        return message

    server = serve(FRAMING, handler, tls=server_tls)
    with connect(server.address, FRAMING, tls=client_tls) as peer:
        peer.send(b"wait")
        for number in range(500):  # a record each, of a size that no buffer is a multiple of
            peer.send(b"%03d" % number * 333)
        waiting.set()
        assert peer.recv() == b"wait"
        assert [peer.recv() for _ in range(500)] == [b"%03d" % number * 333 for number in range(500)]


def test_reading_goes_on_after_a_pause(serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """A peer not read while its replies waited is read on when they are gone, wherever its bytes are held."""
    server = serve(FRAMING, lambda message: message * 100, tls=server_tls, limits=Limits(high_water=1000))
    with connect(server.address, FRAMING, tls=client_tls) as peer:
        for _ in range(400):
            peer.send(b"z" * 777)
        assert [len(peer.recv()) for _ in range(400)] == [77_700] * 400


@pytest.mark.parametrize("size", [10, 16384, 2 * 16384])
def test_end_together_with_the_last_bytes(
    serve: Serve, dial: Dial, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, size: int
) -> None:
    """TLS's goodbye right behind the last bytes, without TCP's, is seen at once."""
    server = serve(UntilEOF(), bytes.upper, tls=server_tls)
    sock = dial(server.address)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_tls.wrap_bio(incoming, outgoing, server_hostname="localhost")

    def step(action: Callable[[], Any]) -> Any:
        while True:
            try:
                return action()
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))

    step(tls.do_handshake)
    left = size
    while left:
        left -= tls.write(b"x" * left)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.unwrap()
    sock.sendall(outgoing.read())  # all of it in one segment, or nearly so
    got = b""
    with contextlib.suppress(ssl.SSLZeroReturnError):
        while chunk := step(lambda: tls.read(65536)):
            got += chunk
    assert got == b"X" * size


@pytest.mark.parametrize("size", [1, 100_000])
def test_half_close(serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, size: int) -> None:
    """After a half-close over TLS the replies still come, decrypted, then a clean end."""
    server = serve(FRAMING, echo, tls=server_tls)
    with connect(server.address, FRAMING, tls=client_tls) as peer:
        peer.send_many([b"a" * size, b"b"])
        peer.half_close()
        assert list(peer) == [b"a" * size, b"b"]
    with connect(server.address, FRAMING, tls=client_tls) as peer:
        assert peer.request(b"x") == b"x"
        peer.half_close()
        assert list(peer) == []


def test_half_close_with_a_record_half_read(
    serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """White-box: what TLS has decrypted and the client has not taken yet survives its half-close."""
    server = serve(FRAMING, lambda message: message * 300, tls=server_tls)
    with connect(server.address, FRAMING, tls=client_tls) as peer:
        peer._buffer = memoryview(bytearray(310))
        peer.send_many([b"a", b"b"])  # one read, so that the replies come in one record
        assert peer.recv() == b"a" * 300
        peer.half_close()
        assert list(peer) == [b"b" * 300]


@pytest.mark.parametrize("how", ["end", "close", "reset"])
def test_cut_stream_delivers_nothing(
    serve: Serve, dial: Dial, eventually: Any, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, how: str
) -> None:
    """A TLS stream that ends without TLS's goodbye was cut: what came of its only message is not handed over."""
    handled: list[bytes] = []
    server = serve(UntilEOF(), handled.append, tls=server_tls)
    sock = wrap(client_tls, dial(server.address))
    sock.sendall(b"pay 1000")
    eventually(lambda: server.connections == 1)
    if how == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    if how == "end":
        socket.socket.shutdown(sock, socket.SHUT_WR)
    else:
        socket.socket.close(sock)
    eventually(lambda: server.connections == 0)  # and there was no goodbye
    sock.close()
    assert handled == []


def test_whole_messages_before_a_cut(
    start: Serve, dial: Dial, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """Messages that came whole before a cut, read together with it, are handled."""
    handled: list[bytes] = []
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def handler(message: bytes) -> None:
        handled.append(message)
        if message == b"wait":
            begun.set()
            assert go_on.wait(10)
        if message == b"last":
            done.set()

    server = start("selector", FRAMING, handler, tls=server_tls)
    sock = wrap(client_tls, dial(server.address))
    with connect(server.address, FRAMING, tls=client_tls) as other:
        other.send(b"wait")
        assert begun.wait(10)
        sock.sendall(FRAMING.encode_many([b"first", b"last"]) + b"\0\0")
        socket.socket.shutdown(sock, socket.SHUT_WR)  # no goodbye
        go_on.set()
        assert done.wait(10)
    assert handled == [b"wait", b"first", b"last"]
    sock.close()


def test_client_sees_a_cut(client_tls: ssl.SSLContext, server_tls: ssl.SSLContext) -> None:
    """A client tells a server's TLS stream that was cut from one that ended."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve_half() -> None:
            for goodbye in (False, True):
                sock, _ = listener.accept()
                with server_tls.wrap_socket(sock, server_side=True) as tls:
                    tls.sendall(b"half")
                    if goodbye:
                        tls.unwrap()
                    tls.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=serve_half)
        thread.start()
        address = ("127.0.0.1", listener.getsockname()[1])
        with connect(address, UntilEOF(), tls=client_tls) as peer, pytest.raises(PeerClosed) as end:
            peer.recv()
        assert not end.value.clean
        with connect(address, UntilEOF(), tls=client_tls) as peer:
            assert peer.recv() == b"half"
        thread.join()


def test_no_tls_spoken(serve: Serve, dial: Dial, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """Who does not speak TLS is let go; the server goes on."""
    server = serve(FRAMING, echo, tls=server_tls)
    sock = dial(server.address)
    sock.sendall(b"\0\0\0\5hello" * 10)
    with contextlib.suppress(ConnectionResetError):
        while sock.recv(1000):
            pass
    with connect(server.address, FRAMING, tls=client_tls) as peer:
        assert peer.request(b"x") == b"x"


def test_handshake_that_stops(serve: Serve, dial: Dial, server_tls: ssl.SSLContext) -> None:
    """A client that never gets on with its TLS handshake is cut off when a message's time is up."""
    server = serve(FRAMING, echo, tls=server_tls, limits=Limits(message_timeout=0.1))
    for beginning in (b"", b"\x16\x03\x01"):
        sock = dial(server.address)
        sock.sendall(beginning)
        with contextlib.suppress(ConnectionResetError):
            while chunk := sock.recv(10):
                assert chunk.startswith(b"\x15")  # TLS's word for it, then the end


@pytest.mark.parametrize("kind", ["selector", "thread"])
def test_client_gone_while_its_socket_is_wrapped(
    kind: str,
    start: Serve,
    monkeypatch: pytest.MonkeyPatch,
    eventually: Any,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
) -> None:
    """White-box: `wrap_socket` that fails half-way has taken the socket; its connection is forgotten all the same."""
    failures = [ConnectionResetError(104, "Connection reset by peer")]
    wrapped = transport.wrap_accepted

    def failing(context: ssl.SSLContext, sock: socket.socket) -> ssl.SSLSocket:
        if failures:
            socket.socket(fileno=sock.detach()).close()
            raise failures.pop()
        return wrapped(context, sock)

    monkeypatch.setattr(loop, "wrap_accepted", failing)
    monkeypatch.setattr(threads, "wrap_accepted", failing)
    server = start(kind, FRAMING, echo, tls=server_tls)
    with pytest.raises(ConnectFailed):
        connect(server.address, FRAMING, tls=client_tls)
    eventually(lambda: server.connections == 0)
    with connect(server.address, FRAMING, tls=client_tls) as peer:
        assert peer.request(b"x") == b"x"


@pytest.mark.parametrize("beginning", [b"", b"\x16\x03\x01"])
def test_drain_ends_handshakes_that_stop(
    serve: Serve, dial: Dial, server_tls: ssl.SSLContext, beginning: bytes
) -> None:
    """A drain does not wait for a client that never gets on with its handshake."""
    server = serve(FRAMING, echo, tls=server_tls)
    sock = dial(server.address)
    sock.sendall(beginning)
    server.drain(60, grace=0.1)
    with contextlib.suppress(ConnectionResetError):
        while sock.recv(10):
            pass
    sock.close()
    assert server.join(5)
    assert server.cut == 0


def test_reset_before_a_half_close(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """A half-close after the peer's reset is harmless; what follows tells of the reset."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            sock, _ = listener.accept()
            with server_tls.wrap_socket(sock, server_side=True) as tls:
                tls.recv(1)
                tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

        thread = threading.Thread(target=accept)
        thread.start()
        with connect(listener.getsockname(), FRAMING, tls=client_tls) as peer:
            peer.send(b"x")
            thread.join()
            peer.half_close()
            with pytest.raises(PeerClosed) as end:
                peer.recv()
            assert not end.value.clean


@pytest.mark.filterwarnings("ignore:.*unclosed <ssl.SSLSocket")  # by wrap_socket itself, if the peer is quick
def test_client_gone_before_the_handshake(
    serve: Serve, dial: Dial, eventually: Any, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """Clients that reset before or inside the handshake leave nothing behind."""
    server = serve(FRAMING, echo, tls=server_tls)
    for beginning in [b"", b"\x16\x03\x01\0"] * 20:
        sock = dial(server.address)
        sock.sendall(beginning)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    with connect(server.address, FRAMING, tls=client_tls) as peer:
        assert peer.request(b"x") == b"x"
    eventually(lambda: server.connections == 0)


def test_idle_timeout_says_goodbye(serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """An idle connection over TLS is ended with TLS's goodbye, so that the client knows nothing was cut."""
    server = serve(FRAMING, echo, tls=server_tls, limits=Limits(idle_timeout=0.5))
    with connect(server.address, FRAMING, tls=client_tls) as peer:
        assert peer.request(b"x") == b"x"
        assert list(peer) == []


def test_drain_says_goodbye(serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """A drained server says TLS's goodbye to idle connections, used and unused."""
    server = serve(FRAMING, echo, tls=server_tls)
    with (
        connect(server.address, FRAMING, tls=client_tls) as used,
        connect(server.address, FRAMING, tls=client_tls) as unused,
    ):
        assert used.request(b"x") == b"x"
        server.drain(5, grace=0.1)
        assert list(used) == []
        assert list(unused) == []
    assert server.join(5)
    assert server.cut == 0


def test_peer_that_never_reads(
    serve: Serve, dial: Dial, eventually: Any, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """Over TLS too, a peer that does not take its replies is cut off."""
    server = serve(FRAMING, echo, tls=server_tls, limits=Limits(write_timeout=0.2, high_water=100_000))
    sock = wrap(client_tls, dial(server.address))
    with pytest.raises(OSError, match=r"."):
        sock.sendall(FRAMING.encode(b"x" * 50_000) * 1000)
    sock.close()
    eventually(lambda: server.connections == 0)


def test_handler_exception(serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """Replies before a failing message arrive over TLS, then a clean end."""

    def handler(message: bytes) -> bytes:
        if message == b"bad":
            raise ValueError("no")
        return message

    server = serve(FRAMING, handler, tls=server_tls)
    with connect(server.address, FRAMING, tls=client_tls) as peer:
        peer.send_many([b"1", b"bad", b"2"])
        assert list(peer) == [b"1"]


def test_per_connection(serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """The peer's address is known behind TLS; a factory that raises ends its connection cleanly."""

    def factory(peer: Peer) -> Callable[[bytes], bytes]:
        if refuse:
            raise RuntimeError("closed today")
        return lambda _: peer.address.encode()

    refuse = False
    server = serve(FRAMING, per_connection(factory), tls=server_tls)
    with connect(server.address, FRAMING, tls=client_tls) as peer:
        assert peer.request(b"?") == b"127.0.0.1:%d" % peer.sock.getsockname()[1]
        refuse = True
        with connect(server.address, FRAMING, tls=client_tls) as second, contextlib.suppress(PeerClosed):
            assert list(second) == []
        assert peer.request(b"?") == b"127.0.0.1:%d" % peer.sock.getsockname()[1]


def test_contexts_from_files(serve: Serve, authority: trustme.CA, tmp_path: Path) -> None:
    """Contexts from PEM files: the client's certificate is asked for where a `client_ca` is given."""
    certificate, mine = authority.issue_cert("127.0.0.1"), authority.issue_cert("me@example.org")
    for name, blobs in (
        ("ca.pem", [authority.cert_pem]),
        ("key.pem", [certificate.private_key_pem]),
        ("cert.pem", certificate.cert_chain_pems),
        ("mine.pem", [mine.private_key_and_cert_chain_pem]),
    ):
        (tmp_path / name).write_bytes(b"".join(blob.bytes() for blob in blobs))
    ca = str(tmp_path / "ca.pem")
    server = serve(
        FRAMING, echo, tls=server_context(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"), client_ca=ca)
    )
    assert server_context(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")).verify_mode == ssl.CERT_NONE
    trusted, unchecked, stranger = client_context(ca=ca), client_context(verify=False), client_context(ca=ca)
    for context in (trusted, unchecked):
        context.load_cert_chain(str(tmp_path / "mine.pem"))
        with connect(server.address, FRAMING, tls=context) as peer:
            assert peer.request(b"x") == b"x"
    with connect(server.address, FRAMING, tls=stranger) as peer, pytest.raises(PeerClosed):
        peer.request(b"x")


def test_message_socket_over_a_ready_socket(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """A `MessageSocket` takes any connected socket, TLS or not, on either side."""
    ours, theirs = socket.socketpair()
    made: list[MessageSocket] = []

    def accept() -> None:
        made.append(MessageSocket(server_tls.wrap_socket(theirs, server_side=True), FRAMING))

    thread = threading.Thread(target=accept)
    thread.start()
    with MessageSocket(wrap(client_tls, ours), FRAMING) as client:
        thread.join()
        with made[0] as server:
            client.send(b"to the server")
            assert server.recv() == b"to the server"
            server.send(b"to the client")
            client.half_close()  # with that reply unread
            assert client.recv() == b"to the client"
            assert list(server) == []
