"""Header fields as bytes: encoded words (RFC 2047), folding (RFC 5322, 2.2.3), parameters (RFC 2231).

Lines are folded at 78 and never longer than 998. Callers have passed what they give through `text.one_line`.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import quote

__all__ = ["addresses", "parameter", "phrase", "unstructured"]

_WIDTH: Final = 78
_WORD: Final = 900  # a word that cannot be folded, of 998 octets that a line may have
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$&+.^_`|~-]+")
# What stands for itself in the Q encoding wherever an encoded word may stand (RFC 2047, 5 (3)).
_SAFE: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_UNSAFE: Final = bytes(byte for byte in range(256) if byte not in _SAFE and byte != 32)
_WITHIN: Final = frozenset({"=8", "=9", "=A", "=B"})  # begins an octet that continues a letter
_Q: Final = {byte: chr(byte) if byte in _SAFE else "_" if byte == 32 else f"={byte:02X}" for byte in range(256)}


def unstructured(name: str, text: str, *, utf8: bool = False) -> str:
    """Return the folded field *name* with *text*, without its last line end.

    *utf8*: the message may have raw UTF-8 in its headers (SMTPUTF8, RFC 6532).
    """
    if (text.isascii() or utf8) and _plain(text):
        line = f"{name}: {text}"
        return line if len(line.encode()) <= _WIDTH else _fold(line)
    return f"{name}: " + "\r\n ".join(_encoded_words(text, _WIDTH - len(name) - 2))


def _plain(text: str) -> bool:
    """Whether it may stand unencoded: a reader sees exactly it, and it can be folded."""
    if "=?" in text or text[:1] == " " or text[-1:] == " " or "  " in text:
        return False
    return len(text) <= _WORD // 4 or all(len(word.encode()) <= _WORD for word in text.split(" "))


def _fold(line: str) -> str:
    """Break *line* before spaces so that its pieces have at most 78 octets where that can be."""
    lines, current, room = [], "", _WIDTH
    for word in re.findall(r" ?[^ ]+", line):
        size = len(word.encode())
        if current and size > room and not current.endswith(":"):
            lines.append(current)
            current, room = "", _WIDTH
        current += word
        room -= size
    return "\r\n".join([*lines, current])


def _encoded_words(text: str, first: int) -> list[str]:
    """Return *text* as encoded words of at most 75 octets, the first of at most *first*; no letter is cut in two."""
    raw = text.encode()
    unsafe = len(raw) - len(raw.translate(None, _UNSAFE))
    q = len(raw) + 2 * unsafe <= len(raw) * 4 / 3 + 2
    room = min(max(first, 25), 75) - 12  # =?utf-8?q? and ?=
    words = []
    if q:
        coded, start = raw.decode("latin-1").translate(_Q), 0
        while len(coded) - start > room:
            end = start + room
            end -= 1 if coded[end - 1] == "=" else 2 if coded[end - 2] == "=" else 0
            while coded[end : end + 2] in _WITHIN:
                end -= 3
            words.append(f"=?utf-8?q?{coded[start:end]}?=")
            start, room = end, 63
        return [*words, f"=?utf-8?q?{coded[start:]}?="]
    start = 0
    while len(raw) - start > room // 4 * 3:
        end = start + room // 4 * 3
        while raw[end] & 0xC0 == 0x80:
            end -= 1
        words.append(_base64(raw[start:end]))
        start, room = end, 63
    return [*words, _base64(raw[start:])]


def _base64(raw: bytes) -> str:
    return f"=?utf-8?b?{b2a_base64(raw, newline=False).decode()}?="


@lru_cache(maxsize=64)  # a merge has one sender
def phrase(name: str, *, utf8: bool = False) -> str:
    """Return a display name: as it is, in quotes, or in encoded words."""
    if name.isascii() or utf8:
        if "=?" not in name and _ATOMS.fullmatch(name) and len(name) <= _WIDTH - 10:
            return name
        if "=?" not in name and len(name.encode()) <= _WIDTH - 10:
            return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "\r\n ".join(_encoded_words(name, 60))


def addresses(name: str, listed: Iterable[str]) -> str:
    """Return the field *name* with addresses that are written already, folded between two of them or before ``<``."""
    lines, current = [], f"{name}:"
    for number, one in enumerate(listed):
        head, _, tail = one.partition("\r\n")  # a long name is folded inside
        if number:
            current += ","
            if len(current) + 1 + len(head) > _WIDTH - 1:
                lines.append(current)
                current = ""
        elif len(current) + 1 + len(head) > _WIDTH - 1 and not current.endswith(":"):
            lines.append(current)
            current = ""
        current += f" {head}"
        if tail:
            *between, last = tail.split("\r\n")
            lines += [current, *between]
            current = last
    lines.append(current)
    return "\r\n".join(line if len(line) <= _WIDTH else _before_address(line) for line in lines)


def _before_address(line: str) -> str:
    name, mark, address = line.rpartition(" <")
    return f"{name}\r\n{mark}{address}" if mark else line


def parameter(name: str, value: str) -> str:
    """Return the parameter *name* of Content-Type or Content-Disposition, each piece behind ``;`` on a line of its own.

    Where *value* is not plain ASCII, or is long, as RFC 2231 has it.
    """
    if value.isascii() and len(value) <= 60:
        if _TOKEN.fullmatch(value):
            return f";\r\n {name}={value}"
        if "=?" not in value:
            return f';\r\n {name}="' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    coded = quote(value, safe="!#$&+^_`|~.-")
    if len(coded) <= 60:
        return f";\r\n {name}*=utf-8''{coded}"
    first, *rest = re.findall(r"(?:%..|[^%]){1,20}", coded)
    return f";\r\n {name}*0*=utf-8''{first}" + "".join(
        f";\r\n {name}*{number}*={piece}" for number, piece in enumerate(rest, 1)
    )
