"""The asyncio client, and what only the asyncio server has. The rest of the server is tested with the other two."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from cb_sockets import (
    AddressError,
    ConnectFailed,
    IncompleteMessage,
    LengthPrefixed,
    MessageTooLarge,
    PeerClosed,
    SocketsError,
    TimeoutExceeded,
    UntilEOF,
    aio,
    echo,
    per_connection,
)

Serve = Callable[..., Any]
FRAMING = LengthPrefixed()


def run(main: Any) -> Any:
    """Run a coroutine to its end."""
    return asyncio.run(main)


@contextlib.asynccontextmanager
async def pair(**options: Any) -> AsyncIterator[tuple[aio.AsyncMessageSocket, socket.socket]]:
    """A client, and the bare other end of its connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = await aio.connect(listener.getsockname(), options.pop("framing", FRAMING), **options)
        theirs, _ = listener.accept()
    with theirs:
        theirs.settimeout(10)
        try:
            yield client, theirs
        finally:
            client.abort()
            await client.close()


def test_request_and_iteration(start: Serve, tmp_path: Any) -> None:
    """Requests, batches, half-close and iteration, over TCP and Unix sockets, with any server."""

    async def main() -> None:
        for address in ("127.0.0.1:0", f"unix:{tmp_path}/s"):
            server = start("selector", FRAMING, echo, address=address)
            async with await aio.connect(server.address, FRAMING) as peer:
                assert await peer.request(b"x") == b"x"
                await peer.send_many([])
                await peer.send_many(b"%d" % number for number in range(100))
                peer.half_close()
                assert [message async for message in peer] == [b"%d" % number for number in range(100)]

    run(main())


def test_aio_on_both_sides() -> None:
    """A server and its clients in one event loop, with a handler that awaits; large messages too."""

    async def handler(message: bytes) -> bytes | None:
        await asyncio.sleep(0)
        return None if message == b"quiet" else message.upper()

    async def main() -> None:
        async with await aio.serve("127.0.0.1:0", FRAMING, handler) as server:
            assert server.address.port
            async with await aio.connect(server.address, FRAMING) as peer:
                await peer.send_many([b"a", b"quiet", b"b" * 3_000_000, b"c"])
                assert [await peer.recv() for _ in range(3)] == [b"A", b"B" * 3_000_000, b"C"]
                peer.half_close()
                assert [message async for message in peer] == []

    run(main())


def test_a_peer_is_not_read_while_its_handler_works() -> None:
    """While a coroutine handler works, its peer's next messages wait, and are answered in order."""

    async def main() -> None:
        go_on = asyncio.Event()
        seen: list[bytes] = []

        async def handler(message: bytes) -> bytes:
            seen.append(message)
            if message == b"1":
                await go_on.wait()
            return message

        async with (
            await aio.serve("127.0.0.1:0", FRAMING, handler) as server,
            await aio.connect(server.address, FRAMING) as peer,
            await aio.connect(server.address, FRAMING) as other,
        ):
            await peer.send(b"1")
            assert await other.request(b"other") == b"other"
            await peer.send_many([b"2", b"3"])
            peer.half_close()
            assert await other.request(b"again") == b"again"
            assert b"2" not in seen
            go_on.set()
            assert [message async for message in peer] == [b"1", b"2", b"3"]

    run(main())


def test_coroutine_handlers_of_every_kind(caplog: pytest.LogCaptureFixture) -> None:
    """Objects with an async ``__call__``, and factories of coroutine functions; one that raises ends its connection."""

    class Counter:
        async def __call__(self, message: bytes) -> bytes:
            if message == b"bad":
                raise RuntimeError("a bug in the coroutine")
            return message * 2

    async def main() -> None:
        handlers: list[Any] = [Counter(), per_connection(lambda _: Counter())]
        for handler in handlers:
            async with (
                await aio.serve("127.0.0.1:0", FRAMING, handler) as server,
                await aio.connect(server.address, FRAMING) as peer,
            ):
                await peer.send_many([b"1", b"bad", b"2"])
                assert [message async for message in peer] == [b"11"]

    run(main())
    assert caplog.text.count("RuntimeError: a bug in the coroutine") == 2


def test_peer_gone_while_its_handler_works() -> None:
    """A handler whose peer resets is cancelled."""

    async def main() -> None:
        begun, cancelled = asyncio.Event(), asyncio.Event()

        async def handler(_: bytes) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        async with await aio.serve("127.0.0.1:0", FRAMING, handler) as server:
            async with await aio.connect(server.address, FRAMING) as peer:
                await peer.send(b"x")
                await begun.wait()
                peer.abort()
            await server.drain(0.2, grace=0)
            # Reading stands still while a handler works: the reset is seen where there is something to write.
            assert server.cut in {0, 1}
        await asyncio.wait_for(cancelled.wait(), 5)

    run(main())


def test_refused_messages(start: Serve) -> None:
    """A message that cannot be framed is refused and nothing of its batch is sent."""

    async def main() -> None:
        async with pair(framing=LengthPrefixed(max_size=3)) as (client, theirs):
            with pytest.raises(MessageTooLarge):
                await client.send_many([b"a", b"four"])
            await client.send(b"b")
            assert theirs.recv(100) == FRAMING.encode(b"b")

    run(main())


@pytest.mark.parametrize(
    ("stream", "error", "words"),
    [
        (b"\0\0\0\5ab", IncompleteMessage, "ended inside a message"),
        (b"\xff\xff\xff\xff", MessageTooLarge, "exceeds the limit"),
    ],
)
def test_framing_errors(stream: bytes, error: type[Exception], words: str) -> None:
    """Whole messages come before the error, and the error stays."""

    async def main() -> None:
        async with pair() as (client, theirs):
            theirs.sendall(FRAMING.encode(b"whole") + stream)
            theirs.shutdown(socket.SHUT_WR)
            assert await client.recv() == b"whole"
            for _ in range(2):
                with pytest.raises(error, match=words):
                    await client.recv()

    run(main())


def test_reset() -> None:
    """A reset by the peer is a PeerClosed that is not clean, for receiving, iterating and sending."""

    async def main() -> None:
        async with pair() as (client, theirs):
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            theirs.close()
            with pytest.raises(PeerClosed, match="connection lost") as end:
                await client.recv()
            assert not end.value.clean
            with pytest.raises(PeerClosed):
                _ = [message async for message in client]
            with pytest.raises(PeerClosed, match="closed"):
                await client.send(b"x")

    run(main())


def test_abort_resets() -> None:
    """`abort` gives the peer an error; `close` the end of the stream after all that was sent."""

    async def main() -> None:
        async with pair() as (client, theirs):
            client.abort()
            with pytest.raises(PeerClosed):
                await client.recv()
            with pytest.raises(ConnectionResetError):
                theirs.recv(1)
        async with pair() as (client, theirs):
            await client.send(b"last")
            await client.close()
            assert theirs.recv(100) == FRAMING.encode(b"last")
            assert theirs.recv(100) == b""

    run(main())


def test_recv_timeout() -> None:
    """A timeout loses nothing; it is for the message, not for a read of some of it; a cancelled call loses nothing."""

    async def main() -> None:
        async with pair(timeout=0.05) as (client, theirs):
            frame = FRAMING.encode(b"x" * 300)
            with pytest.raises(TimeoutExceeded, match=r"within 0\.05 s"):
                await client.recv()
            dripped = 0

            async def drip() -> None:
                nonlocal dripped
                while True:
                    theirs.sendall(frame[dripped : dripped + 1])
                    dripped += 1
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(client._closed.wait(), 0.02)

            dripping = asyncio.create_task(drip())
            with pytest.raises(TimeoutExceeded, match=r"within 0\.5 s"):
                await client.recv(timeout=0.5)
            dripping.cancel()
            assert 1 < dripped < 100
            receiving = asyncio.create_task(client.recv(timeout=None))
            await asyncio.wait([receiving], timeout=0.01)
            receiving.cancel()
            theirs.sendall(frame[dripped:])
            assert await client.recv(timeout=5) == b"x" * 300

    run(main())


def test_peer_that_never_reads() -> None:
    """A peer that never reads makes `send` time out, and `close` ends all the same."""

    async def main() -> None:
        async with pair(timeout=0.1) as (client, _):
            with pytest.raises(TimeoutExceeded, match="did not take"):
                await client.send(b"x" * 10_000_000)
            await client.close()

    run(main())


def test_close_right_after_accept() -> None:
    """White-box: connections accepted in the instant of the close leave no socket open."""

    async def main() -> None:
        server = await aio.serve("127.0.0.1:0", FRAMING, echo)
        with socket.create_connection((server.address.host, server.address.port), 5) as sock:
            assert server._accept()
            assert len(server._unopened) == 1
            await server.close()
            assert server._unopened == set()
            assert sock.recv(1) == b""

    run(main())


def test_peer_that_reads_late() -> None:
    """A send that waits for room goes on when the peer reads."""

    async def main() -> None:
        async with pair() as (client, theirs):
            sending = asyncio.create_task(client.send(b"x" * 10_000_000))
            await asyncio.wait([sending], timeout=0.05)
            assert not sending.done()
            theirs.setblocking(False)
            received = 0
            while received < 10_000_004:
                received += len(await asyncio.get_running_loop().sock_recv(theirs, 1_000_000))
            await sending

    run(main())


def test_connection_lost_while_sending() -> None:
    """A send that waits for room learns that the connection is lost."""

    async def main() -> None:
        async with pair() as (client, theirs):
            sending = asyncio.create_task(client.send(b"x" * 10_000_000))
            await asyncio.wait([sending], timeout=0.05)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            theirs.close()
            with pytest.raises(PeerClosed, match="lost while sending"):
                await sending

    run(main())


def test_receiving_is_bounded() -> None:
    """A client that does not receive is not sent more than it can hold: reading pauses, and goes on later."""

    async def main() -> None:
        async with pair() as (client, theirs):
            frames = FRAMING.encode_many([b"%05d" % number * 20_000 for number in range(300)])
            sender = threading.Thread(target=theirs.sendall, args=(frames,))
            theirs.settimeout(30)
            sender.start()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client._closed.wait(), 0.2)
            assert client._held < 4 * 2**20
            for number in range(300):
                assert await client.recv() == b"%05d" % number * 20_000
            sender.join()

    run(main())


def test_connect_errors(tmp_path: Any, start: Serve, server_tls: ssl.SSLContext) -> None:
    """Connections that cannot be made give the same one line as the blocking client's."""
    tls_server = start("selector", FRAMING, echo, tls=server_tls)

    async def main() -> None:
        with pytest.raises(ConnectFailed, match="no such file"):
            await aio.connect(f"unix:{tmp_path}/none", FRAMING)
        with pytest.raises(AddressError):
            await aio.connect("nowhere", FRAMING)
        with pytest.raises(ConnectFailed, match="certificate not trusted"):
            await aio.connect(tls_server.address, FRAMING)
        with (
            socket.create_server(("127.0.0.1", 0)) as silent,
            pytest.raises(TimeoutExceeded, match=r"no connection within 0\.1 s"),
        ):
            await aio.connect(silent.getsockname(), FRAMING, tls=True, timeout=0.1)

    run(main())


def test_tls_client(start: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """Messages over TLS; asyncio has no half-close there and says so; a clean end is clean."""

    async def main() -> None:
        for kind in ("selector", "thread", "aio"):
            server = start(kind, FRAMING, echo, tls=server_tls)
            async with await aio.connect(server.address, FRAMING, tls=client_tls) as peer:
                assert await peer.request(b"x" * 100_000) == b"x" * 100_000
                with pytest.raises(SocketsError, match="no half-close over TLS"):
                    peer.half_close()
                server.drain(5, grace=0)
                assert [message async for message in peer] == []
            server = start(kind, FRAMING, echo, tls=server_tls)
            async with await aio.connect(server.address, FRAMING, tls=client_tls) as peer:
                assert await peer.request(b"x") == b"x"
            with pytest.raises(PeerClosed):
                await peer.recv()

    run(main())


@pytest.mark.parametrize("goodbye", [True, False])
def test_tls_stream_that_was_cut(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, goodbye: bool) -> None:
    """The asyncio client tells a TLS stream that ended from one that was cut, which asyncio does not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve_half() -> None:
            sock, _ = listener.accept()
            with server_tls.wrap_socket(sock, server_side=True) as tls:
                tls.sendall(b"half")
                if goodbye:
                    with contextlib.suppress(OSError):
                        tls.unwrap()
                tls.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve_half)
        thread.start()

        async def main() -> bytes:
            async with await aio.connect(listener.getsockname(), UntilEOF(), tls=client_tls) as peer:
                return await peer.recv()

        if goodbye:
            assert run(main()) == b"half"
        else:
            with pytest.raises(PeerClosed, match="without TLS's goodbye") as end:
                run(main())
            assert not end.value.clean
        thread.join()


def test_serve_forever_and_cancel() -> None:
    """`serve_forever` returns after `drain`; cancelling it closes the server."""

    async def main() -> None:
        server = await aio.serve("127.0.0.1:0", FRAMING, echo)
        serving = asyncio.create_task(server.serve_forever())
        async with await aio.connect(server.address, FRAMING) as peer:
            assert await peer.request(b"x") == b"x"
            drains = [asyncio.create_task(server.drain(5, grace=0)), asyncio.create_task(server.drain(5))]
            assert [message async for message in peer] == []
        assert [await drain for drain in drains] == [0, 0]
        await serving
        server = await aio.serve("127.0.0.1:0", FRAMING, echo)
        serving = asyncio.create_task(server.serve_forever())
        async with await aio.connect(server.address, FRAMING) as peer:
            assert await peer.request(b"x") == b"x"
            serving.cancel()
            with pytest.raises(PeerClosed):
                await peer.recv()
        with pytest.raises(asyncio.CancelledError):
            await serving

    run(main())


def test_uvloop() -> None:
    """Server and client run on uvloop as they do on asyncio's own loop, ends and cuts included."""
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")

    async def main() -> None:
        async with await aio.serve("127.0.0.1:0", FRAMING, echo) as server:
            async with await aio.connect(server.address, FRAMING) as peer:
                await peer.send_many([b"a", b"b" * 1_000_000])
                peer.half_close()
                assert [len(message) async for message in peer] == [1, 1_000_000]
            idle = await aio.connect(server.address, FRAMING)
            begun = await aio.connect(server.address, FRAMING)
            assert await idle.request(b"x") == await begun.request(b"x") == b"x"
            begun._transport.write(b"\0")
            drain = asyncio.create_task(server.drain(0.3, grace=0))
            assert [message async for message in idle] == []
            await idle.close()
            with pytest.raises(PeerClosed, match="connection lost"):
                await begun.recv()
            await begun.close()
            assert await drain == 1

    uvloop.run(main())
