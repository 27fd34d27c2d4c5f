"""Correct mail from Python, the shell or a CSV, delivered fast and crash-safely."""

from __future__ import annotations

from cb_mail.address import Address
from cb_mail.attachment import Attachment
from cb_mail.errors import AddressError, HeaderError, MailError
from cb_mail.message import Envelope, Message

__version__ = "0.1.0"
__all__ = ["Address", "AddressError", "Attachment", "Envelope", "HeaderError", "MailError", "Message", "__version__"]
