"""Reading frames: bytes in, whole messages out, in any slicing.

Contract of every decoder, kept by the property tests:
- The messages do not depend on how the stream was cut into ``feed`` calls.
- ``feed`` returns every message that is complete, at once; a caller answers them with one write. That, more than
  any event loop, is what makes a pipelined protocol fast.
- Worst case O(n) for n bytes in any slicing: bytes of an unfinished message are either few (at most ``_SMALL``,
  re-joined on each feed) or gathered in a bytearray, which grows in amortised constant time. A delimiter is never
  searched for twice in the same bytes.
- A size limit is checked on the claim, before the body is kept; nothing is ever allocated for bytes not yet here.
- After an error the decoder keeps raising it: a stream that lost its step cannot be trusted again.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, NoReturn, TypeAlias

from cb_sockets.errors import FramingError, IncompleteMessage, InvalidMessage, MessageTooLarge

__all__ = ["Buffer", "Decoder", "DelimitedDecoder", "EOFDecoder", "FixedDecoder", "LengthDecoder", "RawDecoder"]

Buffer: TypeAlias = bytes | bytearray | memoryview
"""Bytes-like, one byte an item."""

_SMALL = 4096


class Decoder(ABC):
    """The reading state of one stream."""

    __slots__ = ("_error",)

    def __init__(self) -> None:
        self._error: FramingError | None = None

    @property
    @abstractmethod
    def buffered(self) -> int:
        """Bytes held of a message that is not complete yet; 0 between messages."""

    @abstractmethod
    def feed(self, data: Buffer) -> list[bytes]:
        """Take what arrived; return the messages it completes, oldest first.

        Raises `FramingError` (its ``completed`` holds the messages before the fault), and again on every later call.
        """

    def feed_eof(self) -> list[bytes]:
        """The stream has ended. Raises `IncompleteMessage` where that is inside a message."""
        if self._error is not None:
            raise self._error
        partial, expected = self._unfinished()
        if partial:
            self._fail(IncompleteMessage(partial, expected), [])
        return []

    @abstractmethod
    def _unfinished(self) -> tuple[bytes, int | None]:
        """The bytes of the message that has begun, header included, and its whole size where that is known."""

    def _fail(self, error: FramingError, completed: list[bytes]) -> NoReturn:
        error.completed = completed
        # What is raised again later must not hand the same messages out twice.
        self._error = type(error).__new__(type(error), *error.args)
        self._error.__dict__.update(error.__dict__, completed=[])
        raise error


class RawDecoder(Decoder):
    """Chunks as they come, none larger than `size`."""

    __slots__ = ("_size",)

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    @property
    def buffered(self) -> int:
        return 0

    def feed(self, data: Buffer) -> list[bytes]:
        size = self._size
        return [bytes(data[start : start + size]) for start in range(0, len(data), size)]

    def _unfinished(self) -> tuple[bytes, int | None]:
        return b"", None


class EOFDecoder(Decoder):
    """Everything until the end of the stream, as one message."""

    __slots__ = ("_held", "_limit")

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._held = bytearray()
        self._limit = limit

    @property
    def buffered(self) -> int:
        return len(self._held)

    def feed(self, data: Buffer) -> list[bytes]:
        if self._error is not None:
            raise self._error
        size = len(self._held) + len(data)
        if size > self._limit:
            self._held.clear()
            self._fail(MessageTooLarge(size, self._limit), [])
        self._held += data
        return []

    def feed_eof(self) -> list[bytes]:
        if self._error is not None:
            raise self._error
        message = bytes(self._held)
        self._held.clear()
        return [message] if message else []

    def _unfinished(self) -> tuple[bytes, int | None]:
        return b"", None


class DelimitedDecoder(Decoder):
    """Messages that end with a delimiter."""

    __slots__ = ("_delimiter", "_held", "_limit")

    def __init__(self, delimiter: bytes, limit: int) -> None:
        super().__init__()
        self._delimiter = delimiter
        self._limit = limit
        self._held = bytearray()

    @property
    def buffered(self) -> int:
        return len(self._held)

    def feed(self, data: Buffer) -> list[bytes]:
        if self._error is not None:
            raise self._error
        held, delimiter, limit = self._held, self._delimiter, self._limit
        if type(data) is not bytes:
            data = bytes(data)
        if held:
            # Only the seam and the new bytes can hold a delimiter: the old ones have been searched.
            seam = max(0, len(held) - len(delimiter) + 1)
            held += data
            if held.find(delimiter, seam) < 0:
                self._check_rest(len(held), [])
                return []
            data = bytes(held)
            held.clear()
        messages = bytes(data).split(delimiter)
        rest = messages.pop()
        if len(data) > limit and max(map(len, messages), default=0) > limit:
            index = next(index for index, message in enumerate(messages) if len(message) > limit)
            self._fail(MessageTooLarge(len(messages[index]), limit), messages[:index])
        if rest:
            held += rest
            self._check_rest(len(rest), messages)
        return messages

    def _check_rest(self, size: int, completed: list[bytes]) -> None:
        # The last bytes may be the beginning of the delimiter and no part of the message.
        if size > self._limit + len(self._delimiter) - 1:
            self._held.clear()
            self._fail(MessageTooLarge(size, self._limit), completed)

    def _unfinished(self) -> tuple[bytes, int | None]:
        return bytes(self._held), None


class FixedDecoder(Decoder):
    """Messages of one size."""

    __slots__ = ("_cut", "_held", "_size")

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._cut = struct.Struct(f"{size}s").iter_unpack
        self._held = bytearray()

    @property
    def buffered(self) -> int:
        return len(self._held)

    def feed(self, data: Buffer) -> list[bytes]:
        size, held = self._size, self._held
        messages: list[bytes] = []
        view = memoryview(data)
        if held:
            missing = size - len(held)
            held += view[:missing]
            if len(held) < size:
                return messages
            messages.append(bytes(held))
            held.clear()
            view = view[missing:]
        whole = len(view) - len(view) % size
        messages += [message for (message,) in self._cut(view[:whole])]
        held += view[whole:]
        return messages

    def _unfinished(self) -> tuple[bytes, int | None]:
        return bytes(self._held), self._size


class LengthDecoder(Decoder):
    """Messages led by their length.

    State: ``_rest`` holds the beginning of a frame that is small or whose length is not known yet; a larger one is
    gathered in ``_big`` until its ``_missing`` bytes are there.
    """

    __slots__ = ("_adjust", "_big", "_limit", "_missing", "_read", "_rest", "_width")

    def __init__(self, width: int, byteorder: Literal["big", "little"], adjust: int, limit: int) -> None:
        super().__init__()
        self._width = width
        self._adjust = adjust
        self._limit = limit
        self._read = _READERS[width, byteorder]
        self._rest = b""
        self._big: bytearray | None = None
        self._missing = 0

    @property
    def buffered(self) -> int:
        big = self._big
        return len(self._rest) if big is None else len(big) + self._width

    def feed(self, data: Buffer) -> list[bytes]:
        if self._error is not None:
            raise self._error
        messages: list[bytes] = []
        if self._big is not None:
            missing = self._missing
            if len(data) < missing:
                self._big += data
                self._missing = missing - len(data)
                return messages
            self._big += memoryview(data)[:missing]
            messages.append(bytes(self._big))
            self._big = None
            data = data[missing:]
        read, width, adjust, limit = self._read, self._width, self._adjust, self._limit
        rest = self._rest
        start = 0
        if rest:
            if len(rest) < width:
                data = rest + bytes(data)
            else:  # the length is known and was checked: join just this message, not all that follows
                start = read(rest, 0)[0] + adjust + width - len(rest)
                if start > len(data):
                    return self._keep(rest, data, start - len(data), messages)
                messages.append(rest[width:] + data[:start])
            self._rest = b""
        size = len(data)
        body = start + width
        append = messages.append
        while body <= size:
            length = read(data, start)[0] + adjust
            if not 0 <= length <= limit:
                self._refuse(length, messages)
            start = body + length
            if start > size:
                return self._keep(b"", data[body - width :], start - size, messages)
            append(data[body:start])  # type: ignore[arg-type]  # made bytes below, where it is not
            body = start + width
        if start < size:
            self._rest = bytes(data[start:])
        return messages if type(data) is bytes else list(map(bytes, messages))

    def _keep(self, rest: bytes, data: Buffer, missing: int, messages: list[bytes]) -> list[bytes]:
        """Hold the beginning of a frame that misses `missing` bytes."""
        if len(rest) + len(data) + missing <= _SMALL:
            self._rest = rest + data if rest else bytes(data)
        else:
            self._rest = b""
            self._big = bytearray(rest[self._width :] if rest else b"")
            self._big += data if rest else memoryview(data)[self._width :]
            self._missing = missing
        return messages if type(data) is bytes else list(map(bytes, messages))

    def _refuse(self, length: int, messages: list[bytes]) -> NoReturn:
        completed = list(map(bytes, messages))
        if length > self._limit:
            self._fail(MessageTooLarge(length, self._limit), completed)
        self._fail(InvalidMessage(f"the length field says {length - self._adjust}: a body of {length} bytes"), completed)

    def _unfinished(self) -> tuple[bytes, int | None]:
        width = self._width
        if self._big is not None:
            size = len(self._big) + self._missing
            order: Literal["big", "little"] = "big" if self._read is _READERS[width, "big"] else "little"
            return (size - self._adjust).to_bytes(width, order) + self._big, width + size
        known = len(self._rest) >= width
        return self._rest, self._read(self._rest, 0)[0] + self._adjust + width if known else None


def _slow_reader(width: int, byteorder: Literal["big", "little"]) -> Callable[[Buffer, int], tuple[int, ...]]:
    def read(data: Buffer, start: int) -> tuple[int, ...]:
        return (int.from_bytes(data[start : start + width], byteorder),)

    return read


def _readers() -> dict[tuple[int, str], Callable[[Buffer, int], tuple[int, ...]]]:
    readers: dict[tuple[int, str], Callable[[Buffer, int], tuple[int, ...]]] = {}
    for width in range(1, 9):
        code = {1: "B", 2: "H", 4: "I", 8: "Q"}.get(width)
        readers[width, "big"] = struct.Struct(f">{code}").unpack_from if code else _slow_reader(width, "big")
        readers[width, "little"] = struct.Struct(f"<{code}").unpack_from if code else _slow_reader(width, "little")
    return readers


_READERS = _readers()
