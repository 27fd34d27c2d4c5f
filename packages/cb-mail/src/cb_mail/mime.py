"""Bodies and multiparts as bytes (RFC 2045, RFC 2046). A part is a list of what comes one after the other.

What a text ends with is kept: the line break before a boundary is the boundary's. Lines have at most 998 octets and end
with CRLF; what does not fit is encoded.
"""

from __future__ import annotations

import re
import secrets
from binascii import b2a_base64, b2a_qp
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from cb_mail.attachment import Attachment
from cb_mail.errors import HeaderError

__all__ = ["Part", "attached", "flat", "multipart", "text_part"]

Part: TypeAlias = list[bytes | Attachment]
"""Header, blank line and body, in pieces."""

_LONG: Final = re.compile(rb"[^\n]{998}")  # 997 and CR, which is less than the 998 allowed without it
_BOUNDARY: Final = secrets.token_hex(12).encode()  # the first one that is tried; it is looked for in all that is sent
_ASCII: Final = bytes(range(1, 128))


def text_part(subtype: str, text: str, *, eight_bit: bool) -> bytes:
    """Return a part ``text/subtype`` in UTF-8: as it is where it may be, else quoted-printable or base64.

    Every kind of line end becomes CRLF. *eight_bit*: the server takes 8BITMIME (RFC 6152).

    Raises:
        HeaderError: A lone surrogate, which no encoding has.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        raw = text.replace("\n", "\r\n").encode()
    except UnicodeEncodeError as error:
        raise HeaderError(f"text/{subtype}: character {error.start + 1} is half of a surrogate pair") from error
    coding, body = _transfer(raw, eight_bit=eight_bit)
    return _head(subtype, coding) + body


@lru_cache(maxsize=16)
def _head(subtype: str, coding: str) -> bytes:
    head = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {coding}\r\n\r\n"
    return head.encode()


def _transfer(raw: bytes, *, eight_bit: bool) -> tuple[str, bytes]:
    plain = raw.isascii()
    if (plain or eight_bit) and b"\0" not in raw and not _LONG.search(raw):
        return "7bit" if plain else "8bit", raw
    if 6 * len(raw.translate(None, _ASCII)) < len(raw):
        return "quoted-printable", _quoted_printable(raw)
    encoded = b2a_base64(raw, newline=False)
    return "base64", b"".join([encoded[at : at + 76] + b"\r\n" for at in range(0, len(encoded), 76)])


def _quoted_printable(raw: bytes) -> bytes:
    encoded = b2a_qp(raw, istext=True)
    return encoded if b"\r\n" in raw else encoded.replace(b"=\n", b"=\r\n")


def attached(file: Attachment) -> Part:
    """Return the part of a file."""
    return [file.head() + b"\r\n", file]


def multipart(subtype: str, parts: Sequence[Part]) -> Part:
    """Return a part ``multipart/subtype`` of *parts*, whose boundary stands in none of them."""
    texts = [piece for part in parts for piece in part if isinstance(piece, bytes)]
    boundary = _BOUNDARY
    while any(boundary in piece for piece in texts):  # a multipart in this one, or a text that quotes one of ours
        boundary = secrets.token_hex(12).encode()
    mark = b"\r\n--=_" + boundary
    made: Part = [b'Content-Type: multipart/%b;\r\n boundary="=_%b"\r\n' % (subtype.encode(), boundary)]
    for part in parts:
        made += [mark + b"\r\n", *part]
    return _joined([*made, mark + b"--\r\n"])


def _joined(part: Part) -> Part:
    """Put bytes that are beside each other together."""
    made: Part = []
    run: list[bytes] = []
    for piece in part:
        if isinstance(piece, bytes):
            run.append(piece)
        else:
            made += [b"".join(run), piece]
            run = []
    return [*made, b"".join(run)] if run else made


def flat(part: Iterable[bytes | Attachment]) -> Iterator[bytes]:
    """Yield the bytes of a part; files are read now."""
    for piece in part:
        if isinstance(piece, bytes):
            yield piece
        else:
            yield from piece.blocks()
