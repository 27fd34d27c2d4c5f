"""The site as granian's own interface, RSGI, wants it: what comes slowly is waited for without a thread.

By WSGI each form is read by one of the threads that make the pages: as many visitors as there are threads send half a
form and then nothing, and nobody is answered any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from functools import lru_cache, partial
from io import BytesIO
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from django.conf import settings
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]  # not among its exports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from granian.rsgi import Scope

    _WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
    _Answer = tuple[int, list[tuple[str, str]], bytes]

THREADS: int = 2
"""How many pages are made at one time: one is made while another waits for the database."""
BODY_WITHIN: float = 20.0
"""Seconds for a form to come as a whole."""


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Site:
    """A WSGI application for granian: ``granian --interface rsgi``.

    A form is in memory before the application is called: none larger than ``DATA_UPLOAD_MAX_MEMORY_SIZE`` (413), none
    that takes longer than :data:`BODY_WITHIN` (408), none that does not say its length (411). Answers are handed over
    as a whole: not for downloads larger than memory. Headers whose names have underscores are left out: they could pass
    for others.
    """

    def __init__(self, application: _WSGI) -> None:
        self._application = application
        self._jobs: SimpleQueue[tuple[dict[str, Any], asyncio.Future[_Answer]]] = SimpleQueue()

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """A worker starts. Threads of our own: to an executor's and back takes a tenth of a list's time."""
        for _ in range(THREADS):
            threading.Thread(target=self._work, args=(loop,), daemon=True).start()

    async def __rsgi__(self, scope: Scope, protocol: Any) -> None:
        """Answer one request."""
        environ = _environ(scope)
        try:
            body = await self._body(environ, protocol)
        except _Refused as refused:
            protocol.response_empty(refused.status, [("connection", "close")])
            return
        environ["wsgi.input"] = BytesIO(body)
        answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._jobs.put((environ, answer))
        protocol.response_bytes(*await answer)

    async def _body(self, environ: dict[str, Any], protocol: Any) -> bytes:
        if "HTTP_TRANSFER_ENCODING" in environ:
            raise _Refused(411)
        length, most = int(environ.get("CONTENT_LENGTH", 0)), settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if not length:
            return b""
        if most is not None and length > most:
            raise _Refused(413)
        try:
            async with asyncio.timeout(BODY_WITHIN):
                body: bytes = await protocol()
        except TimeoutError:
            raise _Refused(408) from None
        except ProtocolClosed:  # the visitor has left
            raise _Refused(400) from None
        return body

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            environ, future = self._jobs.get()
            try:
                end = partial(future.set_result, self._answer(environ))
            except BaseException as error:  # noqa: BLE001 - granian's to tell
                end = partial(future.set_exception, error)
            with contextlib.suppress(RuntimeError):  # the loop is closed: the worker ends
                loop.call_soon_threadsafe(_unless_cancelled, future, end)
            del environ, future, end  # nothing is kept until the next request

    def _answer(self, environ: dict[str, Any]) -> _Answer:
        begun: list[tuple[int, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
            begun.append((int(status[:3]), headers))

        response: Any = self._application(environ, start_response)
        try:
            body = b"".join(response)
        finally:
            response.close()
        return *begun[-1], body


def _unless_cancelled(future: asyncio.Future[_Answer], end: Callable[[], None]) -> None:
    if not future.done():
        end()


def _environ(scope: Scope) -> dict[str, Any]:
    server, _, port = scope.server.rpartition(":")
    environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        if not (key := _key(name)):
            continue
        if key in environ:
            value = f"{environ[key]}{';' if key == 'HTTP_COOKIE' else ','}{value}"  # noqa: PLW2901
        environ[key] = value
    if scope.authority:  # HTTP/2, or the whole address in the first line
        environ["HTTP_HOST"] = scope.authority
    return environ


@lru_cache(256)
def _key(header: str) -> str:
    if "_" in header:
        return ""
    key = header.replace("-", "_").upper()
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
