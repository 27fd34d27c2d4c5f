"""What comes slowly, or is too much, keeps nobody waiting; and what the site is told of a request."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from cb_riddles.site import rsgi
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]
from riddles_support import FULL, Visitor, command, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "abcdefghijklmnopqrstuvwxyz012345"
HEAD = f"POST /riddles/1/answer/ HTTP/1.1\r\nHost: localhost\r\nCookie: csrftoken={TOKEN}\r\n"
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


def sent(address: str, text: str) -> socket.socket:
    """A connection on which *text* was sent."""
    host, _, port = address.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=60)
    connection.sendall(text.encode())
    return connection


def status(connection: socket.socket) -> int:
    """Of the answer that comes."""
    with connection, connection.makefile("rb") as file:
        return int(file.readline().split()[1])


@pytest.mark.faults
def test_half_a_form_keeps_nobody_waiting(site: Path) -> None:
    """Ten visitors send half a form and then nothing: everybody else is answered, and whoever goes on later, too."""
    assert command("sample").returncode == 0
    body = f"csrfmiddlewaretoken={TOKEN}&option=none"
    half = f"{HEAD}{FORM}Content-Length: {len(body)}\r\n\r\n{body[:9]}"
    with serving() as (address, process), contextlib.ExitStack() as stack:
        slow = [stack.enter_context(sent(address, half)) for _ in range(10)]
        assert Visitor(address).ask("GET", "/riddles/")[0].status == 200
        assert Visitor(address).answer(1, "A piano")[0].status == 303
        slow[0].sendall(body[9:].encode())
        assert status(slow[0]) == 422  # no option was chosen
        slow[1].close()
        if FULL:
            assert [status(one) for one in slow[2:]] == [408] * 8
        assert Visitor(address).ask("GET", "/riddles/")[0].status == 200
        assert Path(f"/proc/{process.pid}/fd/2").read_text().count("\n") == 1  # where it serves


def test_forms_that_are_not_read(site: Path) -> None:
    """One that is too large, and one that does not say how large it is."""
    with serving() as (address, _):
        assert status(sent(address, f"{HEAD}{FORM}Content-Length: 2621441\r\n\r\n")) == 413
        assert status(sent(address, f"{HEAD}{FORM}Transfer-Encoding: chunked\r\n\r\n")) == 411
        assert Visitor(address).ask("GET", "/riddles/")[0].status == 200


class Protocol:
    """Granian's side of a request: gives the body, takes the answer."""

    def __init__(self, body: Callable[[], Any]) -> None:
        self.body = body
        self.answer: tuple[Any, ...] = ()

    async def __call__(self) -> bytes:
        return bytes(await self.body())

    def response_empty(self, number: int, headers: list[tuple[str, str]]) -> None:
        self.answer = (number, headers)

    def response_bytes(self, number: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.answer = (number, headers, body)


def asked(application: Any, body: Callable[[], Any], *headers: tuple[str, str], **other: Any) -> tuple[Any, ...]:
    """Ask *application* and return what it answers."""
    fields = {"method": "POST", "path": "/a b/ñ", "query_string": "q=1", "scheme": "http", "http_version": "1.1"}
    ends = {"server": "127.0.0.1:80", "client": "127.0.0.1:5000", "authority": None}
    scope: Any = SimpleNamespace(**fields | ends | other, headers=SimpleNamespace(items=lambda: list(headers)))
    protocol: Any = Protocol(body)
    site = rsgi.Site(application)

    async def ask() -> None:
        site.__rsgi_init__(asyncio.get_running_loop())
        await site.__rsgi__(scope, protocol)

    asyncio.run(ask())
    return tuple(protocol.answer)


class Echo:
    """An application that keeps what it is told."""

    closed = False
    environ: dict[str, Any]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Echo:
        self.environ = environ
        start_response("201 Created", [("a", "b")])
        return self

    def __iter__(self) -> Iterator[bytes]:
        yield b"<"
        yield self.environ["wsgi.input"].read()
        yield b">"

    def close(self) -> None:
        self.closed = True


async def given() -> bytes:
    """The body."""
    return b"body"


def test_what_an_application_is_told() -> None:
    """As by WSGI: bytes of the path as Latin-1, headers once each; no header that passes for another."""
    echo = Echo()
    headers = [("host", "a"), ("content-length", "4"), ("content-type", "text/plain"), ("x-one", "1"), ("x-one", "2")]
    headers += [("cookie", "a=1"), ("cookie", "b=2"), ("x_forwarded_proto", "https")]
    assert asked(echo, given, *headers) == (201, [("a", "b")], b"<body>")
    assert echo.closed
    told = echo.environ
    assert told["PATH_INFO"].encode("latin-1").decode() == "/a b/ñ"
    assert (told["SERVER_NAME"], told["SERVER_PORT"], told["REMOTE_ADDR"]) == ("127.0.0.1", "80", "127.0.0.1")
    assert (told["CONTENT_LENGTH"], told["CONTENT_TYPE"]) == ("4", "text/plain")
    assert (told["HTTP_HOST"], told["HTTP_X_ONE"], told["HTTP_COOKIE"]) == ("a", "1,2", "a=1;b=2")
    assert "HTTP_X_FORWARDED_PROTO" not in told
    asked(echo, given, authority="example.org", server="[::1]:80", client="[::1]:5000", http_version="2")
    assert (echo.environ["SERVER_NAME"], echo.environ["REMOTE_ADDR"]) == ("::1", "::1")
    assert (echo.environ["HTTP_HOST"], echo.environ["SERVER_PROTOCOL"]) == ("example.org", "HTTP/2")


def test_bodies_that_do_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """In time: 408; at all, for the visitor has left: nobody hears 400."""
    monkeypatch.setattr(rsgi, "BODY_WITHIN", 0.01)
    length = ("content-length", "4")

    async def left() -> bytes:
        raise ProtocolClosed

    assert asked(Echo(), lambda: asyncio.sleep(60), length)[0] == 408
    assert asked(Echo(), left, length)[0] == 400


def test_an_application_that_fails_is_closed() -> None:
    """And its exception is granian's to tell: 500."""

    class Broken(Echo):
        def __iter__(self) -> Iterator[bytes]:
            raise KeyError("broken")

    broken = Broken()
    with pytest.raises(KeyError):
        asked(broken, given)
    assert broken.closed
