"""The inbox in a browser, and its JSON API: HTTP/1.1 on asyncio, for one developer on this machine.

Pages work without scripts; one script asks for what is new. HTML of a message is shown in a sandboxed frame, under a
policy of its own that lets nothing run and nothing be fetched from elsewhere. Only requests for the host that the
server listens at are answered, so that no page of another site can read mail by way of a name that points here.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from importlib import resources
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from cb_mail.inbox import View
from cb_mail.store import MemoryStore

__all__ = ["Inbox"]

_LIMIT: Final = 1 << 16
_PAGE: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_MESSAGE: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'self'; sandbox"
_ASSETS: Final = {"/style.css": "text/css", "/live.js": "text/javascript", "/icon.svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    headers: dict[str, str]


@dataclass(slots=True)
class _Response:
    status: int = 200
    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    policy: str = _PAGE
    more: dict[str, str] = field(default_factory=dict)

    def head(self, *, length: bool = True) -> bytes:
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"Content-Type: {self.content_type}",
            f"Content-Security-Policy: {self.policy}",
            "X-Content-Type-Options: nosniff",
            "Referrer-Policy: same-origin",
            "Cache-Control: no-store",
            "Cross-Origin-Resource-Policy: same-origin",
            "Connection: close",
            *(f"{name}: {value}" for name, value in self.more.items()),
        ]
        if length:
            lines.append(f"Content-Length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Inbox:
    """The web side of a catching server.

    Args:
        store: Where the messages are.
        hosts: Further host names that a browser may use for it; addresses and localhost are known.
    """

    def __init__(self, store: MemoryStore, *, hosts: tuple[str, ...] = ()) -> None:
        self._store = store
        self._hosts = frozenset({"localhost", "127.0.0.1", "[::1]", *hosts})
        self._views: dict[str, View] = {}
        self._server: asyncio.Server | None = None
        self._listeners: set[asyncio.Event] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; returns where.

        Raises:
            OSError: It cannot listen there.
        """
        self._loop = asyncio.get_running_loop()
        self._store.changed = self._changed
        self._server = await asyncio.start_server(self._connected, host, port, limit=_LIMIT)
        address = self._server.sockets[0].getsockname()
        return address[0], address[1]

    async def stop(self) -> None:
        """Listen no more, and end what is open."""
        self._store.changed = None
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server:
            await self._server.wait_closed()

    def _changed(self) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for event in self._listeners:
            event.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            async with asyncio.timeout(30):
                request = await _read(reader)
            if request and request.path == "/events" and request.method == "GET" and self._known(request):
                await self._events(writer)
            else:
                response = self._answer(request) if request else _problem(400)
                body = b"" if request and request.method == "HEAD" else response.body
                writer.write(response.head() + body)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return  # the browser has gone, or we end
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _events(self, writer: asyncio.StreamWriter) -> None:
        """Say that something has changed, each time that it has (server-sent events)."""
        event = asyncio.Event()
        self._listeners.add(event)
        try:
            writer.write(_Response(content_type="text/event-stream").head(length=False) + b": hello\n\n")
            await writer.drain()
            while not writer.is_closing():
                try:
                    async with asyncio.timeout(15):
                        await event.wait()
                    event.clear()
                    writer.write(b"data: changed\n\n")
                except TimeoutError:
                    writer.write(b": still here\n\n")
                await writer.drain()
        finally:
            self._listeners.discard(event)

    def _known(self, request: _Request) -> bool:
        host = request.headers.get("host", "")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
        return name in self._hosts

    def _answer(self, request: _Request) -> _Response:
        if not self._known(request):
            return _problem(421, "This server has another name.")
        parts = [unquote(part) for part in request.path.strip("/").split("/")]
        if request.method in {"POST", "DELETE"}:
            return self._change(request, parts)
        if request.method not in {"GET", "HEAD"}:
            return _problem(405)
        if request.path in _ASSETS:
            return _Response(body=_asset(request.path[1:]), content_type=_ASSETS[request.path])
        match parts:
            case [""]:
                return _page("inbox.html", views=self._listed(), live=True)
            case ["message", number, *rest] if view := self._view(number):
                return self._message(view, rest)
            case ["api", "messages"]:
                return _json([view.as_json(whole=False) for view in self._listed()])
            case ["api", "messages", number] if view := self._view(number):
                return _json(view.as_json(whole=True))
            case ["api", *_]:
                return _json({"error": "no such message"}, 404)
        return _problem(404)

    def _message(self, view: View, rest: list[str]) -> _Response:
        match rest:
            case []:
                return _page("message.html", view=view, shown="html" if view.html is not None else "text", live=False)
            case ["html" | "text" | "source" as shown]:
                return _page("message.html", view=view, shown=shown, live=False)
            case ["frame"] if view.html is not None:
                return _Response(body=view.html.encode(), policy=_MESSAGE)
            case ["raw"]:
                more = {"Content-Disposition": f'attachment; filename="{view.number}.eml"'}
                return _Response(body=view.message.data, content_type="message/rfc822", policy=_MESSAGE, more=more)
            case ["part", index] if index.isdigit() and int(index) < len(view.parts):
                part = view.parts[int(index)]
                image = part.content_type.startswith("image/") and part.content_type != "image/svg+xml"
                name = quote(part.name or "part")
                more = {} if image else {"Content-Disposition": f"attachment; filename*=utf-8''{name}"}
                kind = part.content_type if image else "application/octet-stream"
                return _Response(body=part.data, content_type=kind, policy=_MESSAGE, more=more)
        return _problem(404)

    def _change(self, request: _Request, parts: list[str]) -> _Response:
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site", "same-origin")
        if site not in {"same-origin", "none"} or (origin and urlsplit(origin).netloc != request.headers.get("host")):
            return _problem(403, "Another site asked for this.")
        match request.method, parts:
            case "DELETE", ["api", "messages"]:
                return _json({"removed": self._store.clear()})
            case "DELETE", ["api", "messages", number]:
                removed = self._store.remove(number)
                return _json({"removed": int(removed)}, 200 if removed else 404)
            case "POST", ["clear"]:
                self._store.clear()
                return _Response(303, more={"Location": "/"})
            case "POST", ["message", number, "remove"]:
                self._store.remove(number)
                return _Response(303, more={"Location": "/"})
        return _problem(405)

    def _view(self, number: str) -> View | None:
        message = self._store.get(number)
        if message is None:
            self._views.pop(number, None)
            return None
        if number not in self._views:
            self._views[number] = View.of(number, message)
        return self._views[number]

    def _listed(self) -> list[View]:
        """Return the last hundred, the newest first."""
        numbers = [number for number, _ in self._store.items()][-100:]
        return [view for number in reversed(numbers) if (view := self._view(number))]


async def _read(reader: asyncio.StreamReader) -> _Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError:
        return None
    first, *lines = head.split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[1].startswith("/"):
        return None
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > _LIMIT or "transfer-encoding" in headers:
        return None
    if int(length):
        await reader.readexactly(int(length))
    parts = urlsplit(words[1])
    return _Request(words[0], parts.path, headers)


def _json(value: Any, status: int = 200) -> _Response:
    return _Response(status, json.dumps(value, ensure_ascii=False).encode(), "application/json")


def _problem(status: int, text: str = "") -> _Response:
    return _page("problem.html", status, text=text or HTTPStatus(status).phrase, live=False)


def _page(name: str, status: int = 200, **values: Any) -> _Response:
    return _Response(status, _templates().get_template(name).render(**values).encode())


@cache
def _templates() -> Any:
    import jinja2

    loader = jinja2.FunctionLoader(lambda name: _asset(name).decode())
    return jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)


@cache
def _asset(name: str) -> bytes:
    return resources.files("cb_mail").joinpath("web", name).read_bytes()
