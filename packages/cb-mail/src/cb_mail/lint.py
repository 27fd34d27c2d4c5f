"""What may be wrong with a message, seen from its bytes: as a reader, a provider or a filter will see it."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final

__all__ = ["Part", "lint", "parts_of", "tree"]

_CLIP: Final = 102_400  # octets of HTML after which Gmail hides the rest
_LARGE: Final = 20 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a message: how deep it lies, what it is, and its octets once decoded."""

    depth: int
    content_type: str
    name: str
    content_id: str
    size: int
    data: bytes

    def __str__(self) -> str:
        what = " ".join(filter(None, [self.name, f"cid:{self.content_id}" if self.content_id else ""]))
        size = "" if self.content_type.startswith("multipart/") else f"  {self.size:,} octets"
        return f"{'  ' * self.depth}{self.content_type}{f'  {what}' if what else ''}{size}"


def _parsed(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def parts_of(raw: bytes) -> list[Part]:
    """Return all parts, as they stand."""
    return list(_walk(_parsed(raw), 0))


def _walk(part: EmailMessage, depth: int) -> Iterator[Part]:
    several = part.is_multipart()
    payload = b"" if several else part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    content_id = str(part["Content-ID"] or "").strip("<> ")
    yield Part(depth, part.get_content_type(), part.get_filename() or "", content_id, len(data), data)
    if several:
        for one in part.iter_parts():
            if isinstance(one, EmailMessage):
                yield from _walk(one, depth + 1)


def tree(raw: bytes) -> str:
    """Return the parts as indented lines."""
    return "\n".join(map(str, parts_of(raw)))


def lint(raw: bytes) -> list[str]:
    """Return what may be wrong, each with what to do; nothing for a message that has all that is expected."""
    return list(_found(raw))


def _found(raw: bytes) -> Iterator[str]:
    message = _parsed(raw)
    for name in ("From", "Date", "Message-ID"):
        if not message[name]:
            yield f"no {name} field (RFC 5322 wants it, and filters look for it)"
    if not str(message["Subject"] or "").strip():
        yield "no subject (say what it is about)"
    if not any(message[name] for name in ("To", "Cc")):
        yield "nobody in To or Cc (many filters refuse that)"
    if len(message.get_all("Subject") or []) > 1 or len(message.get_all("From") or []) > 1:
        yield "Subject or From is there twice (readers differ in which they show)"
    if re.search(rb"(?<!\r)\n|\r(?!\n)", raw):
        yield "line ends that are not CRLF (servers refuse them)"
    if max(map(len, raw.split(b"\r\n"))) > 998:
        yield "a line of more than 998 octets (RFC 5322, 2.1.1: encode it)"
    parts = list(_walk(message, 0))
    types = [part.content_type for part in parts]
    html = next((part for part in parts if part.content_type == "text/html" and not part.name), None)
    if html is not None:
        yield from _html(html, parts, types)
    if len(raw) > _LARGE:
        yield f"{len(raw) / 1e6:.0f} MB (many servers take 25 MB at most; send a link)"
    bulk = str(message["Precedence"] or "").lower() == "bulk" or message["List-Id"]
    if bulk and not message["List-Unsubscribe"]:
        yield "no List-Unsubscribe (large providers want one click for bulk mail, RFC 8058)"
    for name in ("From", "To", "Cc"):
        for one in str(message[name] or "").split(","):
            if "xn--" in one:
                yield f"{name}: an address with a domain in other letters, {one.strip()} (is it the one you mean?)"


def _html(html: Part, parts: list[Part], types: list[str]) -> Iterator[str]:
    text = html.data.decode("utf-8", "replace")
    if "text/plain" not in types:
        yield "HTML without a text version (give one, or let it be made)"
    if html.size > _CLIP:
        yield f"{html.size:,} octets of HTML (Gmail hides what is behind {_CLIP:,})"
    if remote := len(re.findall(r"<img[^>]+src\s*=\s*[\"']?https?:", text, re.IGNORECASE)):
        yield f"{remote} remote image{'s' * (remote > 1)} (readers block them: put them in, by cid:)"
    if re.search(r"<script\b|\son\w+\s*=", text, re.IGNORECASE):
        yield "scripts in HTML (no reader runs them, filters dislike them)"
    there = {part.content_id for part in parts}
    for cid in sorted(set(re.findall(r"cid:([^\"'\s>)]+)", text)) - there):
        yield f"cid:{cid} is shown and not there (attach it inline)"
