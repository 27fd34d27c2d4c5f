"""One read or write on a socket, plain or TLS, with the same answer for both.

A read returns the messages that it completes, None at the end of the stream, and raises BlockingIOError where nothing
is there yet. A write returns the number of bytes taken, 0 where none can be. Anything else is an OSError.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

from cb_sockets.decoders import Buffer, Decoder

__all__ = [
    "BIG",
    "Outgoing",
    "end_output",
    "frame_parts",
    "keep_large_blocks",
    "receive",
    "receive_records",
    "reset",
    "say_goodbye",
    "wrap_accepted",
]

BIG = 8192
"""From this size on, a body is handed to the kernel where it lies instead of being joined with its neighbours."""

_READ_SIZE = 128 * 1024  # a 64 KiB message and its header are one read, not two
_RECORD = 16384  # the largest piece in which TLS hands out data
_MOST_RECORDS = 16  # at once, so that one busy peer does not hold up the others
_IOV_MAX = 512


def wrap_accepted(context: ssl.SSLContext, sock: socket.socket) -> ssl.SSLSocket:
    """The server's side of TLS on an accepted socket; the handshake is still to come. Raises OSError."""
    sock.getpeername()  # gone already? wrap_socket would leave its half-made socket unclosed
    return context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False)


def receive(sock: socket.socket, decoder: Decoder) -> list[bytes] | None:
    """Read once; the body of a large message goes straight to where it belongs. May raise FramingError."""
    room = decoder.room()
    try:
        if room is None:
            data = sock.recv(_READ_SIZE)
            return decoder.feed(data) if data else None
        with room:
            count = sock.recv_into(room)
    except ssl.SSLZeroReturnError:  # the end as TLS tells it once our side has ended too
        return None
    return decoder.filled(count) if count else None


def receive_records(sock: socket.socket, decoder: Decoder) -> list[bytes] | None:
    """As `receive`, for TLS behind a poller: record after record, until the socket has no more.

    A record is never left half read: no poller would tell of its rest.
    """
    assert isinstance(sock, ssl.SSLSocket)
    records: list[bytes] = []
    ended = False
    try:
        while len(records) < _MOST_RECORDS and not ended:
            record = sock.recv(_RECORD)
            if record:
                records.append(record)
            else:
                ended = True
    except OSError as error:  # with records, what they hold comes first: an error comes again
        if not records:
            if isinstance(error, (ssl.SSLWantReadError, ssl.SSLWantWriteError)):
                raise BlockingIOError from None
            raise
    if not records:
        return None
    if ended:  # the end was read together with the last bytes: no poller would tell of it any more either
        socket.socket.shutdown(sock, socket.SHUT_RD)
    return decoder.feed(b"".join(records))


def keep_large_blocks() -> None:
    """Have glibc keep the memory of messages up to 16 MiB for the next one.

    Its limits (mallopt(3): M_MMAP_THRESHOLD, M_TRIM_THRESHOLD) follow the largest mapped block that was ever freed, and
    start at 128 KiB: until then the memory of a large message goes back to the system after every message and comes
    again page by page, at 256 page faults a MiB, which costs more than all the rest. This block is never touched: it
    costs no memory. Up to 32 MiB may stay with the process afterwards. Elsewhere than with glibc it does nothing.
    """
    bytes(16 * 2**20)


class Outgoing:
    """Buffers on their way into a socket; `size` is the number of bytes left."""

    __slots__ = ("parts", "size")

    def __init__(self, parts: Iterable[Buffer], *, most: int = 2**62) -> None:
        self.parts: deque[Buffer] = deque()
        self.size: int = 0
        self.add(parts, most=most)

    def add(self, parts: Iterable[Buffer], *, most: int = 2**62) -> None:
        """Queue buffers, in pieces of at most `most` bytes."""
        for part in parts:
            self.size += len(part)
            if len(part) <= most:
                if part:
                    self.parts.append(part)
            else:
                view = memoryview(part)
                self.parts.extend(view[start : start + most] for start in range(0, len(view), most))

    def write(self, sock: socket.socket, pieces: int = _IOV_MAX) -> int:
        """Hand over as much as one call takes, of at most `pieces` buffers."""
        parts = self.parts
        try:
            if isinstance(sock, ssl.SSLSocket):  # no gathering write there: join, but not what is large
                self._gather()
                sent = sock.send(parts[0])
            elif len(parts) == 1:
                sent = sock.send(parts[0])
            else:
                sent = sock.sendmsg(islice(parts, pieces))
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        self.size -= sent
        left = sent
        while left:
            first = parts.popleft()
            if left < len(first):
                parts.appendleft(memoryview(first)[left:])
                break
            left -= len(first)
        return sent

    def _gather(self) -> None:
        parts = self.parts
        if len(parts) > 1 and len(parts[0]) < BIG:
            joined = bytearray()
            while parts and len(joined) < 2 * BIG:
                joined += parts.popleft()
            parts.appendleft(joined)


def frame_parts(parts: list[Buffer], replies: Sequence[Buffer]) -> list[Buffer]:
    """The buffers to write: one, joined, where the replies are small; as they lie where they are large.

    Raises TypeError where a reply is no bytes.
    """
    return [memoryview(part) for part in parts] if len(replies[0]) >= BIG else [b"".join(parts)]


def end_output(sock: socket.socket) -> None:
    """End our side: TLS's own goodbye where there is TLS, then FIN.

    The other side can still be read, but not as TLS: for that there is `say_goodbye`. A peer that has reset the
    connection already is no error: there is nothing to end any more.
    """
    with contextlib.suppress(OSError, ValueError):
        if isinstance(sock, ssl.SSLSocket):
            timeout = sock.gettimeout()
            sock.settimeout(0)  # unwrap sends the goodbye; it would then wait for the peer's
            with contextlib.suppress(OSError, ValueError):
                sock.unwrap()
            sock.settimeout(timeout)
        # Not sock.shutdown: for TLS that would also end the decryption of what still comes.
        socket.socket.shutdown(sock, socket.SHUT_WR)


def say_goodbye(sock: ssl.SSLSocket) -> None:
    """As `end_output`, for TLS whose other side is to be read on.

    ``unwrap`` sends the goodbye, and then reads for the peer's, and breaks the connection over data that it finds.
    So that it finds none, its descriptor leads to a pair of sockets meanwhile, where the goodbye comes out.
    """
    fd, timeout = sock.fileno(), sock.gettimeout()
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(fileno=os.dup(fd)) as real, contextlib.suppress(OSError):
        ours.setblocking(False)
        sock.settimeout(0)
        os.dup2(ours.fileno(), fd, inheritable=False)
        try:
            with contextlib.suppress(OSError, ValueError):
                sock.unwrap()
        finally:
            os.dup2(real.fileno(), fd, inheritable=False)
            sock.settimeout(timeout)
        ours.close()
        socket.socket.sendall(sock, theirs.recv(4096))  # nothing, where the goodbye has been said before
        socket.socket.shutdown(sock, socket.SHUT_WR)


def reset(sock: socket.socket) -> None:
    """Make the coming ``close`` a reset: the peer learns at once that what it waits for will not come."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
