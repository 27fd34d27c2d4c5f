"""The blocking client: a connection that sends and receives whole messages."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterable, Iterator
from types import EllipsisType, TracebackType
from typing import Self

from cb_sockets.decoders import Buffer
from cb_sockets.errors import ConnectFailed, FramingError, PeerClosed, TimeoutExceeded
from cb_sockets.framing import Fixed, Framing
from cb_sockets.net import Address, address_of, client_context, describe, open_connection
from cb_sockets.transport import Outgoing, end_output, frame_parts, receive, reset, say_goodbye

__all__ = ["FixedLengthSocket", "MessageSocket", "connect"]


def connect(
    address: str | tuple[str, int] | Address,
    framing: Framing,
    *,
    timeout: float | None = 10.0,
    tls: bool | ssl.SSLContext | None = None,
    server_hostname: str | None = None,
) -> MessageSocket:
    """Connect to ``HOST:PORT``, ``tls://HOST:PORT`` or ``unix:PATH``, and talk in messages.

    `timeout`, in seconds, is for connecting, and then for each message sent or received; None waits for ever.
    `tls`: True for the system's certificates, or a context of your own; certificate and name are verified.
    Raises `AddressError`, `ConnectFailed`, `TimeoutExceeded`.
    """
    wanted = address_of(address)
    context = tls if isinstance(tls, ssl.SSLContext) else client_context() if tls or wanted.tls else None
    sock = open_connection(wanted, timeout=timeout, tls=context, server_hostname=server_hostname)
    return MessageSocket(sock, framing, timeout=timeout)


class MessageSocket:
    """A connected stream socket that speaks in messages. Iterating over it yields messages until the peer ends.

    It owns `sock` from now on. One thread may send while another receives, but not over TLS: OpenSSL forbids it.
    """

    def __init__(self, sock: socket.socket, framing: Framing, *, timeout: float | None = 10.0) -> None:
        self.sock = sock
        self.framing = framing
        self.timeout = timeout
        self._decoder = framing.decoder()
        self._messages: deque[bytes] = deque()
        self._end: Exception | None = None
        self._broken: Exception | None = None

    def send(self, message: Buffer) -> None:
        """Send one message, whole. Raises as `send_many`."""
        self.send_many((message,))

    def send_many(self, messages: Iterable[Buffer]) -> None:
        """Send messages with as few writes as they allow.

        Raises `InvalidMessage` or `MessageTooLarge` before a byte is sent; `PeerClosed`, or `TimeoutExceeded` where
        the peer did not take them within `timeout`. After these two the stream is out of step, and every later
        call raises the same.
        """
        if self._broken is not None:
            raise self._broken
        batch = messages if isinstance(messages, (list, tuple)) else list(messages)
        if not batch:
            return
        out = Outgoing(frame_parts(self.framing.parts(batch), batch))
        end = None if self.timeout is None else time.monotonic() + self.timeout
        while out.size:
            try:
                self._await(end, "send")
                out.write(self.sock)
            except OSError as error:
                if not _is_timeout(error):
                    self._broken = PeerClosed(f"connection lost while sending: {describe(error)}", clean=False)
                elif end is not None and time.monotonic() >= end:
                    self._broken = TimeoutExceeded(f"the peer did not take the message within {self.timeout} s")
                else:
                    continue
                raise self._broken from error

    def recv(self, *, timeout: float | EllipsisType | None = ...) -> bytes:
        """The next message. `timeout` (seconds, for the whole message) is the connection's own where not given.

        With a `timeout` of 0, only a message that is here already.

        Raises `TimeoutExceeded` (nothing is lost: a later call goes on where this one stopped), `PeerClosed` at the
        end of the stream, `IncompleteMessage` where that is inside a message, `MessageTooLarge`, `InvalidMessage`.
        """
        seconds = self.timeout if isinstance(timeout, EllipsisType) else timeout
        end = None if seconds is None else time.monotonic() + max(seconds, _LEAST)
        messages = self._messages
        while not messages:
            if self._end is not None:
                raise self._end
            try:
                self._await(end, "recv")
                self._receive()
            except OSError as error:
                if not _is_timeout(error):
                    self._end = PeerClosed(f"connection lost while receiving: {describe(error)}", clean=False)
                    raise self._end from error
                if end is not None and time.monotonic() >= end:
                    raise TimeoutExceeded(f"no whole message within {seconds} s") from error
        return messages.popleft()

    def _receive(self) -> None:
        try:
            received = receive(self.sock, self._decoder)
            if received is None:
                self._end = PeerClosed("the peer has ended the connection", clean=True)
                received = self._decoder.feed_eof()
            self._messages += received
        except FramingError as error:
            self._messages += error.completed
            self._end = error

    def _await(self, end: float | None, what: str) -> None:
        """Set the socket's own time-out to what is left until `end`.

        There is one for both directions: a thread that sends can shorten the wait of one that receives, which then
        finds its own `end` not come yet and waits again.
        """
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError(what)
        self.sock.settimeout(left)

    def request(self, message: Buffer) -> bytes:
        """Send one message and wait for one."""
        self.send(message)
        return self.recv()

    def __iter__(self) -> Iterator[bytes]:
        """Messages until the peer ends the stream cleanly. Raises as `recv`."""
        while True:
            try:
                yield self.recv()
            except PeerClosed as end:
                if end.clean:
                    return
                raise

    def half_close(self) -> None:
        """Say that no more will be sent; what the peer still sends can be received."""
        if isinstance(self.sock, ssl.SSLSocket):
            say_goodbye(self.sock)
        else:
            end_output(self.sock)
        self._broken = self._broken or PeerClosed("this side has ended the stream", clean=True)

    def close(self) -> None:
        """End the connection. What was sent still arrives. Safe to call twice."""
        if self.sock.fileno() >= 0:
            end_output(self.sock)
            self.sock.close()

    def abort(self) -> None:
        """Reset the connection: the peer gets an error, and what it has not read yet may be lost."""
        if self.sock.fileno() >= 0:
            reset(self.sock)
            self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_LEAST = 0.001  # seconds: a look at what is there


def _is_timeout(error: OSError) -> bool:
    """Whether our own time-out is meant; with a number it is the network's, and the connection is lost.

    A thread that sends may end the other's wait early, which then finds nothing there.
    """
    return isinstance(error, BlockingIOError) or (isinstance(error, TimeoutError) and error.errno is None)


class FixedLengthSocket:
    """Messages of one size, with the three methods that tutorials teach: `connect`, `send`, `receive`.

    A thin name over `MessageSocket` with `Fixed`; use that for anything more.
    """

    def __init__(self, message_len: int, sock: socket.socket | None = None) -> None:
        self.message_len = message_len
        self._peer = None if sock is None else MessageSocket(sock, Fixed(message_len))

    def connect(self, host: str, port: int) -> None:
        """Connect over IPv4 or IPv6. Raises `ConnectFailed`, `TimeoutExceeded`."""
        self._peer = connect((host, port), Fixed(self.message_len))

    def send(self, msg: Buffer) -> None:
        """Send one message of exactly `message_len` bytes; any other size is an `InvalidMessage`, and none is sent."""
        self._connected().send(msg)

    def receive(self) -> bytes:
        """The next message. Raises `PeerClosed`, or `IncompleteMessage` with what had come."""
        return self._connected().recv()

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(ConnectFailed):
            self._connected().close()

    def _connected(self) -> MessageSocket:
        if self._peer is None:
            raise ConnectFailed("not connected yet (call connect first)")
        return self._peer
