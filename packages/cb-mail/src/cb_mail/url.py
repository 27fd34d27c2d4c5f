"""Where to: ``smtp://user@host:587``, ``smtps://host``, ``lmtp:///run/lmtp.sock``, ``sendmail:``."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from cb_mail.text import shown

__all__ = ["TLS", "Place"]

TLS: TypeAlias = Literal["implicit", "starttls", "none"]
_PORTS: Final = {"smtps": 465, "smtp": 587, "lmtp": 24}


@dataclass(frozen=True, slots=True)
class Place:
    """A server, as a URL names it.

    >>> Place.parse("smtp://anna@mail.example.com")
    Place(scheme='smtp', host='mail.example.com', port=587, user='anna', path='')
    """

    scheme: str
    host: str = ""
    port: int = 0
    user: str = ""
    path: str = ""

    @classmethod
    def parse(cls, url: str) -> Place:
        """Read a URL; ``host`` or ``host:port`` alone is ``smtp://``.

        Raises:
            ValueError: It names no server, or holds a password.
        """
        if "://" not in url and not url.startswith("sendmail:"):
            url = f"smtp://{url}"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"server {shown(url)}: {error}") from error
        if parts.scheme == "sendmail":
            return cls("sendmail", path=unquote(parts.path) or "sendmail")
        if parts.password is not None:
            raise ValueError(
                "server: a password in a URL is seen by all (CB_MAIL_PASSWORD, a file, netrc, the keyring)"
            )
        if parts.scheme not in _PORTS or parts.query or parts.fragment:
            raise ValueError(f"server {shown(url)}: not smtp://, smtps://, lmtp:// or sendmail:")
        path = unquote(parts.path)
        if parts.scheme == "lmtp" and not parts.hostname and path.startswith("/"):
            return cls("lmtp", path=path)
        if not parts.hostname or path.strip("/"):
            raise ValueError(f"server {shown(url)}: no host in it (like smtp://mail.example.com:587)")
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], unquote(parts.username or ""))

    @property
    def local(self) -> bool:
        """Whether what is sent stays on this machine: loopback, or a Unix socket."""
        if self.path or self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def tls(self) -> TLS:
        """What is used unless something else is said: TLS, except for what stays on this machine."""
        return "implicit" if self.scheme == "smtps" else "none" if self.local or self.scheme == "lmtp" else "starttls"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.path or f"{host}:{self.port}"
