"""No secret reaches a log: a corpus of them, in all the places where they turn up."""

from __future__ import annotations

import http.server
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cb_logging import ConfigError, Redactor, context, setup

S = "hunter2Secret"
SHAPES = [
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_11ABCDEFG0123456789abcdefxyz",
    "glpat-ABCDEFGHIJKLMNOPQRST",
    "sk-proj-abcdefghijklmnop1234",
    "sk_live_abcdefghijklmnop1234",
    "xoxb-123456789012-abcdefghijkl",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "npm_abcdefghijklmnopqrstuvwxyz0123456789",
    "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
]
KEYS = [
    "password", "passwd", "pwd", "secret", "client_secret", "token", "access_token", "refresh-token", "api_key",
    "apikey",
    "API-KEY", "private_key", "access_key", "session_id", "passphrase", "db_password", "X-Api-Key", "credential",
    "aws_secret_access_key",
]  # fmt: skip
WRITTEN = [
    "{0}={1}",
    "{0}: {1}",
    '"{0}": "{1}"',
    "'{0}': '{1}'",
    "{0} = {1}",
    "?{0}={1}&x=1",
    "{0}=>'{1}'",
    "<{0}='{1}'>",
]
CORPUS = [form.format(key, S) for key in KEYS for form in WRITTEN]
CORPUS += [
    f"Authorization: Bearer {S}{S}",
    f"authorization: Basic {S}",
    f"Cookie: session={S}; theme={S}",
    f"{{'Set-Cookie': 'id={S}; Path=/'}}",
    f"Proxy-Authorization: Digest username=x, response={S}",
    f"GET https://ann:{S}@example.org/x",
    f"postgresql://app:{S}@db:5432/shop",
    f"redis://:{S}@cache/0",
    f"using bearer {S}{S}",
    f"('authorization', 'Bearer {S}')",
    f"[(b'authorization', b'Bearer {S}')]",
    f"-----BEGIN RSA PRIVATE KEY-----\n{S}\n{S}==\n-----END RSA PRIVATE KEY-----",
    f"{{'user': {{'name': 'ann', 'password': '{S}'}}}}",
    f'{{\\"password\\": \\"{S}\\"}}',
]


@pytest.mark.parametrize("form", ["book", "json"])
def test_no_leak(tmp_path: Path, form: str) -> None:
    """Every secret of the corpus, in messages, arguments, fields, nested fields and tracebacks: none is there."""
    log = tmp_path / "app.log"
    assert len(CORPUS) + len(SHAPES) >= 170
    with setup("INFO", format=form, to=log, uncaught=False):
        out = logging.getLogger("x")
        for secret in [*CORPUS, *SHAPES]:
            out.info(secret.replace("%", "%%"))
            out.info("got %s", secret)
            out.info("got %r", [secret])
            out.error("failed", exc_info=ValueError(secret))
            out.info("field", extra={"said": secret, "deep": {"list": [secret]}})
        for key in KEYS:
            out.info("x", extra={key: S, "deep": {key: {"a": S}}, "list": [{key: [S]}]})
    text = log.read_text()
    assert S not in text
    for shape in SHAPES:
        assert shape not in text


def test_no_leak_by_fields_of_a_text_format(tmp_path: Path) -> None:
    """Context fields and ``extra`` that a line shows: by the field's name, by what the value holds, nested or not."""
    log = tmp_path / "app.log"
    names = ["api_key", "said", "deep"]
    form = " ".join(f"%({name})s" for name in [*names, "message"])
    with setup("INFO", format=form, fields=names, to=log, uncaught=False):
        out = logging.getLogger("x")
        for secret in [*CORPUS, *SHAPES]:
            fields = {"api_key": S, "said": secret, "deep": {"token": [S], "list": [secret]}}
            with context(**fields):
                out.info("context")
                out.info("context", stacklevel=1)
            out.info("extra", extra=fields)
    text = log.read_text()
    assert S not in text
    assert not [shape for shape in SHAPES if shape in text]
    assert text.startswith("*** ")


@pytest.mark.parametrize("form", ["%(levelname)s %(message)s", "json"])
def test_both_ways_hide_the_same(tmp_path: Path, form: str) -> None:
    """The look that the generated methods take first sees all that the expressions find."""
    log = tmp_path / "app.log"
    with setup("INFO", format=form, to=log, uncaught=False):
        out = logging.getLogger("x")
        for secret in [*CORPUS, *SHAPES]:
            for more in ({}, {"extra": {"said": secret}}):
                for passing in ([], [bool]):  # a filter: the record goes the standard library's way
                    logging.root.handlers[0].filters[:] = passing  # type: ignore[assignment]
                    out.info("%s", secret, **more)  # type: ignore[arg-type]
    lines = [re.sub('"time":"[^"]*"', "", line) for line in log.read_text().splitlines()]
    assert len(lines) == 4 * len([*CORPUS, *SHAPES])
    assert lines[::2] == lines[1::2]


class Collector(http.server.BaseHTTPRequestHandler):
    """Keeps bodies."""

    got: list[bytes]

    def do_POST(self) -> None:
        self.got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def collected() -> Iterator[tuple[int, list[bytes]]]:
    """A server's port, and the bodies that it got."""
    kind = type("Kind", (Collector,), {"got": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port, kind.got
        server.shutdown()
        thread.join(30)


def log_secrets(to: str) -> None:
    """A secret in message, argument, field, context, exception, through a set-up to one place; what is none, too."""
    with setup("INFO", to=to, uncaught=False):
        with context(session_id=S, request="r1"):
            logging.getLogger("x").info("password=%s", S, extra={"token": S, "deep": [{"pwd": S}], "user": "ann"})
        logging.getLogger("x").error("failed", stack_info=True, exc_info=ValueError(f"secret={S}"))


@pytest.mark.parametrize("spec", ["http://127.0.0.1:{}/log", "otlp+http://127.0.0.1:{}/v1/logs"])
def test_no_leak_over_http(collected: tuple[int, list[bytes]], spec: str) -> None:
    """Handlers that send fields hide what is in them; the context goes along."""
    port, got = collected
    log_secrets(spec.format(port))
    body = b"".join(got)
    assert S.encode() not in body
    assert b"r1" in body
    assert b"ann" in body
    assert b"ValueError" in body


@pytest.mark.parametrize("spec", ["udp+unix:{0}", "journal:{0}", "syslog://127.0.0.1:{1}", "udp://127.0.0.1:{1}"])
def test_no_leak_by_datagrams(tmp_path: Path, spec: str) -> None:
    """Pickled records, the journal's fields, syslog's structured data."""
    path = tmp_path / "socket"
    with (
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as near,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as far,
    ):
        near.bind(str(path))
        far.bind(("127.0.0.1", 0))
        log_secrets(spec.format(path, far.getsockname()[1]))
        server = near if "{0}" in spec else far
        server.settimeout(30)
        data = server.recv(1 << 16) + server.recv(1 << 16)
    assert S.encode() not in data
    assert b"r1" in data
    assert b"ValueError" in data


@pytest.mark.parametrize("spec", ["queue:?target=file:{}", "memory:100?target=file:{}"])
def test_what_waits_is_as_it_was_called(tmp_path: Path, spec: str) -> None:
    """Behind a queue or a buffer a record has the context of its call, its traceback below it, and no secrets."""
    log = tmp_path / "app.log"
    names = ["request", "session_id"]
    form = "[%(request)s %(session_id)s] %(message)s"
    with setup("INFO", to=spec.format(log), format=form, fields=names), context(request="r1", session_id=S):
        logging.getLogger("x").error("%s", "late", exc_info=ValueError(f"token={S}"))
    assert log.read_text() == "[r1 ***] late\nValueError: token=***\n"


@pytest.mark.parametrize(
    "text",
    [
        "the cookie, then the authorization, please",
        "tokens: 7, tokenizer=x, author: Ann, keyboard=us, max_tokens=100",
        "order 17 placed by ann@example.org",
        "https://example.org/path?page=2",
        "the secret of success",
        "passed: 12, bypass=no",
        "GET /a-b_c?d=e 12:30:01",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Words that only look alike, and addresses, unless they are asked for."""
    assert Redactor()(text) == text


def test_on_request() -> None:
    """Keys of one's own; personal data; and nothing at all."""
    hide = Redactor(["pin", "pii"])
    assert hide("pin=1234 mail ann@example.org call +49 30 1234567") == "pin=*** mail *** call ***"
    assert hide.value({"pin": [1], "n": 7, "t": ("x",)}) == {"pin": "***", "n": 7, "t": ["x"]}
    with pytest.raises(ConfigError, match="no key"):
        Redactor(["a b"])


def test_linear() -> None:
    """A megabyte of what an expression might choke on takes seconds at most, not hours."""
    hide = Redactor(["pii"])
    start = time.process_time()
    for part in (
        "a" * 40_000,
        "password" * 20_000,
        "://" * 60_000,
        "key=" * 200_000,
        "1 " * 60_000,
        '"' * 100_000,
    ):
        hide(part)
    assert time.process_time() - start < 60
