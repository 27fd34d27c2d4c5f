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
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from cb_threading.context import ThreadContext
from cb_threading.errors import StoreError
from cb_threading.exchange import Exchange, Failure
from cb_threading.policy import Policy
from cb_threading.session import Session
from cb_threading.trust import certificates
from cb_threading.workers import WorkerGroup

__all__ = ["HttpEngine"]

PIECE = 64 * 1024
KEPT = 512  # connections that are kept alive, of all threads together


class HttpEngine:
    """Carries exchanges in *jobs* threads."""

    def __init__(self, policy: Policy, jobs: int) -> None:
        self._policy = policy
        self._jobs = jobs
        self.kept: int = max(1, KEPT // jobs)
        self._tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._active: dict[Exchange, socket.socket] = {}
        self._stopped = False
        self._pools: ThreadContext[_Pool] = ThreadContext(lambda: _Pool(self))

    def run(self, session: Session) -> None:
        with WorkerGroup(name="http") as group:
            for _ in range(self._jobs):
                group.start(self._work, session)
            while not group.join(0.1):
                self._break_off_the_late()

    def _break_off_the_late(self) -> None:
        """Shut down what is too slow; its thread, which may be in the middle of a read, finds out."""
        now = time.monotonic()
        with self._lock:
            for exchange, one in self._active.items():
                if exchange.failure is None and exchange.pace is not None:
                    exchange.failure = exchange.pace.overdue(now, exchange.received)
                    if exchange.failure is not None:
                        _shut(one)

    def _work(self, session: Session) -> None:
        try:
            while (exchange := session.take(wait=True)) is not None:
                session.save(session.finished([(exchange, self._carry(exchange))]))
        except BaseException as error:
            session.broken(error)
            raise
        finally:
            self._pools.value.close()
            self._pools.clear()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for one in self._active.values():
                _shut(one)

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
            with self._watched(exchange, connection):
                response = self._ask(connection, exchange)
                whole = self._receive(response, exchange)
            if whole and not response.will_close and exchange.failure is None:
                pool.keep(exchange.host, connection)
            else:
                pool.drop()
        except StoreError:
            raise
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            pool.drop()
            return _failure(error)
        return None

    @contextmanager
    def _watched(self, exchange: Exchange, connection: http.client.HTTPConnection) -> Iterator[None]:
        """While an exchange is under way it can be broken off, see `stop` and `_break_off_the_late`."""
        assert connection.sock is not None
        with self._lock:
            if self._stopped:
                raise ConnectionAbortedError("the fetch was stopped")
            self._active[exchange] = connection.sock
        try:
            yield
        finally:
            with self._lock:
                del self._active[exchange]

    @staticmethod
    def _ask(connection: http.client.HTTPConnection, exchange: Exchange) -> http.client.HTTPResponse:
        proxied: dict[str, str] | None = getattr(connection, "proxied", None)
        target = exchange.url if proxied is not None else exchange.url[exchange.url.index("/", 8) :]
        given = any(name.lower() == "host" for name, _ in exchange.request_header)
        connection.putrequest("GET", target, skip_host=given, skip_accept_encoding=True)
        for name, value in (*exchange.request_header, *(proxied or {}).items()):
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        while response.status < 200:  # early hints (RFC 8297): http.client passes over 100 alone
            response.headers = None  # type: ignore[assignment] # not begun yet
            response.begin()
        return response

    @staticmethod
    def _receive(response: http.client.HTTPResponse, exchange: Exchange) -> bool:
        """Hand over status, header and body; False: the exchange wants no more of it."""
        if not exchange.begin(response.status, {name.lower(): value for name, value in response.getheaders()}):
            return False
        while data := response.read1(PIECE):
            if not exchange.receive(data):
                return False
        if response.length:  # read1() does not say so: the connection ended in the middle
            raise http.client.IncompleteRead(b"", response.length)
        response.close()  # before 3.12 the last read1() left it open, and the connection of no use
        return True


def _shut(one: socket.socket) -> None:
    with suppress(OSError):  # closed by the peer meanwhile
        one.shutdown(socket.SHUT_RDWR)


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
            connection.close()
            connection = None
        self._current = connection or self._connect(url)
        return self._current

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
        made.sock.settimeout(None)  # from here on the engine watches the time
        connection: http.client.HTTPConnection = made
        return connection

    def keep(self, host: str, connection: http.client.HTTPConnection) -> None:
        """The current connection can be used again."""
        self._current = None
        self._idle[host] = connection
        if len(self._idle) > self._engine.kept:
            self._idle.popitem(last=False)[1].close()

    def drop(self) -> None:
        """The current connection, if there is one, is of no use any more."""
        if self._current is not None:
            self._current.close()
            self._current = None

    def close(self) -> None:
        self.drop()
        for connection in self._idle.values():
            connection.close()
        self._idle.clear()


def _has_something(connection: http.client.HTTPConnection) -> bool:
    if connection.sock is None:
        return True
    looking = select.poll()  # select() knows no more than 1024 descriptors
    looking.register(connection.sock, select.POLLIN)
    return bool(looking.poll(0))


def _proxy_for(scheme: str, host: str) -> str | None:
    if urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(scheme)


def _identity(name: str | None, password: str | None) -> dict[str, str]:
    if name is None:
        return {}
    text = f"{unquote(name)}:{unquote(password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def _failure(error: Exception) -> Failure:
    text = str(error) or type(error).__name__
    kinds: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, bool], ...] = (
        (ssl.SSLError, "tls", False),
        (socket.gaierror, "dns", True),
        (TimeoutError, "timeout", True),
        (http.client.IncompleteRead, "truncated", True),
        ((ConnectionRefusedError,), "connect", True),
        ((ConnectionError, http.client.RemoteDisconnected), "reset", True),
        (http.client.HTTPException, "protocol", True),
    )
    for types, kind, again in kinds:
        if isinstance(error, types):
            return Failure(kind, text, again)
    return Failure("connect", text)
