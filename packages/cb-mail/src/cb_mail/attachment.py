"""Files in a message: base64 in lines, streamed from the disk, or encoded once for many messages."""

from __future__ import annotations

import os
import re
import struct
from binascii import b2a_base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final, Self

from cb_mail.errors import HeaderError, MailError
from cb_mail.header import parameter
from cb_mail.text import one_line, shown

__all__ = ["Attachment"]

_LINE: Final = 57  # octets in a line of 76 letters (RFC 2045, 6.8)
_LINES: Final = 8192
_BLOCK: Final = _LINE * _LINES
_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,60}")
_CONTENT_ID: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,200}(?:@[A-Za-z0-9.-]{1,200})?")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file, or bytes, that go with a message.

    Args:
        source: A path, read when the message is sent, 456 KiB at a time; or the bytes themselves.
        name: What the receiver sees; a file's own name by default. No folder: a path in it is refused.
        content_type: Like ``application/pdf``; by default what the name's ending says. ``message/…`` and
            ``multipart/…`` become ``application/octet-stream``, for base64 must not hold them (RFC 2045, 6.4).
        content_id: Set for what HTML shows by ``<img src="cid:…">``.

    Raises:
        HeaderError: The name, the type or the content id must not stand in a message.
        MailError: There is no such file, or it cannot be read.
    """

    source: Path | bytes
    name: str = ""
    content_type: str = ""
    content_id: str = ""
    _encoded: list[bytes] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        source = self.source
        if isinstance(source, Path):
            try:
                readable = source.is_file() and os.access(source, os.R_OK)
            except OSError:
                readable = False
            if not readable:
                raise MailError(f"{source}: no file that can be read (look at the name and the rights)")
            object.__setattr__(self, "name", self.name or source.name)
        name = one_line("file name", self.name or "attachment")
        if "/" in name or "\\" in name or name in {".", ".."} or len(name.encode()) > 255:
            raise HeaderError(f"file name: {shown(name)} (a name without folders, at most 255 octets)")
        kind = self.content_type or _guess(name)
        if not _TYPE.fullmatch(kind):
            raise HeaderError(f"{shown(name)}: {shown(kind)} is no content type (like application/pdf)")
        if kind.lower().startswith(("message/", "multipart/")):
            kind = "application/octet-stream"
        if self.content_id and not _CONTENT_ID.fullmatch(self.content_id):
            raise HeaderError(f"{shown(name)}: {shown(self.content_id)} is no content id (letters, digits, .-_@)")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "content_type", kind)

    @classmethod
    def of(cls, given: Attachment | Path | str) -> Attachment:
        """Return an attachment, made of the file where a path is given."""
        return given if isinstance(given, Attachment) else cls(Path(given))

    @property
    def size(self) -> int:
        """Octets before they are encoded."""
        if isinstance(self.source, bytes):
            return len(self.source)
        try:
            return self.source.stat().st_size
        except OSError as error:
            raise MailError(f"{self.source}: {error.strerror}") from error

    def keep(self) -> Self:
        """Encode it once, and hold what comes out: for many messages with the same file."""
        if not self._encoded:
            self._encoded.append(b"".join(self._blocks()))
        return self

    def head(self) -> bytes:
        """Return the header of its part, without the blank line."""
        shown_as = "inline" if self.content_id else "attachment"
        lines = f"Content-Type: {self.content_type}\r\nContent-Transfer-Encoding: base64\r\n"
        lines += f"Content-Disposition: {shown_as}{parameter('filename', self.name)}\r\n"
        if self.content_id:
            lines += f"Content-ID: <{self.content_id}>\r\n"
        return lines.encode("ascii")

    def blocks(self) -> Iterator[bytes]:
        """Yield its body in base64, each line with its end.

        Raises:
            MailError: The file cannot be read any more.
        """
        return iter(self._encoded) if self._encoded else self._blocks()

    @property
    def encoded_size(self) -> int:
        """Octets that `blocks` yields."""
        lines = -(-self.size // _LINE)
        return 4 * -(-self.size // 3) + 2 * lines

    def _blocks(self) -> Iterator[bytes]:
        if isinstance(self.source, bytes):
            data = memoryview(self.source)
            for start in range(0, len(data), _BLOCK):
                yield _wrapped(data[start : start + _BLOCK])
            return
        try:
            with self.source.open("rb", buffering=0) as file:
                room = memoryview(bytearray(_BLOCK))
                while filled := _fill(file, room):
                    yield _wrapped(room[:filled])
        except OSError as error:
            raise MailError(f"{self.source}: {error.strerror} while it was read") from error


def _fill(file: object, room: memoryview) -> int:
    """Read until *room* is full, or the file ends: only the last line may be short."""
    filled = 0
    while filled < len(room) and (got := file.readinto(room[filled:])):  # type: ignore[attr-defined]
        filled += got
    return filled


def _wrapped(data: memoryview) -> bytes:
    """Encode in lines of 76 letters. A whole block is taken apart in C: twice as quick as a slice for each line."""
    encoded = b2a_base64(data, newline=False)
    if len(encoded) == 76 * _LINES:
        return b"\r\n".join((*_block().unpack(encoded), b""))
    return b"".join([encoded[at : at + 76] + b"\r\n" for at in range(0, len(encoded), 76)])


@lru_cache(maxsize=1)
def _block() -> struct.Struct:
    return struct.Struct("76s" * _LINES)


def _guess(name: str) -> str:
    import mimetypes

    kind, coding = mimetypes.guess_type(name)
    return kind if kind and not coding else "application/octet-stream"
