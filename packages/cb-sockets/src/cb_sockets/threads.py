"""A thread for each connection: the server whose handler may block.

The threads use plain blocking reads and writes; the serving thread accepts, keeps the time limits by shutting down
sockets whose time is up, and drains. Shutting down the reading side of an idle connection wakes its thread and
leaves it the writing side, so that a message that came in the same instant is still answered. Where a connection is
cut off, its writing side is shut down only if the thread is stuck in it: the end of the stream must not get to the
peer before the reset, or half a reply could pass for a whole one.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
import time

from cb_sockets import proxy
from cb_sockets.decoders import Decoder
from cb_sockets.errors import FramingError, IncompleteMessage
from cb_sockets.handlers import HandlerFailed, Process, bind, per_connection
from cb_sockets.server import LINGER, Server, Wait
from cb_sockets.transport import Outgoing, end_output, frame_parts, receive, reset, wrap_accepted

__all__ = ["ThreadServer"]

log: logging.Logger = logging.getLogger("cb_sockets")

_WRITE_SIZE = 256 * 1024


class _Connection:
    __slots__ = ("cut", "decoder", "ended", "fresh", "opened", "since", "sock", "wait")

    def __init__(self, sock: socket.socket, decoder: Decoder, since: float) -> None:
        self.sock = sock
        self.decoder = decoder
        self.since = since
        self.wait: Wait | None = "message"  # None while the handler works: its time is its own
        self.fresh = True
        self.opened = False  # PROXY header and TLS handshake are behind us
        self.ended = False  # the serving thread has shut its reading side
        self.cut = False  # and not gently: its close will be a reset

    def waits_for(self) -> Wait | None:
        return self.wait


class ThreadServer(Server[_Connection]):
    """A server with one thread a connection; the handler may block. See `Server` for the arguments.

    >>> from cb_sockets import Delimited, connect
    >>> with ThreadServer("127.0.0.1:0", Delimited(), lambda line: line[::-1]) as server:
    ...     server.start()
    ...     with connect(server.address, Delimited()) as peer:
    ...         peer.request(b"stressed")
    b'desserts'
    """

    def _adopt(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        connection = _Connection(sock, self._framing.decoder(), self._now)
        fd = sock.fileno()
        self._connections[fd] = connection
        thread = threading.Thread(target=self._converse, args=(connection, fd), daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system has no more threads
            log.warning("%s: %s", self.address, error)
            self._connections.pop(fd)
            sock.close()

    def _ready(self, connection: _Connection, mask: int) -> None:
        """Only the listener and the wake socket are polled; an accepted socket is its thread's."""

    def _converse(self, connection: _Connection, fd: int) -> None:
        try:
            self._serve(connection)
        except FramingError as error:
            log.info("%s: %s: %s", self.address, self._name(connection), error)
        except HandlerFailed as failure:
            log.error("%s: no handler for a connection, closed", self.address, exc_info=failure.__cause__)
        except OSError as error:
            log.debug("%s: connection lost: %s", self.address, error)
        finally:
            self._part(connection)
            self._connections.pop(fd, None)
            connection.sock.close()
            self.wake()

    def _serve(self, connection: _Connection) -> None:
        told = self._read_proxy(connection.sock) if self._proxy_protocol else None
        if self._tls is not None:
            connection.sock = tls = wrap_accepted(self._tls, connection.sock)
            tls.do_handshake()
        handler = self._handler
        process = bind(handler.make(self._peer(connection, told)) if isinstance(handler, per_connection) else handler)
        decoder = connection.decoder
        sock = connection.sock
        connection.wait = "idle"
        connection.opened = True
        while True:
            if connection.wait == "idle" and self._over(connection):
                return
            failure: FramingError | None = None
            over = False
            try:
                messages = receive(sock, decoder)
                if messages is None:
                    if connection.ended:  # no end of the peer's: what it may seem to complete is cut short
                        return
                    over = True
                    messages = decoder.feed_eof()
            except FramingError as error:
                messages, failure = error.completed, error
            if messages:
                connection.wait = None
                connection.fresh = False
                if not self._answer(connection, messages, process):
                    return
                connection.since = time.monotonic()
                connection.wait = "message" if decoder.buffered else "idle"
            if failure is not None:
                raise failure
            if over:
                return

    def _answer(self, connection: _Connection, messages: list[bytes], process: Process) -> bool:
        """Handle and reply; false where the connection must end."""
        going_on = True
        try:
            replies = process(messages)
        except HandlerFailed as failure:
            log.error("%s: handler failed, connection closed", self.address, exc_info=failure.__cause__)
            replies = failure.replies
            going_on = False
        if replies:
            try:
                out = Outgoing(frame_parts(self._framing.parts(replies), replies), most=_WRITE_SIZE)
            except (FramingError, TypeError) as error:
                log.error("%s: reply cannot be framed, connection closed: %s", self.address, error)
                return False
            connection.wait = "write"
            while out.size:
                if connection.cut:
                    raise ConnectionAbortedError("cut off")
                connection.since = time.monotonic()
                out.write(connection.sock, 2)  # a header and a piece of its body: progress can be seen
        return going_on

    @staticmethod
    def _over(connection: _Connection) -> bool:
        """Wait for a message to begin; true where instead the serving thread has ended the idle connection.

        The bytes are left where they are until ``wait`` says so: `_expire` must see the one or the other. And to TLS
        a bare end of the stream would be a fault, which forbids its own goodbye.
        """
        sock = connection.sock
        held = isinstance(sock, ssl.SSLSocket) and sock.pending()
        if not held and not socket.socket.recv(sock, 1, socket.MSG_PEEK) and connection.ended:
            return True
        connection.since = time.monotonic()
        connection.wait = "message"
        return False

    def _read_proxy(self, sock: socket.socket) -> str | None:
        head = bytearray()
        while (missing := proxy.missing(head)) > 0:
            data = sock.recv(missing)
            if not data:
                raise IncompleteMessage(bytes(head), len(head) + missing)
            head += data
        return proxy.source(head)

    def _part(self, connection: _Connection) -> None:
        """End our side and give the peer a moment to take the last reply: closing over unread bytes is a reset."""
        if connection.cut:
            return
        connection.wait = "linger"
        connection.since = time.monotonic()
        end_output(connection.sock)
        scrap = memoryview(bytearray(4096))
        with contextlib.suppress(OSError):
            while socket.socket.recv_into(connection.sock, scrap):  # TLS or not: nobody reads it
                continue

    def _expire(self, connection: _Connection, *, gently: bool) -> None:
        if gently and connection.wait != "linger" and (self._unread(connection) or connection.wait != "idle"):
            return  # a message has begun in this instant
        connection.ended = True
        if not gently:
            connection.cut = True
            reset(connection.sock)
        self._shut(connection, socket.SHUT_RDWR if connection.wait == "write" and not self._closed else socket.SHUT_RD)

    @staticmethod
    def _unread(connection: _Connection) -> bool:
        try:
            return bool(socket.socket.recv(connection.sock, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:  # nothing there; or the thread was quicker
            return False

    @staticmethod
    def _shut(connection: _Connection, how: int) -> None:
        with contextlib.suppress(OSError):  # the thread was quicker
            socket.socket.shutdown(connection.sock, how)  # TLS's own shutdown would end its encryption too

    def _end_idle(self, *, fresh_too: bool) -> None:
        for connection in list(self._connections.values()):
            if connection.wait == "idle" and (fresh_too or not connection.fresh):
                self._expire(connection, gently=True)
            elif fresh_too and not connection.opened:
                self._shut(connection, socket.SHUT_RD)

    def _finish(self) -> None:
        start = time.monotonic()
        while self._connections and (waited := time.monotonic() - start) < LINGER:
            self._poller.poll(0.02)
            self._swallow_wakes()
            for connection in list(self._connections.values()) if waited > LINGER / 10 else ():
                if connection.wait == "write":  # stuck in it: the peer does not read
                    self._shut(connection, socket.SHUT_RDWR)
