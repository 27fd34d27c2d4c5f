"""DKIM signatures (RFC 6376; Ed25519: RFC 8463), relaxed/relaxed. Needs the extra ``dkim``.

The signature covers the bytes that go out, so a signed message is 7 bit: a server on the way would encode 8 bit anew.
"""

from __future__ import annotations

import hashlib
import re
import time
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cb_mail.errors import HeaderError, MailError
from cb_mail.raw import RawMessage, crlf, split_fields
from cb_mail.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from cb_mail.delivery import Sendable

__all__ = ["Signer"]

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*")
_SIGNED: Final[tuple[str, ...]] = (
    *("from", "to", "cc", "reply-to", "subject", "date", "message-id", "mime-version", "content-type"),
    *("content-transfer-encoding", "list-unsubscribe", "list-unsubscribe-post"),
)
# Signed once more than they are there: nobody can put a second one in (RFC 6376, 8.15).
_ONCE: Final = frozenset({"from", "to", "subject", "date"})


class Signer:
    """Signs messages for *domain*; the public key stands in DNS under ``SELECTOR._domainkey.DOMAIN``.

    Args:
        key: A private key in PEM, RSA of 1024 bits and more or Ed25519; or the file it is in.
        selector: Which of the domain's keys it is.
        domain: Who answers for the message; readers compare it with the one in From (DMARC).

    Raises:
        MailError: The key cannot be read, is no such key, or the extra ``dkim`` is not installed.
        HeaderError: Selector or domain is no name.
    """

    def __init__(self, key: Path | bytes, *, selector: str, domain: str) -> None:
        for what, name in (("selector", selector), ("domain", domain)):
            if not _NAME.fullmatch(name):
                raise HeaderError(f"DKIM {what}: {shown(name)} is no name in DNS (letters, digits, - and .)")
        try:
            from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
            from cryptography.hazmat.primitives.hashes import SHA256
            from cryptography.hazmat.primitives.serialization import load_pem_private_key
        except ModuleNotFoundError as error:
            raise MailError("DKIM wants another package (pip install 'cb-mail[dkim]')") from error
        where = f"{key}: " if isinstance(key, Path) else ""
        try:
            loaded = load_pem_private_key(key.read_bytes() if isinstance(key, Path) else key, None)
        except OSError as error:
            raise MailError(f"{where}{error.strerror}") from error
        except (ValueError, TypeError) as error:
            raise MailError(f"{where}no private key in PEM, or one with a password") from error
        self._domain, self._selector = domain, selector
        self._sign: Callable[[bytes], bytes]
        if isinstance(loaded, ed25519.Ed25519PrivateKey):
            edwards = loaded
            self._algorithm = "ed25519-sha256"
            self._sign = lambda data: edwards.sign(hashlib.sha256(data).digest())
        elif isinstance(loaded, rsa.RSAPrivateKey) and loaded.key_size >= 1024:
            large = loaded
            self._algorithm = "rsa-sha256"
            self._sign = lambda data: large.sign(data, padding.PKCS1v15(), SHA256())
        else:
            raise MailError(f"{where}neither Ed25519 nor RSA of 1024 bits or more")

    def signed(self, message: Sendable) -> RawMessage:
        """Return *message* with its signature at the top. Costs its whole size in memory."""
        from cb_mail.mime import flat

        data = crlf(b"".join(flat(message.pieces(utf8=message.needs_smtputf8))))
        envelope = message.envelope()
        field = self.field(data)
        return RawMessage(field + data, envelope.sender, envelope.recipients, message.message_id)

    def field(self, data: bytes, *, now: int | None = None) -> bytes:
        """Return the field ``DKIM-Signature`` for a message with CRLF line ends."""
        fields, body = split_fields(data)
        there: dict[str, list[bytes]] = {}
        for found, _, value in fields:
            there.setdefault(found.decode("ascii"), []).append(value)
        names: list[str] = []
        lines: list[bytes] = []
        for name in _SIGNED:
            values = there.get(name, [])
            names += [name] * (len(values) + (name in _ONCE))
            lines += [_relaxed(name, value) + b"\r\n" for value in reversed(values)]
        digest = b64encode(hashlib.sha256(_relaxed_body(body)).digest()).decode()
        head = (
            f"v=1; a={self._algorithm}; c=relaxed/relaxed;\r\n d={self._domain};\r\n s={self._selector};\r\n"
            f" t={int(time.time()) if now is None else now};\r\n h={_folded(names)};\r\n bh={digest};\r\n b="
        )
        own = _relaxed("dkim-signature", head.replace("\r\n", "").encode())
        signature = b64encode(self._sign(b"".join(lines) + own)).decode()
        pieces = "\r\n ".join(signature[at : at + 72] for at in range(0, len(signature), 72))
        return f"DKIM-Signature: {head}{pieces}\r\n".encode()


def _folded(names: list[str]) -> str:
    lines = [names[at : at + 6] for at in range(0, len(names), 6)]
    return ":\r\n ".join(":".join(line) for line in lines)


def _relaxed(name: str, value: bytes) -> bytes:
    """Return a field in relaxed canonical form (RFC 6376, 3.4.2), without its line end."""
    return name.encode() + b":" + re.sub(rb"[ \t]+", b" ", value).strip(b" ")


def _relaxed_body(body: bytes) -> bytes:
    """Return a body in relaxed canonical form (RFC 6376, 3.4.4)."""
    body = re.sub(rb"[ \t]+", b" ", body).replace(b" \r\n", b"\r\n").rstrip(b"\r\n")
    body = body.removesuffix(b" ")
    return body + b"\r\n" if body else b""
