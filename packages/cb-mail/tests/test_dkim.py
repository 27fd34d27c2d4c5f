"""DKIM signatures, read by dkimpy, which has none of our code."""

from __future__ import annotations

import sys
from base64 import b64encode
from pathlib import Path

import dkim
import pytest
from cb_mail import HeaderError, MailError, Message, Spool, Template
from cb_mail.dkim import Signer
from cb_mail.testing import Server
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as some
from mail_support import command

RSA = rsa.generate_private_key(65537, 2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
KEYS = {"rsa": RSA, "ed25519": ED25519}


def pem(key: object) -> bytes:
    """Return a private key as it is in a file."""
    made: bytes = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())  # type: ignore[attr-defined]
    return made


def txt(kind: str) -> bytes:
    """Return what DNS says of a key."""
    if kind == "rsa":
        public = RSA.public_key().public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    else:
        public = ED25519.public_key().public_bytes(form.Encoding.Raw, form.PublicFormat.Raw)
    return b"v=DKIM1; k=" + kind.encode() + b"; p=" + b64encode(public)


def good(data: bytes, kind: str) -> bool:
    """Whether dkimpy finds the signature good."""

    def dns(name: bytes, timeout: int = 5) -> bytes:
        assert name == b"mail._domainkey.example.com."
        return txt(kind)

    found: bool = dkim.verify(data, dnsfunc=dns)
    return found


def signer(kind: str) -> Signer:
    """Return who signs for example.com."""
    return Signer(pem(KEYS[kind]), selector="mail", domain="example.com")


@pytest.mark.parametrize("kind", KEYS)
def test_signed(kind: str, tmp_path: Path) -> None:
    """A message with all there is verifies; one octet changed, or a second From put in, does not."""
    path = tmp_path / "file.bin"
    path.write_bytes(bytes(range(256)) * 300)
    message = Message(
        "Jörg <shop@example.com>",
        ["ann@example.org", "bob@example.org"],
        "Grüße, und nun kommt noch ein langer Betreff, der auf eine Zeile nicht mehr passen kann",
        "Hallo  \t\nWelt \n\n\n",
        "<p>Hallo</p>",
        attachments=[path],
        unsubscribe="https://example.com/u",
    )
    data = signer(kind).signed(message).data
    assert data.isascii()
    assert good(data, kind)
    assert not good(data.replace(b"Hallo", b"Hello", 1), kind)
    assert not good(data.replace(b"From:", b"From: eve@example.com\r\nFrom:", 1), kind)


@given(some.text(some.characters(exclude_categories=["Cs"]), max_size=200))
@pytest.mark.parametrize("kind", ["ed25519"])
def test_any_text(kind: str, text: str) -> None:
    """White space and line ends of every kind are made canonical as the verifier does."""
    message = Message("shop@example.com", "ann@example.org", "s", text)
    assert good(signer(kind).signed(message).data, kind)


def test_empty_body() -> None:
    """An empty body is nothing, once it is canonical (RFC 6376, 3.4.4)."""
    data = b"From: shop@example.com\r\nTo: a@b.c\r\n\r\n"
    assert good(signer("rsa").field(data, now=1) + data, "rsa")


def test_what_cannot_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, another kind, a short one, names that are none, no extra: one clear line."""
    with pytest.raises(MailError, match="no private key in PEM"):
        Signer(b"nothing", selector="a", domain="b.c")
    with pytest.raises(MailError, match=r"absent\.pem: No such file"):
        Signer(tmp_path / "absent.pem", selector="a", domain="b.c")
    with pytest.raises(MailError, match="neither Ed25519 nor RSA"):
        Signer(pem(ec.generate_private_key(ec.SECP256R1())), selector="a", domain="b.c")
    for selector, domain in (("a b", "c.d"), ("a", "c;d=e"), ("", "c.d"), ("a", "c\r\nX: y")):
        with pytest.raises(HeaderError, match="no name in DNS"):
            Signer(pem(ED25519), selector=selector, domain=domain)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    with pytest.raises(MailError, match=r"cb-mail\[dkim\]"):
        Signer(pem(ED25519), selector="a", domain="b.c")


def test_send_and_merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both commands sign what they send; a third of the options alone is refused."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.pem").write_bytes(pem(ED25519))
    (tmp_path / "t.txt").write_text("From: shop@example.com\nTo: {{ mail }}\nSubject: s\n\nDear {{ mail }} \n")
    (tmp_path / "rows.csv").write_text("mail\nann@example.org\nbob@example.org\n")
    key = ["--dkim-key", "key.pem", "--dkim-selector", "mail", "--dkim-domain", "example.com"]
    with Server() as server:
        sent = command("send", "--from", "a@example.com", "--to", "b@b.c", "--server", server.url, *key)
        assert sent.returncode == 0
        merged = command("merge", "t.txt", "rows.csv", "--server", server.url, "--spool", "s", *key)
        assert merged.returncode == 0
        caught = server.wait(3)
    assert all(good(one.data, "ed25519") for one in caught)
    wrong = command("send", "--from", "a@example.com", "--to", "b@b.c", "--server", server.url, *key[:2])
    assert wrong.returncode == 2
    assert "go together" in wrong.stderr


def test_kept_as_signed(tmp_path: Path) -> None:
    """What the spool keeps of a merge is what was signed."""
    template = Template("shop@example.com", "{{ mail }}", "s", "t")
    with Spool(tmp_path / "spool") as spool:
        spool.put_merge(template, [{"mail": "ann@example.org"}], key="k", signed=signer("rsa").signed)
        (entry,) = spool.entries()
        assert good(spool.content(entry.id), "rsa")
