"""What can go wrong, as exceptions a caller can act on. No message holds a password."""

from __future__ import annotations

__all__ = [
    "AddressError",
    "AuthError",
    "ConnectError",
    "HeaderError",
    "MailError",
    "ProtocolError",
    "ServerError",
    "SpoolError",
    "TLSError",
    "TemplateError",
    "UnknownOutcome",
]


class MailError(Exception):
    """Any error of this package."""


class AddressError(MailError, ValueError):
    """An address that is none, or that this server cannot be given."""


class HeaderError(MailError, ValueError):
    """A subject, name, file name, content id or header that must not stand in a message."""


class TemplateError(MailError, ValueError):
    """A template, or a row for it, that makes no message. ``row`` counts from 1; 0 is the template itself."""

    def __init__(self, text: str, *, row: int = 0) -> None:
        super().__init__(text)
        self.row = row


class ConnectError(MailError, ConnectionError):
    """No connection: nothing was sent, and it is safe to try again."""


class TLSError(ConnectError):
    """The server's certificate, or its STARTTLS, is not what was asked for. Nothing was sent."""


class AuthError(MailError):
    """The server refused the user or the password, or there is none to give. Nothing was sent."""


class ServerError(MailError):
    """A reply that ends what was asked for; its ``code``, ``enhanced`` code (like ``5.1.1``, or empty) and words."""

    def __init__(self, text: str, *, code: int, enhanced: str = "", reply: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.enhanced = enhanced
        self.reply = reply

    @property
    def transient(self) -> bool:
        """Whether the same may go well later (a code of 4xx)."""
        return 400 <= self.code < 500


class ProtocolError(MailError):
    """What the peer sends is not SMTP, or more than its bounds allow."""


class UnknownOutcome(MailError):
    """The connection broke after a message's last byte and before its reply: it was delivered, or not."""


class SpoolError(MailError):
    """A spool that cannot be read, written or locked."""
