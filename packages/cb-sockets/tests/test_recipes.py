"""The chapter's recipes, in its order, each through the library and through the command."""

from __future__ import annotations

import shlex
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from cb_sockets import (
    Delimited,
    Fixed,
    FixedLengthSocket,
    IncompleteMessage,
    InvalidMessage,
    LengthPrefixed,
    MessageSocket,
    PeerClosed,
    Raw,
    SelectorServer,
    ThreadServer,
    UntilEOF,
    connect,
    echo,
)

SENTENCE = b"This is the message. It will be repeated."


def test_client_socket(start: Callable[..., Any]) -> None:
    """7.1 client socket: a client connects, makes one exchange, and is closed at the end of the block."""
    server = start("selector", Delimited(), echo)
    with connect(server.address, Delimited()) as peer:
        assert peer.request(b"GET /") == b"GET /"
    assert peer.sock.fileno() == -1


def test_client_socket_command(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """7.1 client socket: ``send`` is the client on the command line."""
    server = serving("serve", "echo")
    done = command("send", server.address, "GET /")
    assert (done.returncode, done.stdout) == (0, b"GET /\n")


def test_server_socket_tells_its_port() -> None:
    """7.1 server socket, bind, backlog: a server on port 0 listens at once on a free port, and says which."""
    with ThreadServer("127.0.0.1:0", Delimited(), echo) as server:
        assert server.address.port >= 1024
        with socket.create_connection((server.address.host, server.address.port), timeout=5):
            pass


def test_accept_loop_serves_clients_side_by_side(start: Callable[..., Any]) -> None:
    """7.1 accept loop with a handler: a handler that blocks for one client does not keep another one waiting."""
    release = threading.Event()

    def handler(message: bytes) -> bytes:
        if message == b"slow":
            assert release.wait(10)
        return message

    server = start("thread", Delimited(), handler)
    with connect(server.address, Delimited()) as slow, connect(server.address, Delimited()) as quick:
        slow.send(b"slow")
        assert quick.request(b"quick") == b"quick"
        release.set()
        assert slow.recv() == b"slow"


def test_accept_loop_command(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """7.1 accept loop with a handler: ``serve --exec`` answers each message with what a command makes of it."""
    upper = f'{shlex.quote(sys.executable)} -c "import sys; sys.stdout.write(sys.stdin.read().upper())"'
    server = serving("serve", "--exec", upper)
    assert command("send", server.address, "a", "b").stdout == b"A\nB\n"


def test_send_and_receive_whole_messages() -> None:
    """7.2 send and receive loops.

    What one side sends in three pieces, the other receives as one message; nothing is left to loop over.
    """
    left, right = socket.socketpair()
    with left, MessageSocket(right, LengthPrefixed(width=2)) as peer:
        for piece in (b"\x00", b"\x05he", b"llo"):
            left.sendall(piece)
        assert peer.recv() == b"hello"


def test_fixed_length_messages(start: Callable[..., Any]) -> None:
    """7.2 fixed length: eight bytes in, eight bytes out; any other size is refused before a byte of it is sent."""
    server = start("selector", Fixed(8), echo)
    peer = FixedLengthSocket(8)
    peer.connect(server.address.host, server.address.port)
    with pytest.raises(InvalidMessage, match="7 bytes does not fit frames of exactly 8"):
        peer.send(b"1234567")
    peer.send(b"12345678")
    assert peer.receive() == b"12345678"
    peer.close()


def test_fixed_length_command(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """7.2 fixed length: ``--frame fixed:16`` carries messages of 16 bytes and refuses others with status 3."""
    server = serving("serve", "echo", "--frame", "fixed:16")
    assert command("send", server.address, "--frame", "fixed:16", "exactly 16 bytes").stdout == b"exactly 16 bytes\n"
    assert command("send", server.address, "--frame", "fixed:16", "short").returncode == 3


def test_delimited_messages(start: Callable[..., Any]) -> None:
    """7.2 delimited: ``a``, newline, ``b``, newline are the messages ``a`` and ``b``."""
    assert Delimited(b"\n").decoder().feed(b"a\nb\n") == [b"a", b"b"]
    server = start("selector", Delimited(b"\r\n"), echo)
    with connect(server.address, Delimited(b"\r\n")) as peer:
        peer.send_many([b"a", b"b"])
        assert [peer.recv(), peer.recv()] == [b"a", b"b"]


@pytest.mark.parametrize("frame", ["line", "crlf", "null", "delim:7c7c"])
def test_delimited_command(command: Callable[..., Any], serving: Callable[..., Any], frame: str) -> None:
    """7.2 delimited: every delimiter of the command carries messages."""
    server = serving("serve", "echo", "--frame", frame)
    assert command("send", server.address, "--frame", frame, "a", "b").stdout == b"a\nb\n"


def test_length_told_first() -> None:
    """7.2 length told first: a two-byte big-endian length leads: 00 02 68 69 is ``hi``."""
    assert LengthPrefixed(width=2).decoder().feed(bytes.fromhex("00026869")) == [b"hi"]


@pytest.mark.parametrize("frame", ["len:2be", "len:1", "len:3le", "len:8be", "len:4be-4"])
def test_length_told_first_command(command: Callable[..., Any], serving: Callable[..., Any], frame: str) -> None:
    """7.2 length told first: the same on the command line, for several widths and byte orders."""
    server = serving("serve", "echo", "--frame", frame)
    assert command("send", server.address, "--frame", frame, "hi").stdout == b"hi\n"


def test_message_ended_by_shutdown(start: Callable[..., Any]) -> None:
    """7.2 ended by shutdown.

    With `UntilEOF` the whole stream is one message, ended by the half-close, and so is the reply.
    """
    server = start("selector", UntilEOF(), bytes.upper)
    with connect(server.address, UntilEOF()) as peer:
        peer.send(SENTENCE)
        peer.half_close()
        assert list(peer) == [SENTENCE.upper()]


def test_message_ended_by_shutdown_command(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """7.2 ended by shutdown: ``--frame eof`` half-closes after the message by itself."""
    server = serving("serve", "echo", "--frame", "eof")
    done = command("send", server.address, "--frame", "eof", "--in", "eof", "--out", "eof", stdin=b"one\ntwo")
    assert done.stdout == b"one\ntwo"


def test_half_close_delivers_the_rest(start: Callable[..., Any]) -> None:
    """7.3 disconnecting: after ``shutdown`` of our side, replies still come; then the stream ends."""
    server = start("selector", Delimited(), echo)
    with connect(server.address, Delimited()) as peer:
        peer.send_many([b"1", b"2"])
        peer.half_close()
        assert list(peer) == [b"1", b"2"]
        with pytest.raises(PeerClosed):
            peer.send(b"3")


def test_close_and_abort_look_different_to_the_peer() -> None:
    """7.3 disconnecting: `close` ends the peer's stream cleanly; `abort` is an error there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for end, clean in (("close", True), ("abort", False)):
            client = connect(listener.getsockname(), Delimited())
            accepted, _ = listener.accept()
            with MessageSocket(accepted, Delimited()) as server:
                getattr(client, end)()
                with pytest.raises(PeerClosed) as info:
                    server.recv()
                assert info.value.clean is clean


def test_disconnecting_command(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """7.3 disconnecting.

    ``send --half-close --replies eof`` says that nothing follows and prints what is still to come.
    """
    server = serving("serve", "echo")
    done = command("send", server.address, "--half-close", "--replies", "eof", "1", "2")
    assert (done.returncode, done.stdout) == (0, b"1\n2\n")


@pytest.mark.parametrize("server_class", [SelectorServer, ThreadServer])
def test_echo_server_in_chunks(server_class: Any) -> None:
    """7.4 echo server.

    Read 16 bytes at a time, a sentence that arrives whole comes as 16, 16 and 9 bytes, and goes back whole.
    """
    assert Raw(16).decoder().feed(SENTENCE) == [b"This is the mess", b"age. It will be ", b"repeated."]
    with server_class("127.0.0.1:0", Raw(16), echo) as server:
        server.start()
        with connect(server.address, Raw()) as peer:
            peer.send(SENTENCE)
            peer.half_close()
            assert b"".join(peer) == SENTENCE


def test_echo_server_command_shows_what_it_does(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """7.4 echo server: ``serve echo -v`` tells of each connection and each chunk, on stderr."""
    server = serving("serve", "echo", "--frame", "raw:16", "-v")
    done = command("send", server.address, "--frame", "raw:16", "--out", "raw", SENTENCE.decode())
    assert (done.returncode, done.stdout) == (0, SENTENCE)
    server.stop()
    assert "connection from 127.0.0.1:" in server.log
    for chunk in ("16 bytes: b'This is the mess'", "16 bytes: b'age. It will be '", "9 bytes: b'repeated.'"):
        assert f"received {chunk}" in server.log


def test_echo_client_command(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """7.4 echo client: the client prints the whole 41-byte reply; its status goes to stderr."""
    server = serving("serve", "echo")
    done = command("send", server.address, SENTENCE.decode())
    assert done.stdout == SENTENCE + b"\n"
    assert done.stderr == b"cb-sockets: sent 1 messages (41 bytes), received 1 (41 bytes)\n"


def test_echo_client(start: Callable[..., Any]) -> None:
    """7.4 echo client: one request is one call, however many reads it takes."""
    server = start("selector", LengthPrefixed(), echo)
    with connect(server.address, LengthPrefixed()) as peer:
        assert peer.request(SENTENCE * 10_000) == SENTENCE * 10_000


def test_many_clients_in_one_thread(start: Callable[..., Any]) -> None:
    """7.5 non-blocking, many clients: one thread waits for all its clients at once, and answers whoever is ready."""
    seen: set[int] = set()

    def handler(message: bytes) -> bytes:
        seen.add(threading.get_ident())
        return message

    server = start("selector", Delimited(), handler)
    peers = [connect(server.address, Delimited()) for _ in range(100)]
    for number, peer in reversed(list(enumerate(peers))):
        peer.send(b"%d" % number)
    assert [peer.recv() for peer in peers] == [b"%d" % number for number in range(100)]
    assert len(seen) == 1
    for peer in peers:
        peer.close()


@pytest.mark.parametrize("mode", ["select", "thread", "asyncio"])
def test_many_clients_command(command: Callable[..., Any], serving: Callable[..., Any], mode: str) -> None:
    """7.5 non-blocking, many clients.

    Every mode of ``serve`` answers fifty clients at once; ``bench`` compares each reply.
    """
    server = serving("serve", "echo", "--mode", mode)
    done = command("bench", server.address, "-c", "50", "--seconds", "0.2", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert b'"connections": 50' in done.stdout


def test_a_broken_message_is_an_error_with_its_bytes() -> None:
    """7.2 send and receive loops: where the stream ends inside a message, what had come is in the error."""
    left, right = socket.socketpair()
    with MessageSocket(right, Fixed(8)) as peer:
        left.sendall(b"1234")
        left.close()
        with pytest.raises(IncompleteMessage) as info:
            peer.recv()
    assert (info.value.partial, info.value.expected) == (b"1234", 8)
