"""The engine of the standard library: `http.client`, a thread for each transfer. No HTTP/2; all else is the same.

For systems without a pycurl, and for free-threaded Pythons, where threads really run at once.
"""

from __future__ import annotations

import base64
import http.client
import select
import socket
import ssl
import threading
import time
import urllib.request
import zlib
from collections import OrderedDict
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from cb_threading.context import ThreadContext
from cb_threading.exchange import Exchange, Failure
from cb_threading.policy import Policy
from cb_threading.session import Session
from cb_threading.trust import certificates
from cb_threading.workers import WorkerGroup

__all__ = ["HttpEngine"]

PIECE = 64 * 1024
KEPT = 8  # connections that a thread keeps alive
_LONGEST_WAIT = 1.0  # seconds in one read, so that a drip is measured


class HttpEngine:
    """Carries exchanges in *jobs* threads."""

    def __init__(self, policy: Policy, jobs: int) -> None:
        self._policy = policy
        self._jobs = jobs
        self._tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._stopped = False
        self._pools: ThreadContext[_Pool] = ThreadContext(lambda: _Pool(self))

    def run(self, session: Session) -> None:
        with WorkerGroup(name="http") as group:
            for _ in range(self._jobs):
                group.start(self._work, session)

    def _work(self, session: Session) -> None:
        try:
            while (exchange := session.take(wait=True)) is not None:
                session.finished(exchange, self._carry(exchange))
        except BaseException as error:
            session.broken(error)
            raise
        finally:
            self._pools.value.close()
            self._pools.clear()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for one in self._sockets:
                with suppress(OSError):  # closed by its thread meanwhile
                    one.shutdown(socket.SHUT_RDWR)

    def watch(self, one: socket.socket) -> None:
        """A socket was opened: it is shut down by `stop`."""
        with self._lock:
            self._sockets.add(one)
            if self._stopped:
                raise ConnectionAbortedError("the fetch was stopped")

    def forget(self, one: socket.socket) -> None:
        """A socket was closed."""
        with self._lock:
            self._sockets.discard(one)

    def tls(self) -> ssl.SSLContext:
        """The context for https, made when first needed."""
        with self._lock:
            if self._tls is None:
                self._tls = ssl.create_default_context(cafile=certificates(self._policy.ca))
            return self._tls

    def _carry(self, exchange: Exchange) -> Failure | None:
        pool = self._pools.value
        try:
            connection = pool.connection(exchange.url)
            response = self._ask(connection, exchange)
            wanted = self._receive(connection, response, exchange)
            if wanted and not response.will_close:
                pool.keep(exchange.host, connection)
            else:
                pool.drop(connection)
        except (OSError, http.client.HTTPException, zlib.error, UnicodeError) as error:
            pool.forget(exchange.host)
            return _failure(error)
        except _Late as error:
            pool.forget(exchange.host)
            return error.failure
        return None

    def _ask(self, connection: http.client.HTTPConnection, exchange: Exchange) -> http.client.HTTPResponse:
        policy = self._policy
        proxied = getattr(connection, "proxied", None)
        parts = urlsplit(exchange.url)
        target = exchange.url if proxied else parts.path + (f"?{parts.query}" if parts.query else "")
        fields = {"User-Agent": policy.agent, "Accept": "*/*"}
        fields["Accept-Encoding"] = "gzip, deflate" if policy.compressed else "identity"
        given = {name.lower() for name, _ in exchange.request_header}
        fields = {name: value for name, value in fields.items() if name.lower() not in given}
        if proxied:
            fields |= proxied
        connection.putrequest("GET", target, skip_host="host" in given, skip_accept_encoding=True)
        for name, value in (*fields.items(), *exchange.request_header):
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.sock is not None
        connection.sock.settimeout(min(policy.timeout.stall, policy.timeout.total or policy.timeout.stall))
        return connection.getresponse()

    def _receive(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse, exchange: Exchange
    ) -> bool:
        """Hand over status, header and body; False: the exchange wants no more of it."""
        header = {name.lower(): value for name, value in response.getheaders()}
        if not exchange.begin(response.status, header):
            return False
        decode = _decoder(header.get("content-encoding", "")) if self._policy.compressed else None
        if connection.sock is not None:
            connection.sock.settimeout(min(_LONGEST_WAIT, self._policy.timeout.stall))
        while True:
            try:
                data = response.read1(PIECE)
            except TimeoutError:
                self._check(exchange)
                continue
            self._check(exchange)
            if not data:
                break
            for piece in decode(data) if decode else (data,):
                if not exchange.receive(piece):
                    return False
        if response.length:  # read1() does not say so: the connection ended in the middle
            raise http.client.IncompleteRead(b"", response.length)
        return True

    @staticmethod
    def _check(exchange: Exchange) -> None:
        if exchange.pace is not None and (late := exchange.pace.overdue(time.monotonic(), exchange.received)):
            raise _Late(late)


class _Late(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class _Pool:
    """The connections that one thread keeps alive, by host, the last used last."""

    def __init__(self, engine: HttpEngine) -> None:
        self._engine = engine
        self._idle: OrderedDict[str, http.client.HTTPConnection] = OrderedDict()
        self._current: http.client.HTTPConnection | None = None

    def connection(self, url: str) -> http.client.HTTPConnection:
        host = url[: url.index("/", 8)]
        connection = self._idle.pop(host, None)
        if connection is not None and _has_something(connection):  # closed by the server, or what nobody asked for
            self.drop(connection)
            connection = None
        self._current = connection
        if connection is None:
            self._current = connection = self._connect(url)
        return connection

    def _connect(self, url: str) -> http.client.HTTPConnection:
        engine = self._engine
        policy = engine._policy  # noqa: SLF001 - one engine in two parts
        parts = urlsplit(url)
        host, port, tls = parts.hostname or "", parts.port, parts.scheme == "https"
        proxy = policy.proxy if policy.proxy is not None else _proxy_for(parts.scheme, host)
        made: Any
        if proxy:
            via = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
            if via.scheme != "http":
                raise http.client.HTTPException(f"proxy {via.scheme}://{via.hostname}: this engine knows http:// only")
            identity = _identity(via.username, via.password)
            address = via.hostname or "", via.port or 80
            if tls:
                made = http.client.HTTPSConnection(*address, timeout=policy.timeout.connect, context=engine.tls())
                made.set_tunnel(host, port or 443, identity)
            else:
                made = http.client.HTTPConnection(*address, timeout=policy.timeout.connect)
                made.proxied = {"Proxy-Connection": "keep-alive", **identity}
        elif tls:
            made = http.client.HTTPSConnection(host, port, timeout=policy.timeout.connect, context=engine.tls())
        else:
            made = http.client.HTTPConnection(host, port, timeout=policy.timeout.connect)
        made.connect()
        engine.watch(made.sock)
        made.watched = made.sock
        connection: http.client.HTTPConnection = made
        return connection

    def keep(self, host: str, connection: http.client.HTTPConnection) -> None:
        self._current = None
        self._idle[host] = connection
        if len(self._idle) > KEPT:
            self.drop(self._idle.popitem(last=False)[1])

    def drop(self, connection: http.client.HTTPConnection) -> None:
        watched = getattr(connection, "watched", None)
        if watched is not None:
            self._engine.forget(watched)
        connection.close()
        if self._current is connection:
            self._current = None

    def forget(self, host: str) -> None:
        """The connection that was being used is of no use any more."""
        for connection in (self._current, self._idle.pop(host, None)):
            if connection is not None:
                self.drop(connection)

    def close(self) -> None:
        for connection in (*self._idle.values(), *([self._current] if self._current else [])):
            self.drop(connection)
        self._idle.clear()


def _has_something(connection: http.client.HTTPConnection) -> bool:
    return connection.sock is None or bool(select.select([connection.sock], [], [], 0)[0])


def _proxy_for(scheme: str, host: str) -> str | None:
    if urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(scheme)


def _identity(name: str | None, password: str | None) -> dict[str, str]:
    if name is None:
        return {}
    text = f"{unquote(name)}:{unquote(password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def _decoder(encoding: str) -> Any:
    """A function from pieces as they came to decoded pieces, none longer than a piece; None: as it came."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise http.client.HTTPException(f"encoded as {encoding}, which was not asked for")
    machine = zlib.decompressobj(wbits=47 if "gzip" in encoding else 15)

    def decode(data: bytes) -> Any:
        while data:
            yield machine.decompress(data, PIECE)
            data = machine.unconsumed_tail

    return decode


def _failure(error: Exception) -> Failure:
    text = str(error) or type(error).__name__
    kinds: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, bool], ...] = (
        (ssl.SSLError, "tls", False),
        (socket.gaierror, "dns", True),
        (TimeoutError, "timeout", True),
        (http.client.IncompleteRead, "truncated", True),
        ((ConnectionRefusedError,), "connect", True),
        ((ConnectionError, http.client.RemoteDisconnected), "reset", True),
        (zlib.error, "encoding", True),
        (http.client.HTTPException, "protocol", True),
    )
    for types, kind, again in kinds:
        if isinstance(error, types):
            return Failure(kind, text, again)
    return Failure("connect", text)
