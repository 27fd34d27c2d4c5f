"""Correct mail from Python, the shell or a CSV, delivered fast and crash-safely."""

from __future__ import annotations

from cb_mail.address import Address
from cb_mail.attachment import Attachment
from cb_mail.client import Client, send
from cb_mail.credentials import Credentials
from cb_mail.errors import (
    AddressError,
    AuthError,
    ConnectError,
    HeaderError,
    MailError,
    ProtocolError,
    ServerError,
    SpoolError,
    TemplateError,
    TLSError,
    UnknownOutcome,
)
from cb_mail.message import Envelope, Message
from cb_mail.raw import RawMessage
from cb_mail.result import RecipientResult, Result

__version__ = "0.1.0"
__all__ = [
    "Address",
    "AddressError",
    "Attachment",
    "AuthError",
    "Client",
    "ConnectError",
    "Credentials",
    "Envelope",
    "HeaderError",
    "MailError",
    "Message",
    "ProtocolError",
    "RawMessage",
    "RecipientResult",
    "Result",
    "ServerError",
    "SpoolError",
    "TLSError",
    "TemplateError",
    "UnknownOutcome",
    "__version__",
    "send",
]
