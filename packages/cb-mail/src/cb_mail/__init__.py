"""Correct mail from Python, the shell or a CSV, delivered fast and crash-safely."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cb_mail.address import Address
    from cb_mail.aio import AsyncClient
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
    from cb_mail.spool import Spool
    from cb_mail.template import Template

__version__ = "0.1.0"
__all__ = [
    "Address",
    "AddressError",
    "AsyncClient",
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
    "Spool",
    "SpoolError",
    "TLSError",
    "Template",
    "TemplateError",
    "UnknownOutcome",
    "__version__",
    "send",
]

# Names are fetched when they are first used (PEP 562): `cb-mail --help` needs neither ssl nor sqlite3 nor jinja2.
_WHERE = {
    "address": ("Address",),
    "aio": ("AsyncClient",),
    "attachment": ("Attachment",),
    "client": ("Client", "send"),
    "credentials": ("Credentials",),
    "errors": tuple(name for name in __all__ if name.endswith(("Error", "Outcome"))),
    "message": ("Envelope", "Message"),
    "raw": ("RawMessage",),
    "result": ("RecipientResult", "Result"),
    "spool": ("Spool",),
    "template": ("Template",),
}


if not TYPE_CHECKING:  # a type checker knows the names, and that there are no others

    def __getattr__(name: str) -> object:
        from importlib import import_module

        for module, names in _WHERE.items():
            if name in names:
                value: object = getattr(import_module(f"{__name__}.{module}"), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
