"""The blocking client: what it does when all goes well, and the one line it says when not."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cb_sockets import (
    Address,
    AddressError,
    ConnectFailed,
    Fixed,
    FixedLengthSocket,
    FramingError,
    IncompleteMessage,
    InvalidMessage,
    LengthPrefixed,
    MessageSocket,
    MessageTooLarge,
    PeerClosed,
    SelectorServer,
    SocketsError,
    TimeoutExceeded,
    UntilEOF,
    client_context,
    connect,
    echo,
    net,
)

Serve = Callable[..., Any]
FRAMING = LengthPrefixed()


@pytest.fixture
def pair() -> Iterator[tuple[MessageSocket, socket.socket]]:
    """A client, and the bare other end of its connection."""
    ours, theirs = socket.socketpair()
    with MessageSocket(ours, FRAMING, timeout=10) as client, theirs:
        theirs.settimeout(10)
        yield client, theirs


@pytest.fixture
def tcp_pair() -> Iterator[tuple[MessageSocket, socket.socket]]:
    """The same over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = connect(listener.getsockname(), FRAMING)
        theirs, _ = listener.accept()
    with client, theirs:
        theirs.settimeout(10)
        yield client, theirs


def unused_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (lambda: f"127.0.0.1:{unused_port()}", "connection refused .is the server running"),
        (lambda: "no-such-host.invalid:80", "tcp://no-such-host.invalid:80: "),
        (lambda: "a" * 70 + ".example:80", "label"),
        (lambda: "unix:/no/such/socket", "no such file or directory .is the server running"),
        (lambda: "unix:/" + "x" * 200, "path too long"),
    ],
    ids=["refused", "unknown host", "impossible host", "no socket file", "path too long"],
)
def test_connect_failed(address: Callable[[], str], words: str) -> None:
    """A connection that cannot be made is one line: where, why and what to do."""
    with pytest.raises(ConnectFailed, match=words) as error:
        connect(address(), FRAMING, timeout=5)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, ConnectionError)


@pytest.mark.parametrize(
    "address",
    [
        *("", "localhost", "localhost:", "localhost:x", "localhost:65536", "localhost:-1", "localhost:٣"),
        *("::1:80", "http://host:80", "unix:", "unix://"),
        *(("localhost", 65536), ("localhost", -1)),
    ],
)
def test_bad_address(address: str | tuple[str, int]) -> None:
    """An address that cannot be read is an AddressError of one line, which is a ValueError."""
    with pytest.raises(AddressError) as error:
        connect(address, FRAMING)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:80", Address("localhost", 80)),
        ("tcp://127.0.0.1:80", Address("127.0.0.1", 80)),
        ("tls://example.org:443", Address("example.org", 443, tls=True)),
        ("[::1]:80", Address("::1", 80)),
        (":0", Address("", 0)),
        ("unix:/run/x.sock", Address(path="/run/x.sock")),
        ("unix:///run/x.sock", Address(path="/run/x.sock")),
        ("unix:@name", Address(path="@name")),
    ],
)
def test_address_forms(text: str, address: Address) -> None:
    """Every form of an address is read, and what `str` gives reads back the same."""
    assert Address.parse(text) == address
    assert Address.parse(str(address)) == address


def test_connect_timeout() -> None:
    """A listener whose queue is full lets the connect time out, and the message names the seconds."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with contextlib.ExitStack() as stack:

            def fill() -> None:
                for _ in range(20):
                    stack.enter_context(connect(listener.getsockname(), FRAMING, timeout=0.2))

            with pytest.raises(TimeoutExceeded, match=r"no connection within 0\.2 s"):
                fill()


def test_tls_not_trusted(start: Serve, server_tls: ssl.SSLContext) -> None:
    """A certificate of an authority that is not trusted is refused, with what to do."""
    server = start("selector", FRAMING, echo, tls=server_tls)
    with pytest.raises(ConnectFailed, match=r"certificate not trusted: .* \(give its authority"):
        connect(server.address, FRAMING)
    with connect(server.address, FRAMING, tls=client_context(verify=False)) as peer:
        assert peer.request(b"unchecked") == b"unchecked"


def test_tls_wrong_name(start: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """A certificate for another host is refused; `server_hostname` says which is meant."""
    server = start("selector", FRAMING, echo, tls=server_tls)
    with pytest.raises(ConnectFailed, match=r"certificate not trusted: .*example\.org"):
        connect(server.address, FRAMING, tls=client_tls, server_hostname="example.org")
    with connect(server.address, FRAMING, tls=client_tls, server_hostname="localhost") as peer:
        assert peer.request(b"x") == b"x"


def test_tls_to_a_plain_server(client_tls: ssl.SSLContext) -> None:
    """A server that speaks no TLS is told from one that is not trusted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(b"220 mail.example.org ready\r\n")
                sock.recv(1000)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(ConnectFailed, match="TLS handshake failed: WRONG_VERSION_NUMBER"):
            connect(listener.getsockname(), FRAMING, tls=client_tls)
        thread.join()


def test_tls_without_a_name(tmp_path: Path) -> None:
    """TLS over a Unix socket needs to be told the name to check."""
    with SelectorServer(f"unix:{tmp_path}/s", FRAMING, echo) as server:
        server.start()
        with pytest.raises(ConnectFailed, match="server_hostname"):
            connect(server.address, FRAMING, tls=True)


def test_ipv6(start: Serve) -> None:
    """IPv6 addresses work for both sides."""
    server = start("selector", FRAMING, echo, address="[::1]:0")
    assert str(server.address).startswith("tcp://[::1]:")
    with connect(str(server.address), FRAMING) as peer:
        assert peer.request(b"six") == b"six"


def test_unix(start: Serve, tmp_path: Path) -> None:
    """A Unix socket works, its file is there while the server is, and a stale one is replaced."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    assert path.is_socket()  # left behind, as by a server that was killed
    server = start("selector", FRAMING, echo, address=f"unix:{path}")
    with connect(f"unix:{path}", FRAMING) as peer:
        assert peer.request(b"x") == b"x"
    with pytest.raises(AddressError, match="another program listens"):
        start("selector", FRAMING, echo, address=f"unix:{path}")
    server.close()
    assert not path.exists()


def test_unix_file_of_a_successor(tmp_path: Path) -> None:
    """A server that ends leaves the socket file that a successor has put in its place."""
    path = tmp_path / "s"
    first = net.listen(Address(path=str(path)))
    path.unlink()
    second = net.listen(Address(path=str(path)))
    first.close()
    assert path.is_socket()
    path.unlink()
    second.close()


def test_unix_path_taken_by_a_file(tmp_path: Path) -> None:
    """A file that is no socket is never removed to listen there."""
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(AddressError, match="another program listens"):
        net.listen(Address(path=str(path)))
    assert path.read_text() == "data"


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
def test_abstract_unix(start: Serve, tmp_path: Path) -> None:
    """An abstract Unix name works and leaves no file."""
    name = f"unix:@cb-sockets-test-{tmp_path.name}-{tmp_path.parent.name}"
    start("selector", FRAMING, echo, address=name)
    with connect(name, FRAMING) as peer:
        assert peer.request(b"x") == b"x"


@pytest.mark.parametrize(
    ("address", "words"),
    [("192.0.2.1:0", "cannot"), ("no-such-host.invalid:0", "cannot"), ("a" * 70 + ":0", "no such host name")],
)
def test_cannot_listen(address: str, words: str) -> None:
    """An address that is not this machine's, or no address, is an AddressError."""
    with pytest.raises(AddressError, match=words):
        net.listen(Address.parse(address))


def test_describe() -> None:
    """An OS error is told in words, whatever it carries."""
    assert net.describe(ConnectionRefusedError(111, "Connection refused")) == "connection refused"
    assert net.describe(OSError("AF_UNIX path too long")) == "af_unix path too long"
    assert net.describe(TimeoutError()) == "timeouterror"


def test_iteration(pair: tuple[MessageSocket, socket.socket]) -> None:
    """Iterating yields messages until the peer ends cleanly; an end inside a message is an error."""
    client, theirs = pair
    theirs.sendall(FRAMING.encode_many([b"1", b"", b"3"]))
    theirs.shutdown(socket.SHUT_WR)
    assert list(client) == [b"1", b"", b"3"]
    assert list(client) == []
    with pytest.raises(PeerClosed, match="ended the connection") as end:
        client.recv()
    assert end.value.clean


def test_end_inside_a_message(pair: tuple[MessageSocket, socket.socket]) -> None:
    """An end inside a message raises IncompleteMessage with what came, after the whole messages, and again."""
    client, theirs = pair
    theirs.sendall(FRAMING.encode(b"whole") + b"\0\0\0\5ab")
    theirs.close()
    messages = iter(client)
    assert next(messages) == b"whole"
    with pytest.raises(IncompleteMessage) as error:
        next(messages)
    assert (error.value.partial, error.value.expected) == (b"\0\0\0\5ab", 9)
    with pytest.raises(IncompleteMessage):
        client.recv()


def test_oversize(pair: tuple[MessageSocket, socket.socket]) -> None:
    """A message above the limit is refused after those before it."""
    client, theirs = pair
    theirs.sendall(FRAMING.encode(b"whole") + b"\xff\xff\xff\xff")
    assert client.recv() == b"whole"
    for _ in range(2):
        with pytest.raises(MessageTooLarge):
            client.recv()


def test_reset(tcp_pair: tuple[MessageSocket, socket.socket]) -> None:
    """A reset is a PeerClosed that is not clean; iteration raises it."""
    client, theirs = tcp_pair
    theirs.sendall(FRAMING.encode(b"whole"))
    assert client.recv() == b"whole"
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    with pytest.raises(PeerClosed, match="reset") as end:
        list(client)
    assert not end.value.clean
    with pytest.raises(PeerClosed, match="lost while sending"):
        client.send(b"x")


def test_recv_timeout_keeps_what_came(pair: tuple[MessageSocket, socket.socket]) -> None:
    """After a timeout in the midst of a message nothing is lost: the next call goes on."""
    client, theirs = pair
    frame = FRAMING.encode(b"slowly")
    for byte in frame[:-1]:
        theirs.sendall(bytes([byte]))
        with pytest.raises(TimeoutExceeded, match=r"within 0\.01 s"):
            client.recv(timeout=0.01)
    theirs.sendall(frame[-1:])
    assert client.recv() == b"slowly"


def test_recv_without_waiting(pair: tuple[MessageSocket, socket.socket]) -> None:
    """With a timeout of 0 a message that is here is received; one that is not is a TimeoutExceeded."""
    client, theirs = pair
    with pytest.raises(TimeoutExceeded):
        client.recv(timeout=0)
    theirs.sendall(FRAMING.encode(b"one") + FRAMING.encode(b"two"))
    assert client.recv(timeout=0) == b"one"
    assert client.recv(timeout=0) == b"two"


def test_recv_timeout_is_for_the_message(pair: tuple[MessageSocket, socket.socket]) -> None:
    """A peer that sends a byte now and then does not prolong the timeout."""
    client, theirs = pair
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.02):
            theirs.sendall(b"\0")

    client._decoder = Fixed(10_000).decoder()
    thread = threading.Thread(target=drip)
    thread.start()
    with pytest.raises(TimeoutExceeded):
        client.recv(timeout=0.2)
    stop.set()
    thread.join()
    assert 0 < client._decoder.buffered < 1000


def test_no_timeout(pair: tuple[MessageSocket, socket.socket]) -> None:
    """None waits for as long as it takes."""
    client, theirs = pair
    timer = threading.Timer(0.1, theirs.sendall, [FRAMING.encode(b"late")])
    timer.start()
    assert client.recv(timeout=None) == b"late"
    timer.join()


def test_send_timeout(pair: tuple[MessageSocket, socket.socket]) -> None:
    """A peer that never reads makes `send` time out; the stream is out of step then, and says so every time."""
    client, _ = pair
    client.timeout = 0.1
    with pytest.raises(TimeoutExceeded, match=r"did not take the message within 0\.1 s") as error:
        client.send(b"x" * 10_000_000)
    with pytest.raises(TimeoutExceeded) as again:
        client.send(b"y")
    assert again.value is error.value


def test_one_sends_while_another_receives(start: Serve) -> None:
    """The time limits of a sending and a receiving thread do not disturb each other."""
    server = start("thread", FRAMING, echo)
    with connect(server.address, FRAMING, timeout=0.3) as peer:
        received: list[bytes] = []

        def receive() -> None:
            received.extend(peer.recv(timeout=None) for _ in range(2000))

        thread = threading.Thread(target=receive)
        thread.start()
        for number in range(2000):
            peer.send(b"%d" % number)
        thread.join(30)
        assert received == [b"%d" % number for number in range(2000)]


def test_wait_cut_short_by_the_other_direction(
    pair: tuple[MessageSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """White-box: where the other direction has shortened the socket's time-out, the wait begins again."""
    client, theirs = pair
    wait, waits = client._await, []

    def interfered(end: float | None, what: str) -> None:
        wait(end, what)
        waits.append(what)
        if len(waits) < 20:
            client.sock.settimeout(0 if len(waits) == 1 else 0.01)

    monkeypatch.setattr(client, "_await", interfered)
    timer = threading.Timer(0.1, theirs.sendall, [FRAMING.encode(b"late")])
    timer.start()
    assert client.recv() == b"late"
    timer.join()
    assert waits[:2] == ["recv", "recv"]
    waits.clear()
    theirs.settimeout(None)
    reader = threading.Timer(0.1, theirs.recv, [8 * 2**20, socket.MSG_WAITALL])
    reader.start()
    client.send(b"x" * (8 * 2**20 - 4))
    reader.join()
    assert len(waits) > 2


@pytest.mark.skipif(sys.platform != "linux", reason="the fault is injected by a socket filter")
def test_network_that_is_gone(tcp_pair: tuple[MessageSocket, socket.socket]) -> None:
    """A network that times out is a lost connection, not a wait to be taken up again, and never a clean end."""
    client, theirs = tcp_pair
    drop_all = struct.pack("HBBI", 0x06, 0, 0, 0)
    import ctypes

    code = ctypes.create_string_buffer(drop_all, len(drop_all))
    theirs.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", 1, ctypes.addressof(code)))
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 300)
    client.send(b"into the void")
    for _ in range(2):
        with pytest.raises(PeerClosed, match="timed out") as end:
            client.recv()
        assert not end.value.clean


def test_nothing_to_send(pair: tuple[MessageSocket, socket.socket]) -> None:
    """Sending no messages sends nothing; a generator of messages is sent as a list is."""
    client, theirs = pair
    client.send_many([])
    client.send_many(b"%d" % number for number in range(3))
    client.half_close()
    assert theirs.recv(100) == FRAMING.encode_many([b"0", b"1", b"2"])
    assert theirs.recv(100) == b""


def test_buffers(pair: tuple[MessageSocket, socket.socket]) -> None:
    """Any bytes-like object can be sent, small or large."""
    client, theirs = pair
    sender = threading.Thread(
        target=client.send_many, args=([memoryview(b"b" * 9000), b"", bytearray(b"a"), b"c" * 300_000],)
    )
    sender.start()
    with MessageSocket(theirs, FRAMING) as other:
        assert [other.recv() for _ in range(4)] == [b"b" * 9000, b"", b"a", b"c" * 300_000]
    sender.join()


def test_many_large_messages_at_once(pair: tuple[MessageSocket, socket.socket]) -> None:
    """More buffers than one system call takes, large and small, arrive in order."""
    client, theirs = pair
    messages = [b"%04d" % number * (3000 if number % 3 == 0 else 1) for number in range(1500)]
    sender = threading.Thread(target=client.send_many, args=(messages,))
    sender.start()
    with MessageSocket(theirs, FRAMING) as other:
        assert [other.recv() for _ in messages] == messages
    sender.join()


def test_refused_before_a_byte_is_sent(pair: tuple[MessageSocket, socket.socket]) -> None:
    """A message that cannot be framed is refused before a byte of its batch is sent; the connection goes on."""
    client, theirs = pair
    client.framing = LengthPrefixed(max_size=3)
    with pytest.raises(MessageTooLarge):
        client.send_many([b"a", b"four"])
    client.send(b"b")
    assert theirs.recv(100) == FRAMING.encode(b"b")


def test_half_close(pair: tuple[MessageSocket, socket.socket]) -> None:
    """After a half-close the peer's messages still come; sending is refused."""
    client, theirs = pair
    client.send(b"last")
    client.half_close()
    client.half_close()
    theirs.sendall(FRAMING.encode(b"answer"))
    assert client.recv() == b"answer"
    with pytest.raises(PeerClosed, match="this side has ended") as end:
        client.send(b"more")
    assert end.value.clean
    theirs.shutdown(socket.SHUT_WR)  # and the other way round
    assert list(client) == []


def test_abort(tcp_pair: tuple[MessageSocket, socket.socket]) -> None:
    """Aborting resets: the peer gets an error. Closing twice, or after that, is harmless."""
    client, theirs = tcp_pair
    client.abort()
    with pytest.raises(ConnectionResetError):
        theirs.recv(1)
    client.abort()
    client.close()
    client.close()


def test_close_sends_the_rest(tcp_pair: tuple[MessageSocket, socket.socket], until_eof: Any) -> None:
    """What was sent before `close` arrives."""
    client, theirs = tcp_pair
    client.send(b"x" * 100_000)
    client.close()
    assert until_eof(theirs) == FRAMING.encode(b"x" * 100_000)


def test_fixed_length_socket(start: Serve) -> None:
    """The class that tutorials teach, done right: whole messages of one size, any other refused."""
    server = start("selector", Fixed(8), bytes.upper)
    sock = FixedLengthSocket(8)
    with pytest.raises(ConnectFailed, match="call connect first"):
        sock.send(b"12345678")
    sock.close()
    sock.connect(server.address.host, server.address.port)
    sock.send(b"message1")
    assert sock.receive() == b"MESSAGE1"
    for wrong in (b"short", b"much too long"):
        with pytest.raises(InvalidMessage, match="frames of exactly 8"):
            sock.send(wrong)
    sock.send(b"message2")
    assert sock.receive() == b"MESSAGE2"
    sock.close()


def test_fixed_length_socket_over_a_ready_socket() -> None:
    """It takes a connected socket too, and tells how much of a cut message came."""
    ours, theirs = socket.socketpair()
    sock = FixedLengthSocket(4, ours)
    theirs.sendall(b"12")
    theirs.close()
    with pytest.raises(IncompleteMessage) as error:
        sock.receive()
    assert (error.value.partial, error.value.expected) == (b"12", 4)
    sock.close()


def test_one_base_class() -> None:
    """Every error is a SocketsError, and the built-in one that fits."""
    for error, builtin in (
        (AddressError("x"), ValueError),
        (ConnectFailed("x"), ConnectionError),
        (PeerClosed("x", clean=True), ConnectionError),
        (TimeoutExceeded("x"), TimeoutError),
        (InvalidMessage("x"), ValueError),
    ):
        assert isinstance(error, SocketsError)
        assert isinstance(error, builtin)
    assert issubclass(MessageTooLarge, FramingError)


def test_until_eof_client(pair: tuple[MessageSocket, socket.socket]) -> None:
    """With `UntilEOF` the whole stream is one message, then the end."""
    _, theirs = pair
    ours, other = socket.socketpair()
    with MessageSocket(ours, UntilEOF()) as client, other:
        other.sendall(b"all of ")
        other.sendall(b"it")
        other.close()
        assert client.recv() == b"all of it"
        with pytest.raises(PeerClosed):
            client.recv()
    theirs.close()
