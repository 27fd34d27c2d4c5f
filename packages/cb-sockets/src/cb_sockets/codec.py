"""Messages in files and pipes: how the command reads and writes them without losing their boundaries.

``line``: text lines. ``hex``: one line of hexadecimal digits each. ``json``: JSON Lines, ``{"text": "..."}`` for
UTF-8 and ``{"base64": "..."}`` for other bytes. Any framing (``len:4be``, ``null``, ``eof`` …): its bytes. All of them
stream; nothing but the message at hand is held.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from cb_sockets.decoders import Decoder
from cb_sockets.errors import FramingError, InvalidMessage
from cb_sockets.framing import Delimited, Framing, UntilEOF, parse_framing

__all__ = ["parse_codec", "to_json"]

Reader = Callable[[BinaryIO, str], Iterator[bytes]]
Writer = Callable[[bytes], bytes]


def parse_codec(text: str, *, max_size: int) -> tuple[Reader, Writer]:
    """A reader (stream, its name) -> messages, and a writer message -> bytes. Raises ValueError as `parse_framing`."""
    if text == "hex":
        return _lines(bytes.fromhex, "not pairs of hexadecimal digits"), lambda message: message.hex().encode() + b"\n"
    if text == "json":
        return _lines(_from_json, 'not {"text": "..."}, {"base64": "..."} or a JSON string'), _to_json_line
    if text == "line":
        return _lines(str.encode, ""), Delimited(b"\n", max_size).encode
    framing = parse_framing(text, max_size=max_size)
    return _framed(framing), framing.encode


def _lines(parse: Callable[[str], bytes], complaint: str) -> Reader:
    def read(stream: BinaryIO, name: str) -> Iterator[bytes]:
        for number, line in enumerate(stream, 1):
            if not complaint:  # lines are taken as the bytes they are
                yield line.removesuffix(b"\n")
                continue
            try:
                message = parse(line.decode())
            except (ValueError, TypeError, KeyError) as error:
                raise InvalidMessage(f"{name}:{number}: {complaint} (see --in)") from error
            yield message

    return read


def _framed(framing: Framing) -> Reader:
    def read(stream: BinaryIO, name: str) -> Iterator[bytes]:
        decoder = framing.decoder()
        read1: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        try:
            while data := read1(65536):
                yield from decoder.feed(data)
            yield from _end(decoder, framing)
        except FramingError as error:
            yield from error.completed
            raise InvalidMessage(f"{name}: {error}") from error

    return read


def _end(decoder: Decoder, framing: Framing) -> Iterable[bytes]:
    # A file that does not end with the delimiter is usual, unlike a connection that breaks off.
    if isinstance(framing, Delimited) and decoder.buffered:
        return decoder.feed(framing.delimiter)
    if isinstance(framing, UntilEOF) and not decoder.buffered:
        return [b""]  # an empty file is an empty message
    return decoder.feed_eof()


def to_json(message: bytes) -> dict[str, str]:
    """``text`` where the bytes are UTF-8, ``base64`` otherwise.

    >>> to_json(b"caf\\xc3\\xa9"), to_json(b"\\xff")
    ({'text': 'café'}, {'base64': '/w=='})
    """
    try:
        return {"text": message.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(message).decode()}


def _to_json_line(message: bytes) -> bytes:
    return json.dumps(to_json(message), ensure_ascii=False).encode() + b"\n"


def _from_json(line: str) -> bytes:
    value = json.loads(line)
    if isinstance(value, str):
        return value.encode()
    if "text" in value:
        return str.encode(value["text"])
    try:
        return base64.b64decode(value["base64"], validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
