"""What the chapter gets wrong, or what has changed since: for each, what is true, shown on real sockets."""

from __future__ import annotations

import errno
import selectors
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from cb_sockets import (
    Address,
    AddressError,
    Delimited,
    Fixed,
    FixedLengthSocket,
    IncompleteMessage,
    InvalidMessage,
    LengthPrefixed,
    MessageSocket,
    Raw,
    SelectorServer,
    ThreadServer,
    connect,
    echo,
)
from cb_sockets.transport import reset

LINE = Delimited()


def test_backlog_is_a_queue_not_a_limit_of_active_connections() -> None:
    """``listen(1)`` queues connections not accepted yet; accepted ones do not count."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        pairs = []
        for _ in range(10):
            client = socket.create_connection(listener.getsockname(), timeout=5)
            pairs += [client, listener.accept()[0]]
        assert len(pairs) == 20
        for sock in pairs:
            sock.close()


def test_the_limit_of_active_connections_is_the_servers(start: Callable[..., Any]) -> None:
    """What the chapter wanted of ``listen`` is `Limits.max_connections`."""
    from cb_sockets import Limits

    server = start("selector", LINE, echo, limits=Limits(max_connections=1))
    first = connect(server.address, LINE)
    assert first.request(b"1") == b"1"
    with connect(server.address, LINE) as second:
        second.send(b"2")
        first.close()
        assert second.recv() == b"2"


def test_an_accepted_socket_has_the_listeners_port() -> None:
    """No new port is assigned: the four addresses and ports together tell connections apart."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockname() == listener.getsockname()


def test_to_be_visible_bind_an_address_not_the_host_name() -> None:
    """The own host's name may stand for a loopback address; an empty host is every interface, and says so."""
    with SelectorServer(":0", LINE, echo) as server:
        assert server.address.host in ("0.0.0.0", "::")


def test_a_stray_quote_is_not_an_address() -> None:
    """The printed ``'`` is no host; the empty string was meant. The error names the forms."""
    with pytest.raises(AddressError, match="use HOST:PORT"):
        Address.parse("'")


def test_ports_have_five_digits_too() -> None:
    """Any port from 1024 to 65535 is free for all; one past the end is refused in words."""
    assert Address.parse("localhost:65535").port == 65535
    with pytest.raises(AddressError, match="not a number from 0 to 65535"):
        Address.parse("localhost:65536")


def test_a_server_restarts_at_once_on_its_port(kind: str, start: Callable[..., Any]) -> None:
    """The port is free again right after a server that had clients (SO_REUSEADDR), not two minutes later."""
    first = start(kind, LINE, echo)
    with connect(first.address, LINE) as peer:
        assert peer.request(b"x") == b"x"
        first.close()
    second = start(kind, LINE, echo, address=f"127.0.0.1:{first.address.port}")
    with connect(second.address, LINE) as peer:
        assert peer.request(b"y") == b"y"


def test_fixed_length_socket_works_as_a_class() -> None:
    """The printed class has its methods outside of it and does not even compile; ours has all three."""
    left, right = socket.socketpair()
    one, other = FixedLengthSocket(4, left), FixedLengthSocket(4, right)
    one.send(b"abcd")
    assert other.receive() == b"abcd"
    one.close()
    other.close()


@pytest.mark.parametrize("message", [b"1234567", b"123456789"])
def test_a_message_of_the_wrong_size_is_never_sent(message: bytes) -> None:
    """Too short or too long: refused, and the stream stays in step."""
    left, right = socket.socketpair()
    with MessageSocket(left, Fixed(8)) as one, MessageSocket(right, Fixed(8)) as other:
        with pytest.raises(InvalidMessage):
            one.send(message)
        one.send(b"12345678")
        assert other.recv() == b"12345678"


def test_a_lost_connection_keeps_what_had_come() -> None:
    """Not a RuntimeError that drops the partial message, but a typed error that carries it."""
    left, right = socket.socketpair()
    with MessageSocket(right, LengthPrefixed()) as peer:
        left.sendall(b"\0\0\0\x05he")
        left.close()
        with pytest.raises(IncompleteMessage) as info:
            peer.recv()
    assert info.value.partial == b"\0\0\0\x05he"


def test_one_reset_client_does_not_end_the_server(kind: str, start: Callable[..., Any]) -> None:
    """A client that resets in mid-message leaves the others alone."""
    server = start(kind, LINE, echo)
    bad = socket.create_connection((server.address.host, server.address.port), timeout=5)
    bad.sendall(b"half a mess")
    reset(bad)
    bad.close()
    with connect(server.address, LINE) as peer:
        assert peer.request(b"still there") == b"still there"


def test_shutdown_of_a_lost_connection_is_no_error() -> None:
    """Closing after the peer has reset does not raise ENOTCONN."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = connect(listener.getsockname(), LINE)
        accepted, _ = listener.accept()
        reset(accepted)
        accepted.close()
        peer.close()
        assert peer.sock.fileno() == -1


def test_the_end_of_the_stream_ends_the_client(command: Callable[..., Any]) -> None:
    """A server that goes away ends the client with one line and status 1, not an endless loop over ``b''``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        child = subprocess.Popen(
            [sys.executable, "-m", "cb_sockets", "send", f"{host}:{port}", "hello"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        accepted, _ = listener.accept()
        assert accepted.recv(6) == b"hello\n"
        accepted.close()
        out, words = child.communicate(timeout=30)
    assert (child.returncode, out) == (1, b"")
    assert words == b"cb-sockets: peer closed the connection after 0 replies to 1 messages\n"


def test_words_go_to_stderr_and_data_to_stdout(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """Not ``print(sys.stderr, ...)``, which prints the stream object into the data; and no ``b'...'`` around it."""
    server = serving("serve", "echo")
    done = command("send", server.address, "data")
    assert done.stdout == b"data\n"
    assert b"TextIOWrapper" not in done.stdout + done.stderr
    assert b"b'" not in done.stdout


def test_the_package_runs_with_bytes_warnings_as_errors() -> None:
    """``'"%s"' % data`` is an error under ``-bb``; nothing here formats bytes as text."""
    script = "import cb_sockets as c; print(repr(c.LengthPrefixed().encode(b'x')), c.IncompleteMessage(b'', 1))"
    done = subprocess.run([sys.executable, "-bb", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_second_chunk_ends_with_a_space() -> None:
    """The printed output lost a space: 16 bytes are ``age. It will be `` with it, and ``repeated.`` has 9."""
    chunks = Raw(16).decoder().feed(b"This is the message. It will be repeated.")
    assert chunks[1:] == [b"age. It will be ", b"repeated."]


def test_the_thread_server_has_threads() -> None:
    """The chapter's server takes one client at a time; two are served at once here."""
    with ThreadServer("127.0.0.1:0", LINE, echo) as server:
        server.start()
        with connect(server.address, LINE) as one, connect(server.address, LINE) as other:
            assert other.request(b"second") == b"second"
            assert one.request(b"first") == b"first"


def test_a_read_size_is_not_a_message_boundary() -> None:
    """What ``recv(16)`` returns depends on how bytes arrive; `Fixed` (16) does not."""
    raw, fixed = Raw(16).decoder(), Fixed(16).decoder()
    pieces = [b"0123456789", b"abcdefghij", b"ABCDEFGHIJKL"]
    assert [message for piece in pieces for message in raw.feed(piece)] == pieces
    assert [len(message) for piece in pieces for message in fixed.feed(piece)] == [16, 16]


def test_close_alone_ends_the_peers_stream() -> None:
    """A vanished process does not hang its peer: the kernel closes. Only a lost host or path does, hence time-outs."""
    left, right = socket.socketpair()
    left.close()
    with right:
        assert right.recv(1) == b""


def test_an_unclosed_socket_is_a_warning_not_a_way_to_disconnect() -> None:
    """Garbage collection closes, with a ResourceWarning; `with` closes in time."""
    script = "import socket; a, b = socket.socketpair(); del a; print(b.recv(1)); b.close()"
    done = subprocess.run([sys.executable, "-W", "always", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "b''\n"
    assert "ResourceWarning" in done.stderr


def test_more_than_1024_descriptors(start: Callable[..., Any], eventually: Callable[..., None]) -> None:
    """``select`` on lists ends at descriptor 1023; the selector server does not."""
    server = start("selector", LINE, echo)
    clients = [socket.create_connection((server.address.host, server.address.port), timeout=5) for _ in range(600)]
    try:
        eventually(lambda: server.connections == 600)
        assert max(server._connections) > 1023
        last = MessageSocket(clients[-1], LINE)
        assert last.request(b"hello") == b"hello"
    finally:
        for client in clients:
            client.close()


def test_writable_does_not_mean_connected() -> None:
    """A refused connection is writable too; SO_ERROR tells. `connect` reports it as what it is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with socket.socket() as sock, selectors.DefaultSelector() as selector:
            sock.setblocking(False)
            assert sock.connect_ex(free.getsockname()) == errno.EINPROGRESS
            selector.register(sock, selectors.EVENT_WRITE)
            assert [events for _, events in selector.select(5)] == [selectors.EVENT_WRITE]
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
        with pytest.raises(ConnectionError, match="connection refused"):
            connect(free.getsockname(), LINE)


def test_non_blocking_calls_raise_when_there_is_nothing() -> None:
    """They do not return "without having done anything": they raise BlockingIOError."""
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        with pytest.raises(BlockingIOError):
            left.recv(1)


def test_ipv6_time_out_and_close_come_with_connect(start: Callable[..., Any]) -> None:
    """Not AF_INET only, without a time-out and never closed: all three are `connect`'s own."""
    server = start("selector", LINE, echo, address="[::1]:0")
    with connect(server.address, LINE, timeout=5) as peer:
        assert peer.sock.family == socket.AF_INET6
        assert peer.request(b"six") == b"six"


def test_recv_returns_what_is_there() -> None:
    """``recv`` does not wait for the buffer to be "emptied" or filled: any data will do."""
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"ab")
        assert right.recv(4096) == b"ab"
