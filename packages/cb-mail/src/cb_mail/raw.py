"""Messages that somebody else has written: an .eml file, what a spool kept, what ``sendmail -t`` is given."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from cb_mail.address import Address
from cb_mail.attachment import Attachment
from cb_mail.errors import AddressError, HeaderError
from cb_mail.message import Envelope, new_message_id

__all__ = ["RawMessage", "crlf", "split_fields"]

_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)\r\n")


@dataclass(frozen=True, slots=True)
class RawMessage:
    """Bytes with their envelope. Nothing in them is changed but line ends, and Bcc, which is taken out.

    Args:
        data: The message; every kind of line end becomes CRLF.
        sender: Who gets what comes back; None for nobody.
        recipients: Who gets it.

    Raises:
        HeaderError: It does not begin with header fields, has NUL in it, or a line of more than 998 octets.
        AddressError: There is no receiver.
    """

    data: bytes
    sender: Address | None
    recipients: tuple[Address, ...]
    message_id: str = ""

    def __post_init__(self) -> None:
        data = crlf(self.data)
        if not self.recipients:
            raise AddressError("the message has no receiver (To, Cc or Bcc in it, or give one)")
        if b"\0" in data:
            line = data[: data.index(0)].count(b"\n") + 1
            raise HeaderError(f"line {line}: NUL must not stand in a message (encode it)")
        if found := re.search(rb"[^\r\n]{999}", data):
            line = data[: found.start()].count(b"\n") + 1
            raise HeaderError(f"line {line} has more than 998 octets (encode it as quoted-printable or base64)")
        fields, body = split_fields(data)
        kept = [field for name, field, _ in fields if name != b"bcc"]
        names = {name: value for name, _, value in fields}
        message_id = self.message_id or names.get(b"message-id", b"").strip().decode("ascii", "replace")
        if not names.get(b"message-id", b"").strip():
            message_id = message_id or new_message_id(self.sender or self.recipients[0])
            kept.append(f"Message-ID: {message_id}\r\n".encode())
        object.__setattr__(self, "data", b"".join([*kept, b"\r\n", body]))
        object.__setattr__(self, "message_id", message_id)

    @classmethod
    def from_eml(
        cls, data: bytes, *, sender: Address | None = None, recipients: Iterable[Address] = (), add: bool = True
    ) -> Self:
        """Read who sends and who receives from the message itself.

        Args:
            data: The message.
            sender: Instead of the one in Sender or From.
            recipients: Who gets it.
            add: To those in To, Cc and Bcc; else instead of them.
        """
        fields, _ = split_fields(crlf(data))
        given = {address.addr: address for address in recipients}
        if add or not given:
            for name, _field, value in fields:
                if name in {b"to", b"cc", b"bcc"}:
                    given |= {address.addr: address for address in _addresses(name, value)}
        if sender is None:
            values = {name: value for name, _, value in fields}
            found = [*_addresses(b"sender", values.get(b"sender", b"")), *_addresses(b"from", values.get(b"from", b""))]
            if not found:
                raise AddressError("the message has no sender (From in it, or give one)")
            sender = found[0]
        return cls(data, sender, tuple(given.values()))

    @property
    def needs_smtputf8(self) -> bool:
        """Whether an address of the envelope, or a header, is not ASCII."""
        return self.envelope().needs_smtputf8 or not self.data.partition(b"\r\n\r\n")[0].isascii()

    def envelope(self) -> Envelope:
        """Return who sends and who receives."""
        return Envelope(self.sender, self.recipients)

    def pieces(self, *, eight_bit: bool = False, utf8: bool = False) -> list[bytes | Attachment]:
        """Return its bytes.

        Raises:
            HeaderError: It has 8-bit octets and the server does not take them: what somebody has signed is not ours
                to encode anew.
        """
        if not (eight_bit or utf8 or self.data.isascii()):
            raise HeaderError("the message has 8-bit octets, and the server has no 8BITMIME (encode them)")
        return [self.data]

    def as_bytes(self) -> bytes:
        """Return its bytes."""
        return self.data


def crlf(data: bytes) -> bytes:
    """Return *data* with CRLF as its line ends, and one at its end."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    data = data.replace(b"\n", b"\r\n")
    return data if data.endswith(b"\r\n") else data + b"\r\n"


def split_fields(data: bytes) -> tuple[list[tuple[bytes, bytes, bytes]], bytes]:
    """Return the fields as (name in small letters, all of it, value), and the body."""
    fields, place = [], 0
    while not data.startswith(b"\r\n", place) and place < len(data):
        found = _FIELD.match(data, place)
        if not found:
            line = data[:place].count(b"\n") + 1
            raise HeaderError(
                f"line {line} is no header field: {data[place : place + 40]!r} (Name: value, then a blank line)"
            )
        fields.append((found[1].lower(), found[0], found[2].replace(b"\r\n", b"")))
        place = found.end()
    return fields, data[place + 2 :]


def _addresses(name: bytes, value: bytes) -> tuple[Address, ...]:
    """Read a field of addresses; names in encoded words are dropped, for an envelope has none."""
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise AddressError(f"{name.decode().title()}: not UTF-8 (encode it)") from error
    text = re.sub(r"=\?[^?\s]*\?[bqBQ]\?[^?\s]*\?=", "", text).strip()
    text = re.sub(r"(?:^|(?<=[,;]))[^,;:\"<>]*:([^;]*);?", r"\1", text)  # a group: its members
    return tuple(Address(one.addr) for one in Address.parse_list(text))
