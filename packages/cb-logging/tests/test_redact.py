"""No secret reaches a log: a corpus of them, in all the places where they turn up."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest
from cb_logging import ConfigError, Redactor, setup

S = "hunter2Secret"
SHAPES = [
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_11ABCDEFG0123456789abcdefghij",
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


@pytest.mark.parametrize(
    "text",
    [
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
