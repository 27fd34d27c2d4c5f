"""JSON one level at a time. ``msgspec.Raw`` is a piece of JSON text that nobody has looked into yet.

msgspec checks the structure of all that it skips, but makes no objects of it, so that one level of a document costs a
pass over its bytes and little memory. What it does not check is UTF-8 in what it skips; ``validate`` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Raw

from cb_dict.errors import LimitError, ParseError

__all__ = ["Bytes", "Raw", "decoded", "encoded", "malformed", "opened", "same_scalar"]

Bytes: TypeAlias = "bytes | bytearray | memoryview | Raw | Any"  # or a mapped file
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_ARRAY: Final = msgspec.json.Decoder(list[Raw])
_ANY: Final = msgspec.json.Decoder()
_SPACE: Final = re.compile(rb"[ \t\n\r]*")
_BYTE: Final = re.compile(r" \(byte (\d+)\)$")
_HALF: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_ENCODER: Final = msgspec.json.Encoder()

encoded: Callable[[Any], bytes] = _ENCODER.encode


def first(text: Bytes) -> bytes:
    """The first byte that is no white space, which tells what the value is; empty where nothing is."""
    view = memoryview(text)
    found = _SPACE.match(view)
    at = found.end() if found else 0
    return bytes(view[at : at + 1])


def opened(text: Bytes) -> Any:
    """A dict or list of Raws, or the scalar itself."""
    start = first(text)
    decoder: Any = _OBJECT if start == b"{" else _ARRAY if start == b"[" else _ANY
    return decode_with(decoder, text)


def decoded(text: Bytes) -> Any:
    """The Python value of a piece of JSON."""
    return decode_with(_ANY, text)


def decode_with(decoder: Any, text: Bytes) -> Any:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(error, text) from error
    except RecursionError as error:
        raise LimitError("the document is nested too deep to follow (about 1,000 levels can be)") from error


def malformed(error: Exception, text: Bytes) -> ParseError:
    """What msgspec says, with line and column."""
    words = str(error)
    place = _BYTE.search(words)
    view = memoryview(text)
    at = min(int(place[1]), len(view)) if place else len(view)
    if isinstance(error, UnicodeDecodeError) or "Invalid UTF-8" in words:  # msgspec to 0.22, and from 0.23 on
        return ParseError("text that is not UTF-8 (convert it first)")
    reason = words.removeprefix("JSON is malformed: ")
    if ("truncated" in reason or "hex escape" in reason) and (half := _HALF.search(view)):
        at, reason = half.start(), "half of a surrogate pair, which is no character (write both halves, or remove it)"
    elif "truncated" in reason:
        reason = "the document ends too early (is the file whole?)"
    elif "trailing characters" in reason:
        at, reason = at - 1, "more follows after the document (for JSON Lines: --lines)"
    elif bytes(view[at : at + 8]).startswith((b"NaN", b"nan", b"Infinity")):
        reason = "NaN and Infinity are no JSON (use null)"
    else:
        reason = f"{_BYTE.sub('', reason)} (is this JSON?)"
    line, column = position(view, at)
    return ParseError(reason, line=line, column=column)


def position(text: Bytes, at: int) -> tuple[int, int]:
    """Line and column, from 1, of the byte *at*; the column counts characters."""
    view = memoryview(text)
    line, start = 1, 0
    for chunk in range(0, at, 1 << 20):
        piece = bytes(view[chunk : min(chunk + (1 << 20), at)])
        line += piece.count(b"\n")
        if (last := piece.rfind(b"\n")) >= 0:
            start = chunk + last + 1
    return line, len(bytes(view[start:at]).decode(errors="replace")) + 1


def same_scalar(left: Raw, right: Raw) -> bool:
    """Whether two scalars that are spelt differently are the same value: 1.0 and 1.00 are, 1 and 1.0 are not."""
    one, two = bytes(left).strip(), bytes(right).strip()
    if one[:1] in b"-0123456789" and two[:1] in b"-0123456789":
        whole = [not re.search(rb"[.eE]", text) for text in (one, two)]
        return whole[0] == whole[1] and Decimal(one.decode()) == Decimal(two.decode())
    return type(value := decoded(one)) is type(other := decoded(two)) and bool(value == other)
