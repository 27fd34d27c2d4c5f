"""A web site on loopback that misbehaves on demand: raw sockets, a thread for each connection."""

from __future__ import annotations

import gzip
import hashlib
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Answer = Callable[["Site", socket.socket, "Asked"], object]


class Asked:
    """One request."""

    def __init__(self, path: str, header: dict[str, str], when: float) -> None:
        self.path = path
        self.header = header
        self.when = when


def page(path: str, size: int = 3000) -> bytes:
    """The same bytes for the same path."""
    seed = hashlib.sha256(path.encode()).hexdigest().encode()
    return (seed * (size // len(seed) + 1))[:size]


def head(status: int = 200, **fields: object) -> bytes:
    """Status line and header."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return ("\r\n".join([f"HTTP/1.1 {status} Words", *lines]) + "\r\n\r\n").encode()


def body(data: bytes, **fields: object) -> Answer:
    """A plain page."""
    return lambda site, connection, asked: connection.sendall(head(Content_Length=len(data), **fields) + data)


def status(number: int, **fields: object) -> Answer:
    """A status with a few words."""
    return lambda site, connection, asked: connection.sendall(head(number, Content_Length=5, **fields) + b"words")


def redirect(location: str, number: int = 302) -> Answer:
    """Somewhere else."""
    return status(number, Location=location)


def ranged(data: bytes, etag: str = '"v1"') -> Answer:
    """A page with a validator, of which parts can be asked for."""

    def answer(site: Site, connection: socket.socket, asked: Asked) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", asked.header.get("range", ""))
        fresh = asked.header.get("if-range", etag) == etag
        if wanted and fresh and int(wanted[1]) < len(data):
            start = int(wanted[1])
            fields = {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}", "ETag": etag}
            connection.sendall(head(206, Content_Length=len(data) - start, **fields) + data[start:])
        elif wanted and fresh:
            connection.sendall(head(416, Content_Length=0, Content_Range=f"bytes */{len(data)}"))
        else:
            connection.sendall(head(Content_Length=len(data), ETag=etag) + data)

    return answer


def cut(data: bytes, at: int, *, reset: bool = False, **fields: object) -> Answer:
    """Promise all, send the beginning, and close, or reset, the connection."""

    def answer(site: Site, connection: socket.socket, asked: Asked) -> None:
        connection.sendall(head(Content_Length=len(data), **fields) + data[:at])
        site.close(connection, reset=reset)

    return answer


def stall(data: bytes, at: int, **fields: object) -> Answer:
    """Promise all, send the beginning, and go on when the site is released."""

    def answer(site: Site, connection: socket.socket, asked: Asked) -> None:
        connection.sendall(head(Content_Length=len(data), **fields) + data[:at])
        site.stalled.release()
        site.released.wait(60)
        connection.sendall(data[at:])

    return answer


def drip(data: bytes, *, header_too: bool = False) -> Answer:
    """A byte now and then."""

    def answer(site: Site, connection: socket.socket, asked: Asked) -> None:
        start = head(Content_Length=len(data))
        if not header_too:
            connection.sendall(start)
            start = b""
        for byte in start + data:
            connection.sendall(bytes([byte]))
            if site.released.wait(0.02):
                return

    return answer


def raw(data: bytes, *, close: bool = False) -> Answer:
    """Exactly these bytes."""

    def answer(site: Site, connection: socket.socket, asked: Asked) -> None:
        connection.sendall(data)
        if close:
            site.close(connection)

    return answer


def chunked(data: bytes, *, end: bool = True) -> Answer:
    """In chunks, with or without the last one."""
    pieces = [data[at : at + 700] for at in range(0, len(data), 700)]
    sent = head(Transfer_Encoding="chunked") + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return raw(sent + (b"0\r\n\r\n" if end else b""), close=not end)


def compressed(data: bytes) -> Answer:
    """With gzip."""
    packed = gzip.compress(data)
    return body(packed, Content_Encoding="gzip", ETag='"packed"')


def first(*answers: Answer) -> Answer:
    """One after the other, the last one for ever."""
    left = list(answers)
    lock = threading.Lock()

    def answer(site: Site, connection: socket.socket, asked: Asked) -> object:
        with lock:
            chosen = left.pop(0) if len(left) > 1 else left[0]
        return chosen(site, connection, asked)

    return answer


class Connection(socket.socket):
    """Tells when its first byte is about to be sent: from then on the client may have its answer, and go on."""

    before_sending: Callable[[], None] | None = None

    def sendall(self, data: Any, flags: int = 0) -> None:
        self.tell()
        super().sendall(data, flags)

    def tell(self) -> None:
        tell, self.before_sending = self.before_sending, None
        if tell is not None:
            tell()


class Site:
    """The server. ``routes`` are answers by path; what has none is the page of its path."""

    def __init__(self) -> None:
        self.routes: dict[str, Answer] = {"/robots.txt": status(404)}
        self.asked: list[Asked] = []
        self.stalled = threading.Semaphore(0)  # released for each answer that stalls
        self.released = threading.Event()
        self.most = 0  # requests that waited for their answer at the same time
        self._now = 0
        self._lock = threading.Lock()
        self._connections: set[Connection] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.host = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def url(self, path: str) -> str:
        return self.host + path

    def paths(self) -> Counter[str]:
        """How often each path was asked for."""
        with self._lock:
            return Counter(asked.path for asked in self.asked)

    def header(self, path: str) -> dict[str, str]:
        """The header of the last request for a path."""
        with self._lock:
            return next(asked.header for asked in reversed(self.asked) if asked.path == path)

    def close(self, connection: Any, *, reset: bool = False) -> None:
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._connections.discard(connection)
        connection.close()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            connection = Connection(fileno=accepted.detach())
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: Connection) -> None:
        pending = b""
        with suppress(OSError, ValueError):
            while connection.fileno() >= 0:
                while b"\r\n\r\n" not in pending:
                    data = connection.recv(65536)
                    if not data:
                        raise OSError
                    pending += data
                text, _, pending = pending.partition(b"\r\n\r\n")
                self._answer(connection, text.decode("iso-8859-1"))
        self.close(connection)

    def _answer(self, connection: Connection, text: str) -> None:
        first_line, *lines = text.split("\r\n")
        header = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        asked = Asked(first_line.split()[1], header, time.monotonic())
        with self._lock:
            self.asked.append(asked)
            self._now += 1
            self.most = max(self.most, self._now)
        connection.before_sending = self._leave
        try:
            self.routes.get(asked.path, body(page(asked.path)))(self, connection, asked)
        finally:
            connection.tell()

    def _leave(self) -> None:
        with self._lock:
            self._now -= 1

    def end(self) -> None:
        """Close everything, and wait for the threads."""
        self.released.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(30)
        with self._lock:
            open_ = list(self._connections)
        for connection in open_:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)
