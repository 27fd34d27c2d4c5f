"""A message: what it says, to whom, and its bytes. RFC 5322, RFC 2045 to 2049, RFC 8058."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

from cb_mail.address import Address, address_of, addresses_of
from cb_mail.attachment import Attachment
from cb_mail.errors import AddressError, HeaderError
from cb_mail.header import addresses, unstructured
from cb_mail.mime import Part, attached, flat, multipart, text_part
from cb_mail.text import one_line, shown

__all__ = ["Envelope", "Message", "date_field", "new_message_id"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,75}")
_OWN: Final = frozenset(
    {"bcc", "cc", "date", "from", "list-unsubscribe", "list-unsubscribe-post", "message-id", "mime-version"}
    | {"reply-to", "subject", "to"}
)
_ID: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,200}"
_MESSAGE_ID: Final = re.compile(rf"<{_ID}@(?:{_ID}|\[[A-Za-z0-9.:]{{1,60}}\])>")
_LINK: Final = re.compile(r"(?:https://|mailto:)[!#-;=?-Z\[\]_a-z~%&$'()*+,]{1,900}")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the server is told apart from the message: who sends, and who receives (RFC 5321, 2.3.1)."""

    sender: Address | None
    """Where failures go; None for ``<>``, nobody."""
    recipients: tuple[Address, ...]
    """Each mailbox once."""

    @property
    def needs_smtputf8(self) -> bool:
        """Whether a local part is not ASCII."""
        return any(one.needs_smtputf8 for one in self.recipients) or bool(self.sender and self.sender.needs_smtputf8)


@dataclass(frozen=True, slots=True, init=False)
class Message:
    """One message. It does not change; checks are made when it is made, so that what exists can be sent.

    Args:
        sender: Who it is from; ``"Name <local@domain>"`` or an `Address`, as all addresses here.
        to: One receiver, several, or a text with commas between them.
        subject: One line.
        text: The text for who reads no HTML. By default, made of *html*.
        html: The same as HTML.
        cc: Others who are shown.
        bcc: Others who are not: they are in the envelope and in no byte of the message.
        reply_to: Where answers go, if not to the sender.
        attachments: Paths, or `Attachment`.
        inline: Files that HTML shows, by the content id in ``<img src="cid:logo">``.
        headers: Further fields. Those that this class writes are refused.
        unsubscribe: An https or mailto link, or several: List-Unsubscribe, and with https the one click of RFC 8058.
        message_id: With its angle brackets; by default a new one in the sender's domain.
        date: By default now. One without a time zone is local.

    Raises:
        AddressError: An address is none, or there is no receiver.
        HeaderError: A name, a subject, a header must not stand in a message.
        MailError: A file is not there.

    >>> message = Message("Anna <anna@example.com>", "bob@example.org", "Lunch", "At noon?\\n", bcc="eve@example.net")
    >>> [one.addr for one in message.envelope().recipients]
    ['bob@example.org', 'eve@example.net']
    >>> print(message.as_bytes().decode().replace("\\r", "").partition("\\nDate")[0])
    From: Anna <anna@example.com>
    To: bob@example.org
    Subject: Lunch
    """

    sender: Address
    to: tuple[Address, ...]
    subject: str
    text: str | None
    html: str | None
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    attachments: tuple[Attachment, ...]
    inline: tuple[Attachment, ...]
    headers: tuple[tuple[str, str], ...]
    unsubscribe: tuple[str, ...]
    message_id: str
    date: str

    def __init__(
        self,
        sender: Address | str,
        to: Address | str | Iterable[Address | str],
        subject: str,
        text: str | None = None,
        html: str | None = None,
        *,
        cc: Address | str | Iterable[Address | str] = (),
        bcc: Address | str | Iterable[Address | str] = (),
        reply_to: Address | str | Iterable[Address | str] = (),
        attachments: Iterable[Attachment | Path | str] = (),
        inline: Mapping[str, Attachment | Path | str | bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        unsubscribe: str | Iterable[str] = (),
        message_id: str = "",
        date: datetime | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "sender", address_of(sender))
        put(self, "to", addresses_of(to))
        put(self, "cc", addresses_of(cc))
        put(self, "bcc", addresses_of(bcc))
        if not (self.to or self.cc or self.bcc):
            raise AddressError("a message wants a receiver (to, cc or bcc)")
        put(self, "subject", one_line("subject", subject))
        put(self, "text", text)
        put(self, "html", html)
        put(self, "reply_to", addresses_of(reply_to))
        put(self, "attachments", tuple(map(Attachment.of, attachments)) if attachments else ())
        put(self, "inline", tuple(_inline(cid, given) for cid, given in inline.items()) if inline else ())
        put(self, "headers", tuple(_further(headers)) if headers else ())
        put(self, "unsubscribe", _links(unsubscribe) if unsubscribe else ())
        if message_id and not _MESSAGE_ID.fullmatch(message_id):
            raise HeaderError(f"message id: {shown(message_id)} (like <word@example.com>)")
        put(self, "message_id", message_id or new_message_id(self.sender))
        put(self, "date", date_field(date))

    def envelope(self) -> Envelope:
        """Return who sends and who receives, each mailbox once."""
        if len(self.to) == 1 and not (self.cc or self.bcc):
            return Envelope(self.sender, self.to)
        return Envelope(self.sender, tuple({_mailbox(one): one for one in (*self.to, *self.cc, *self.bcc)}.values()))

    @property
    def needs_smtputf8(self) -> bool:
        """Whether an address, in the envelope or in a header, has a local part that is not ASCII."""
        everybody = (self.sender, *self.to, *self.cc, *self.bcc, *self.reply_to)
        return any(one.needs_smtputf8 for one in everybody)

    def pieces(self, *, eight_bit: bool = False, utf8: bool = False) -> Part:
        """Return the message as bytes and files that follow each other. Files are not read yet.

        Args:
            eight_bit: The server takes 8BITMIME.
            utf8: The server takes SMTPUTF8, and the message goes with it: addresses stand as they are.
        """
        return [self._head(utf8=utf8 or self.needs_smtputf8), *self._body(eight_bit=eight_bit or utf8)]

    def parts(self, *, eight_bit: bool = False, utf8: bool = False) -> Iterator[bytes]:
        """Yield its bytes, files in blocks of about 600 kB."""
        return flat(self.pieces(eight_bit=eight_bit, utf8=utf8))

    def as_bytes(self, *, eight_bit: bool = False, utf8: bool = False) -> bytes:
        """Return its bytes: ``CRLF`` line ends, no ``Bcc``. What is sent, before dots are doubled."""
        return b"".join(self.parts(eight_bit=eight_bit, utf8=utf8))

    @property
    def size(self) -> int:
        """Octets as 7 bit, without reading a file: within a few of what is sent."""
        return sum(len(piece) if isinstance(piece, bytes) else piece.encoded_size for piece in self.pieces())

    def _head(self, *, utf8: bool) -> bytes:
        lines = [addresses("From", [self.sender.header(utf8=utf8)])]
        for name, listed in (("To", self.to), ("Cc", self.cc)):
            if listed:
                lines.append(addresses(name, [one.header(utf8=utf8) for one in listed]))
        lines.append(unstructured("Subject", self.subject, utf8=utf8) if self.subject else "Subject:")
        if self.reply_to:
            lines.append(addresses("Reply-To", [one.header(utf8=utf8) for one in self.reply_to]))
        lines += [f"Date: {self.date}", f"Message-ID: {self.message_id}"]
        lines += [unstructured(name, value, utf8=utf8) for name, value in self.headers]
        if self.unsubscribe:
            lines.append("List-Unsubscribe: " + ",\r\n ".join(f"<{link}>" for link in self.unsubscribe))
            if any(link.startswith("https:") for link in self.unsubscribe):
                lines.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
        return ("\r\n".join(lines) + "\r\nMIME-Version: 1.0\r\n").encode()

    def _body(self, *, eight_bit: bool) -> Part:
        text = self.text
        if text is None:
            if self.html is None:
                text = ""
            else:
                from cb_mail.plain import text_of

                text = text_of(self.html)
        body: Part = [text_part("plain", text, eight_bit=eight_bit)]
        if self.html is not None:
            html: Part = [text_part("html", self.html, eight_bit=eight_bit)]
            if self.inline:
                html = multipart("related", [html, *map(attached, self.inline)])
            body = multipart("alternative", [body, html])
        files = self.attachments if self.html is not None else (*self.inline, *self.attachments)
        if files:
            return multipart("mixed", [body, *map(attached, files)])
        last = body[-1]
        return body if isinstance(last, bytes) and last.endswith(b"\r\n") else [*body, b"\r\n"]


def _mailbox(one: Address) -> str:
    """Return what makes two addresses the same: letters of the domain may be small or capital."""
    return f"{one.local}@{one.domain.lower()}"


def _inline(content_id: str, given: Attachment | Path | str | bytes) -> Attachment:
    if isinstance(given, Attachment):
        return Attachment(given.source, given.name, given.content_type, content_id)
    return Attachment(given if isinstance(given, bytes) else Path(given), content_id=content_id)


def _further(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise HeaderError(f"header: {shown(name)} is no name of a header (letters, digits and -)")
        if name.lower() in _OWN or name.lower().startswith("content-"):
            raise HeaderError(f"header: {name} is written here (give it by its own argument)")
        yield name, one_line(f"header {name}", value)


def _links(unsubscribe: str | Iterable[str]) -> tuple[str, ...]:
    links = (unsubscribe,) if isinstance(unsubscribe, str) else tuple(unsubscribe)
    for link in links:
        if not _LINK.fullmatch(link):
            raise HeaderError(f"unsubscribe: {shown(link)} is no https or mailto link")
    return links


def new_message_id(sender: Address) -> str:
    """Return an id that no other message has, in the sender's domain."""
    domain = sender.domain if sender.addr.isascii() else Address(f"x@{sender.domain}").ascii[2:]
    return f"<{time.time_ns():x}.{secrets.token_hex(8)}@{domain}>"


def date_field(when: datetime | None = None) -> str:
    """Return a date as RFC 5322 (3.3) has it, whatever the locale; by default now."""
    return _written(int(time.time())) if when is None else _date(when.astimezone() if when.tzinfo is None else when)


@lru_cache(maxsize=4)
def _written(second: int) -> str:
    return _date(datetime.fromtimestamp(second).astimezone())


@lru_cache(maxsize=4)  # all messages of a merge have the same
def _date(when: datetime) -> str:
    minutes = int((when.utcoffset() or timedelta()).total_seconds()) // 60
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    day = f"{_DAYS[when.weekday()]}, {when.day:02} {_MONTHS[when.month - 1]} {when.year:04}"
    return f"{day} {when.hour:02}:{when.minute:02}:{when.second:02} {zone}"
