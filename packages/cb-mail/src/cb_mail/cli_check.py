"""``cb-mail check``: a server, an address, a message."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from cb_mail.cli_options import client_of, readable, say, server_options

__all__ = ["check"]


@click.command()
@click.argument("what")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@server_options()
def check(what: str, form: str, **options: Any) -> int:
    """Look at WHAT: a server (smtp://host:port, host:port), an address (a@example.com), or a message (a file).

    A server is connected to and left again: what it offers before and after TLS, its certificate, how far it is.
    Exit 1 if a message may be wrong.
    """
    if "@" in what and "/" not in what and not Path(what).exists():
        return _address(what, form)
    if what.endswith(".eml") or ("/" in what and "://" not in what and not what.startswith("lmtp:")):
        readable(Path(what))
    if Path(what).is_file():
        return _message(Path(what), form)
    options["server"] = what
    return _server(options, form)


def _address(text: str, form: str) -> int:
    from cb_mail.address import Address

    address = Address.parse(text)
    found = {"address": address.addr, "name": address.name, "needs_smtputf8": address.needs_smtputf8}
    if not address.needs_smtputf8:
        found["ascii"] = address.ascii
    click.echo(json.dumps(found, ensure_ascii=False) if form == "json" else f"{address.addr}: an address")
    if form == "text":
        if address.needs_smtputf8:
            click.echo("only a server with SMTPUTF8 can be given it")
        elif address.ascii != address.addr:
            click.echo(f"for servers without SMTPUTF8: {address.ascii}")
    return 0


def _message(path: Path, form: str) -> int:
    from cb_mail.lint import lint, tree

    raw = path.read_bytes()
    found = lint(raw)
    if form == "json":
        click.echo(json.dumps({"file": str(path), "size": len(raw), "warnings": found}, ensure_ascii=False))
    else:
        click.echo(tree(raw))
        for line in found:
            say(f"{path}: {line}")
    return 1 if found else 0


def _server(options: dict[str, Any], form: str) -> int:
    tls = options["tls"]
    plain: dict[str, str] = {}
    connect = client_of(dict(options))
    with connect() as client:
        start = time.perf_counter()
        capabilities = client.capabilities
        seconds = time.perf_counter() - start
        wire = client.wire
        assert wire is not None
        round_trip = min(_round_trip(wire) for _ in range(3))  # the way, not what else the machines are busy with
        certificate, cipher = wire.peer_certificate, wire.cipher
        place, used = client.place, tls or client.place.tls
    if used == "starttls":
        plain = _before_tls(options)
    found: dict[str, Any] = {
        "server": str(place),
        "greeting": capabilities.greeting,
        "tls": cipher or "none",
        "certificate": _certificate(certificate),
        "connected_ms": round(seconds * 1000, 1),
        "round_trip_ms": round(round_trip * 1000, 2),
        "before_tls": plain,
        "offers": dict(capabilities.keywords),
        "advice": _advice(capabilities, round_trip),
    }
    if form == "json":
        click.echo(json.dumps(found, ensure_ascii=False))
        return 0
    for name in ("server", "greeting", "tls", "connected_ms", "round_trip_ms"):
        click.echo(f"{name.replace('_', ' '):<14} {found[name]}")
    for name, value in found["certificate"].items():
        click.echo(f"{name:<14} {value}")
    for title, keywords in (("before TLS", plain), ("offers", capabilities.keywords)):
        for number, (keyword, words) in enumerate(keywords.items()):
            click.echo(f"{title if number == 0 else '':<14} {keyword} {words}".rstrip())
    for line in found["advice"]:
        say(line)
    return 0


def _before_tls(options: dict[str, Any]) -> dict[str, str]:
    """Return what the server offers to who has not begun TLS; nothing is sent but EHLO."""
    from cb_mail.errors import MailError

    try:
        with client_of({**options, "tls": "none", "server": _without_user(options["server"])})() as client:
            return dict(client.capabilities.keywords)
    except MailError as error:
        return {"(nothing)": str(error)}


def _without_user(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else url.rpartition("@")[2]


def _certificate(der: bytes | None) -> dict[str, str]:
    if not der:
        return {}
    import hashlib
    import ssl
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(ssl.DER_cert_to_PEM_cert(der))
        file.flush()
        found: dict[str, Any] = ssl._ssl._test_decode_cert(file.name)  # type: ignore[attr-defined]  # noqa: SLF001
    names = [value for kind, value in found.get("subjectAltName", ()) if kind in {"DNS", "IP Address"}]
    return {
        "names": ", ".join(names),
        "expires": str(found.get("notAfter", "")),
        "sha-256": hashlib.sha256(der).hexdigest(),
    }


def _round_trip(wire: Any) -> float:
    start = time.perf_counter()
    wire.write([b"NOOP\r\n"])
    wire.read()
    return time.perf_counter() - start


def _advice(capabilities: Any, round_trip: float) -> list[str]:
    lines = []
    if not capabilities.has("PIPELINING"):
        lines.append("no PIPELINING: each message costs four round trips; more --connections help")
    elif round_trip > 0.005:
        window = " and --window 64" if capabilities.has("CHUNKING") else ""
        lines.append(f"far away ({round_trip * 1000:.0f} ms): use several --connections{window}")
    if not capabilities.has("8BITMIME"):
        lines.append("no 8BITMIME: texts are sent as quoted-printable")
    if not capabilities.has("SMTPUTF8"):
        lines.append("no SMTPUTF8: addresses with other letters before the @ are refused")
    return lines
