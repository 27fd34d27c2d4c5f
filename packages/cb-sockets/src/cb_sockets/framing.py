"""How messages stand in a byte stream: the framings, and how each writes its frames.

Pure: bytes in, bytes out, no sockets. The reading side is in ``decoders``. A framing is a value (frozen, hashable,
shareable between threads); a decoder is the state of one stream. Everything a framing needs to know is an argument,
as in Erlang's ``{packet, N}`` option, Netty's LengthFieldBasedFrameDecoder and tokio-util's LengthDelimitedCodec.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from cb_sockets.decoders import Buffer, Decoder, DelimitedDecoder, EOFDecoder, FixedDecoder, RawDecoder
from cb_sockets.errors import InvalidMessage, MessageTooLarge
from cb_sockets.length import LengthDecoder

__all__ = [
    "MAX_SIZE",
    "ByteOrder",
    "Delimited",
    "Fixed",
    "Framing",
    "LengthPrefixed",
    "Raw",
    "UntilEOF",
    "parse_framing",
]

MAX_SIZE = 16 * 2**20
"""Default limit on one message, in bytes (16 MiB)."""

ByteOrder: TypeAlias = Literal["big", "little"]


class Framing(ABC):
    """Where one message ends and the next begins. Subclass it for a framing of your own."""

    @abstractmethod
    def decoder(self) -> Decoder:
        """A decoder for one new stream."""

    @abstractmethod
    def parts(self, messages: Sequence[Buffer]) -> list[Buffer]:
        """The buffers that, one after another, carry `messages`; bodies are not copied.

        Raises `InvalidMessage` or `MessageTooLarge` before anything is produced. O(number of messages).
        """

    def encode(self, message: Buffer) -> bytes:
        """One message as it goes on the wire."""
        return b"".join(self.parts((message,)))

    def encode_many(self, messages: Iterable[Buffer]) -> bytes:
        """Several messages as they go on the wire, for one write.

        >>> LengthPrefixed(width=2).encode_many([b"hi", b""])
        b'\\x00\\x02hi\\x00\\x00'
        """
        return b"".join(self.parts(messages if isinstance(messages, Sequence) else list(messages)))


def _check_limit(value: int, name: str, least: int = 1) -> None:
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


@dataclass(frozen=True, slots=True)
class Fixed(Framing):
    """Every message has exactly `size` bytes.

    >>> Fixed(4).decoder().feed(b"1234567")
    [b'1234']
    """

    size: int

    def __post_init__(self) -> None:
        _check_limit(self.size, "size")

    def decoder(self) -> Decoder:
        return FixedDecoder(self.size)

    def parts(self, messages: Sequence[Buffer]) -> list[Buffer]:
        for message in messages:
            if len(message) != self.size:
                raise InvalidMessage(f"message of {len(message)} bytes does not fit frames of exactly {self.size}")
        return list(messages)


@dataclass(frozen=True, slots=True)
class Delimited(Framing):
    """Messages end with `delimiter`, which they cannot contain and which is not part of them.

    An unterminated rest at the end of the stream is an `IncompleteMessage`: nobody can know whether it is whole.

    >>> Delimited(b"\\r\\n").decoder().feed(b"EHLO a\\r\\nQUIT\\r\\n")
    [b'EHLO a', b'QUIT']
    """

    delimiter: bytes = b"\n"
    max_size: int = MAX_SIZE

    def __post_init__(self) -> None:
        if not self.delimiter:
            raise ValueError("delimiter must not be empty")
        _check_limit(self.max_size, "max_size")

    def decoder(self) -> Decoder:
        return DelimitedDecoder(self.delimiter, self.max_size)

    def parts(self, messages: Sequence[Buffer]) -> list[Buffer]:
        delimiter, tail = self.delimiter, len(self.delimiter) - 1
        out: list[Buffer] = []
        for message in messages:
            if len(message) > self.max_size:
                raise MessageTooLarge(len(message), self.max_size)
            whole = bytes(message) if isinstance(message, memoryview) else message
            # With two bytes or more, the end of the message and the beginning of its delimiter can make one too.
            if delimiter in whole or (tail and (whole[-tail:] + delimiter).find(delimiter) < min(tail, len(whole))):
                raise InvalidMessage(f"message contains its own delimiter {delimiter!r}")
            out += (message, delimiter)
        return out


@dataclass(frozen=True, slots=True)
class LengthPrefixed(Framing):
    """Each message is led by its size: an unsigned integer of `width` bytes (1 to 8) in `byteorder`.

    `adjust` is added to the number read to give the size of the body: ``adjust=-4`` for a four-byte field that
    counts itself. `max_size` is checked as soon as the field is there, before a byte of the body is kept.

    >>> LengthPrefixed(width=2).decoder().feed(bytes.fromhex("00026869"))
    [b'hi']
    """

    width: int = 4
    byteorder: ByteOrder = "big"
    adjust: int = 0
    max_size: int = MAX_SIZE
    _pack: Callable[[int], bytes] = field(init=False, repr=False, compare=False)
    _cap: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 8:
            raise ValueError(f"width must be 1 to 8 bytes, not {self.width}")
        if self.byteorder not in ("big", "little"):
            raise ValueError(f"byteorder must be 'big' or 'little', not {self.byteorder!r}")
        _check_limit(self.max_size, "max_size")
        object.__setattr__(self, "_pack", _packer(self.width, self.byteorder))
        object.__setattr__(self, "_cap", min(self.max_size, 256**self.width - 1 + self.adjust))

    def __reduce__(self) -> tuple[type[LengthPrefixed], tuple[int, ByteOrder, int, int]]:
        # A struct's packer cannot be pickled; it is made again.
        return LengthPrefixed, (self.width, self.byteorder, self.adjust, self.max_size)

    def decoder(self) -> Decoder:
        return LengthDecoder(self.width, self.byteorder, self.adjust, self.max_size)

    def encode(self, message: Buffer) -> bytes:
        size = len(message)
        if not self.adjust <= size <= self._cap:
            self.parts((message,))  # raises
        return self._pack(size - self.adjust) + message

    def parts(self, messages: Sequence[Buffer]) -> list[Buffer]:
        pack, cap, adjust = self._pack, self._cap, self.adjust
        out: list[Buffer] = []
        last, head = -1, b""
        for message in messages:
            size = len(message)
            if size != last:  # runs of equal sizes are usual, and a header is then made once
                if size > cap:
                    raise MessageTooLarge(size, cap)
                if size < adjust:
                    raise InvalidMessage(f"message of {size} bytes is shorter than adjust={adjust} allows")
                last, head = size, pack(size - adjust)
            out += (head, message)
        return out


@dataclass(frozen=True, slots=True)
class UntilEOF(Framing):
    """One message a direction: whatever comes until the peer shuts its side down. No bytes at all is no message.

    Without TLS, a peer that was killed looks like one that has ended: choose another framing where that matters.
    """

    max_size: int = MAX_SIZE

    def __post_init__(self) -> None:
        _check_limit(self.max_size, "max_size")

    def decoder(self) -> Decoder:
        return EOFDecoder(self.max_size)

    def parts(self, messages: Sequence[Buffer]) -> list[Buffer]:
        if len(messages) > 1:
            raise InvalidMessage("only one message can be ended by the end of the stream")
        for message in messages:
            if len(message) > self.max_size:
                raise MessageTooLarge(len(message), self.max_size)
        return list(messages)


@dataclass(frozen=True, slots=True)
class Raw(Framing):
    """No messages: bytes as they arrive, in chunks of at most `size`. What one chunk holds depends on the network.

    >>> Raw(16).decoder().feed(b"This is the message. It will be repeated.")
    [b'This is the mess', b'age. It will be ', b'repeated.']
    """

    size: int = 65536

    def __post_init__(self) -> None:
        _check_limit(self.size, "size")

    def decoder(self) -> Decoder:
        return RawDecoder(self.size)

    def parts(self, messages: Sequence[Buffer]) -> list[Buffer]:
        return list(messages)


_STRUCTS = {1: "B", 2: "H", 4: "I", 8: "Q"}


def _packer(width: int, byteorder: ByteOrder) -> Callable[[int], bytes]:
    if width in _STRUCTS:
        return struct.Struct((">" if byteorder == "big" else "<") + _STRUCTS[width]).pack
    return lambda size: size.to_bytes(width, byteorder)


def parse_framing(text: str, *, max_size: int = MAX_SIZE) -> Framing:
    """The framing that a command line names.

    ``line`` (LF), ``crlf``, ``null``, ``delim:HEX``, ``fixed:SIZE``, ``raw[:SIZE]``, ``eof``, and ``len:WIDTH``
    with ``be`` or ``le`` behind it and ``+N`` or ``-N`` for what is to be added to the number (``len:4be-4``).
    Raises ValueError, naming the forms, for anything else.

    >>> parse_framing("len:2le")
    LengthPrefixed(width=2, byteorder='little', adjust=0, max_size=16777216)
    """
    kind, _, rest = text.partition(":")
    try:
        match kind:
            case "line" | "crlf" | "null" if not rest:
                return Delimited({"line": b"\n", "crlf": b"\r\n", "null": b"\0"}[kind], max_size)
            case "delim":
                return Delimited(bytes.fromhex(rest), max_size)
            case "fixed":
                return Fixed(int(rest))
            case "raw":
                return Raw(int(rest)) if rest else Raw()
            case "eof" if not rest:
                return UntilEOF(max_size)
            case "len":
                return _parse_length(rest, max_size)
            case _:
                pass
    except ValueError as error:
        raise ValueError(f"framing {text!r}: {error} ({_FORMS})") from error
    raise ValueError(f"unknown framing {text!r} ({_FORMS})")


_FORMS = "use line, crlf, null, delim:HEX, fixed:SIZE, raw[:SIZE], eof or len:WIDTH[be|le][+N|-N], as in len:4be"


def _parse_length(rest: str, max_size: int) -> LengthPrefixed:
    width, tail = rest[:1], rest[1:]
    byteorder: ByteOrder = "little" if tail.startswith("le") else "big"
    if tail[:2] in ("be", "le"):
        tail = tail[2:]
    if tail and tail[0] not in "+-":
        raise ValueError(f"{tail!r} is neither be, le nor an adjustment")
    return LengthPrefixed(int(width), byteorder, int(tail or "0"), max_size)
