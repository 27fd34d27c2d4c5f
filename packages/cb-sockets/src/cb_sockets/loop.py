"""Many connections in one thread: the server that waits for all of them at once.

The hot path is `_readable`: one read, all messages in it, one handler call, one write. Whatever the socket does not
take at once waits in ``out``; while that is more than ``high_water``, the peer is not read. A handler runs in the
loop's thread: one that waits for anything belongs into `ThreadServer` or ``aio``.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Callable

from cb_sockets import proxy
from cb_sockets.decoders import Buffer, Decoder
from cb_sockets.errors import FramingError
from cb_sockets.framing import Framing
from cb_sockets.handlers import Handler, HandlerFailed, Limits, Process, bind, per_connection
from cb_sockets.net import Address
from cb_sockets.poller import READ, WRITE
from cb_sockets.server import Server, Wait
from cb_sockets.transport import (
    BIG,
    Outgoing,
    end_output,
    frame_parts,
    receive,
    receive_records,
    reset,
    wrap_accepted,
)

__all__ = ["SelectorServer"]

log: logging.Logger = logging.getLogger("cb_sockets")

_POLL_MOST = 1000  # epoll tells of 1023 sockets at once


class _Connection:
    """One peer. ``step`` is what to do when it is readable: PROXY header, TLS handshake, messages, or discard."""

    __slots__ = ("closing", "decoder", "fresh", "head", "mask", "out", "partial", "process", "since", "sock", "step")

    def __init__(
        self, sock: socket.socket, decoder: Decoder, since: float, step: Callable[[_Connection], None]
    ) -> None:
        self.sock = sock
        self.decoder = decoder
        self.since = since
        self.step = step
        self.process: Process | None = None  # None until the PROXY header and the TLS handshake are behind us
        self.out: Outgoing | None = None
        self.head: bytearray | None = None
        self.mask = READ
        self.partial = False
        self.fresh = True
        self.closing = False  # write what is left, then end

    def waits_for(self) -> Wait:
        if self.out is not None:
            return "write"
        if self.closing:
            return "linger"
        return "message" if self.process is None or self.decoder.buffered else "idle"


class SelectorServer(Server[_Connection]):
    """A server for many connections in one thread, over epoll (kqueue, select). See `Server` for the arguments.

    About 1 kB of memory an idle connection. Several processes with ``reuse_port`` use several cores.

    >>> from cb_sockets import LengthPrefixed, connect
    >>> with SelectorServer("127.0.0.1:0", LengthPrefixed(), bytes.upper) as server:
    ...     server.start()
    ...     with connect(server.address, LengthPrefixed()) as peer:
    ...         peer.request(b"shout")
    b'SHOUT'
    """

    def __init__(
        self,
        address: str | tuple[str, int] | Address,
        framing: Framing,
        handler: Handler | per_connection[Handler],
        *,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        proxy_protocol: bool = False,
        reuse_port: bool = False,
    ) -> None:
        super().__init__(
            address, framing, handler, limits=limits, tls=tls, proxy_protocol=proxy_protocol, reuse_port=reuse_port
        )
        self._receive = receive if tls is None else receive_records
        self._scrap = bytearray(64 * 1024)
        # Made once, so that a connection holds references instead of closures and bound methods of its own.
        self._shared = None if isinstance(handler, per_connection) else bind(handler)
        self._on_readable = self._readable
        self._on_handshake = self._handshake
        self._on_proxy = self._read_proxy
        self._on_discard = self._discard

    # -- a connection begins ----------------------------------------------------------------------------------

    def _adopt(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        connection = _Connection(sock, self._framing.decoder(), self._now, self._on_proxy)
        fd = sock.fileno()
        self._connections[fd] = connection
        self._poller.register(fd, READ)
        if not self._proxy_protocol:
            self._open(connection, None)

    def _read_proxy(self, connection: _Connection) -> None:
        """Read the PROXY header and not a byte more: what follows may be a TLS handshake."""
        head = connection.head = connection.head or bytearray()
        try:
            while (missing := proxy.missing(head)) > 0:
                data = connection.sock.recv(missing)
                if not data:
                    return self._drop(connection)
                head += data
            told = proxy.source(head)
        except BlockingIOError:
            return None
        except OSError:
            return self._drop(connection)
        except FramingError as error:
            log.warning("%s: %s refused: %s", self.address, self._name(connection), error)
            return self._drop(connection)
        connection.head = None
        self._open(connection, told)
        return connection.step(connection)

    def _open(self, connection: _Connection, told: str | None) -> None:
        if self._tls is None:
            self._begin(connection, told)
            return
        fd = connection.sock.fileno()
        try:
            connection.sock = wrap_accepted(self._tls, connection.sock)
        except OSError:  # gone already; the descriptor may have left our socket, and been closed, by now
            with contextlib.suppress(OSError):
                self._poller.unregister(fd)
            connection.sock.close()
            self._forget(fd)
            return
        connection.head = bytearray((told or "").encode())
        connection.step = self._on_handshake

    def _handshake(self, connection: _Connection) -> None:
        sock = connection.sock
        assert isinstance(sock, ssl.SSLSocket)
        try:
            sock.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as wanted:
            return self._watch(connection, READ if isinstance(wanted, ssl.SSLWantReadError) else WRITE)
        except OSError as error:
            log.info("%s: %s: TLS handshake failed: %s", self.address, self._name(connection), error)
            return self._drop(connection)
        told = (connection.head or b"").decode()
        connection.head = None
        self._watch(connection, READ)
        self._begin(connection, told)
        return connection.step(connection)

    def _begin(self, connection: _Connection, told: str | None) -> None:
        handler = self._handler
        connection.step = self._on_readable
        if not isinstance(handler, per_connection):
            connection.process = self._shared
            return
        try:
            connection.process = bind(handler.make(self._peer(connection, told)))
        except HandlerFailed as failure:
            log.error("%s: no handler for a connection, closed", self.address, exc_info=failure.__cause__)
            self._close_soon(connection)

    # -- messages ---------------------------------------------------------------------------------------------

    def _ready(self, connection: _Connection, mask: int) -> None:
        if mask == READ:
            connection.step(connection)
            return
        if connection.out is not None:
            self._flush(connection)
        elif connection.process is None:  # a handshake, whatever it waited for
            connection.step(connection)
            return
        if mask & ~WRITE and connection.sock.fileno() >= 0 and (connection.mask & READ or mask & ~(READ | WRITE)):
            connection.step(connection)

    def _readable(self, connection: _Connection) -> None:
        decoder = connection.decoder
        try:
            messages = self._receive(connection.sock, decoder)
        except BlockingIOError:
            return
        except FramingError as error:
            self._refuse(connection, error)
            return
        except OSError:
            self._drop(connection)
            return
        if messages is None:
            self._peer_ended(connection)
        elif messages:
            connection.since = self._now
            connection.fresh = False
            connection.partial = decoder.buffered > 0
            self._answer(connection, messages)
        elif not connection.partial:
            connection.since = self._now
            connection.partial = True

    def _answer(self, connection: _Connection, messages: list[bytes]) -> None:
        assert connection.process is not None
        try:
            replies = connection.process(messages)
        except HandlerFailed as failure:
            log.error("%s: handler failed, connection closed", self.address, exc_info=failure.__cause__)
            replies = failure.replies
            connection.closing = True
        try:
            if replies:
                self._send(connection, replies)
        except (FramingError, TypeError) as error:
            log.error("%s: reply cannot be framed, connection closed: %s", self.address, error)
            connection.closing = True
        except OSError:
            self._drop(connection)
            return
        if connection.closing:
            self._close_soon(connection)

    def _send(self, connection: _Connection, replies: list[bytes]) -> None:
        if len(replies) == 1 and len(replies[0]) < BIG and connection.out is None and self._tls is None:
            self._write(connection, self._framing.encode(replies[0]))
            return
        parts = frame_parts(self._framing.parts(replies), replies)
        if connection.out is not None:
            connection.out.add(parts)
            self._watch_out(connection, connection.out)
            return
        if len(parts) == 1 and self._tls is None:
            self._write(connection, parts[0])
        else:
            connection.out = Outgoing(parts)
            self._flush(connection)

    def _write(self, connection: _Connection, data: Buffer) -> None:
        try:
            sent = connection.sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            connection.out = Outgoing([memoryview(data)[sent:]])
            self._flush(connection)

    def _flush(self, connection: _Connection) -> None:
        out = connection.out
        assert out is not None
        try:
            while out.size and out.write(connection.sock):
                connection.since = self._now
        except OSError:
            self._drop(connection)
            return
        if out.size:
            self._watch_out(connection, out)
            return
        connection.out = None
        if connection.closing:
            self._close_soon(connection)
        else:
            self._watch(connection, READ)

    def _watch_out(self, connection: _Connection, out: Outgoing) -> None:
        more = not connection.closing and out.size < self._limits.high_water
        self._watch(connection, READ | WRITE if more else WRITE)

    def _watch(self, connection: _Connection, mask: int) -> None:
        if connection.mask != mask:
            connection.mask = mask
            self._poller.modify(connection.sock.fileno(), mask)

    # -- a connection ends ------------------------------------------------------------------------------------

    def _peer_ended(self, connection: _Connection) -> None:
        """The peer has shut its side: answer what that completes, then end ours."""
        connection.closing = True
        try:
            messages = connection.decoder.feed_eof()
        except FramingError as error:
            self._refuse(connection, error)
            return
        if messages:
            self._answer(connection, messages)
        elif connection.out is not None:
            self._watch(connection, WRITE)
        else:
            if self._tls is not None:
                end_output(connection.sock)
            self._drop(connection)

    def _refuse(self, connection: _Connection, error: FramingError) -> None:
        """Answer what came whole, then end the connection."""
        log.info("%s: %s: %s", self.address, self._name(connection), error)
        connection.closing = True
        if error.completed:
            self._answer(connection, error.completed)
        else:
            self._close_soon(connection)

    def _close_soon(self, connection: _Connection) -> None:
        """End our side as soon as all replies are out; then wait for the peer to end its own.

        Closing at once, with something of the peer's unread, would be a reset, which can destroy the last reply on
        its way.
        """
        sock = connection.sock
        if sock.fileno() < 0:
            return
        connection.closing = True
        if connection.out is not None:
            self._watch(connection, WRITE)
            return
        end_output(sock)
        connection.since = self._now
        connection.step = self._on_discard
        self._watch(connection, READ)

    def _discard(self, connection: _Connection) -> None:
        try:
            if socket.socket.recv_into(connection.sock, self._scrap):  # TLS or not: nobody reads it
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # reset: over either way
        self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        fd = connection.sock.fileno()
        if fd < 0:
            return
        self._poller.unregister(fd)
        if self._tls is not None and connection.process is not None and not connection.closing:
            end_output(connection.sock)
        connection.sock.close()
        connection.out = None
        self._forget(fd)

    def _expire(self, connection: _Connection, *, gently: bool) -> None:
        if gently and not connection.closing:
            self._close_soon(connection)
            return
        if not gently:
            reset(connection.sock)
            connection.closing = True
        self._drop(connection)

    def _end_idle(self, *, fresh_too: bool) -> None:
        unread = {fd for fd, _ in self._poller.poll(0)}
        if len(unread) > _POLL_MOST:
            return  # there may be more than one poll tells: these first
        for fd, connection in list(self._connections.items()):
            ended = connection.waits_for() == "idle" or (connection.process is None and fresh_too)
            if ended and fd not in unread and (fresh_too or not connection.fresh):
                self._close_soon(connection)
