"""Reading frames: bytes in, whole messages out, in any slicing.

Contract of every decoder, kept by the property tests:
- The messages do not depend on how the stream was cut into ``feed`` calls.
- ``feed`` returns every message that is complete, at once; a caller answers them with one write. That, more than
  any event loop, is what makes a pipelined protocol fast.
- Worst case O(n) for n bytes in any slicing: bytes of an unfinished message are either few (at most ``_SMALL``,
  re-joined on each feed) or gathered in room that grows in amortised constant time. A delimiter is never
  searched for twice in the same bytes.
- A size limit is checked on the claim, before the body is kept; nothing is ever allocated for bytes not yet here.
- After an error the decoder keeps raising it: a stream that lost its step cannot be trusted again.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from io import BytesIO
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

    def _unfinished(self) -> tuple[bytes, int | None]:
        """The bytes of the message that has begun, header included, and its whole size where that is known."""
        return b"", None

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
        if self._error is not None:
            raise self._error
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


class _Body:
    """A large body that is being gathered where it stays: `value` hands out the very bytes object that was filled.

    Room is made for at most four times what has come, so that a claim alone costs nothing, and a body is moved to
    larger room a few times only.
    """

    __slots__ = ("_bytes", "_room", "have", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.have = 0
        self._room = 0
        self._bytes = BytesIO()

    def add(self, data: Buffer) -> None:
        """Take the next bytes, of which there are no more than the body misses."""
        have = self.have
        self.have = end = have + len(data)
        if end > self._room:
            self._room = min(self.size, 4 * end)
            self._bytes.seek(self._room - 1)
            self._bytes.write(b"\0")
        with self._bytes.getbuffer() as room:
            room[have:end] = data

    def value(self) -> bytes:
        """What has come. Not copied where that is all."""
        self._bytes.truncate(self.have)
        return self._bytes.getvalue()


class LengthDecoder(Decoder):
    """Messages led by their length.

    State between feeds: nothing; or ``_rest``, the beginning of a frame whose length is not there yet; or a frame
    that misses ``_missing`` bytes, its beginning in ``_rest`` where it is small, its body so far in ``_big`` else.
    """

    __slots__ = ("_adjust", "_big", "_limit", "_missing", "_order", "_read", "_rest", "_width")

    def __init__(self, width: int, byteorder: Literal["big", "little"], adjust: int, limit: int) -> None:
        super().__init__()
        self._width = width
        self._order: Literal["big", "little"] = byteorder
        self._adjust = adjust
        self._limit = min(limit, _NEGATIVE - 1)
        self._read = _READERS[width, byteorder] if adjust == 0 else _adjusted(_READERS[width, byteorder], adjust)
        self._rest = b""
        self._big: _Body | None = None
        self._missing = 0

    @property
    def buffered(self) -> int:
        return len(self._rest) if self._big is None else self._big.have + self._width

    def feed(self, data: Buffer) -> list[bytes]:
        if self._error is not None:
            raise self._error
        missing = start = self._missing
        size = len(data)
        if missing > size:
            self._gather(data)
            return []
        messages: list[bytes] = []
        if missing:  # join just this message, not all that follows
            messages.append(self._complete(data[:missing]))
        if type(data) is not bytes:
            start = self._large_frames(memoryview(data), start, messages)
            if start == size and self._missing > 0:
                return messages
            data = bytes(data[start:])
            start = 0
        if not missing and self._rest:
            data = self._rest + data
        size = len(data)
        if size - start > _SMALL:
            start = self._equal_run(data, start, messages)
        read, width, limit = self._read, self._width, self._limit
        body = start + width
        append = messages.append
        while body <= size:
            length = read(data, start)[0]
            if length > limit:
                self._refuse(length, messages)
            start = body + length
            if start > size:
                self._missing = start - size
                if length > _SMALL:
                    self._hold_large(data, body, length)
                else:
                    self._rest = data[body - width :]
                return messages
            append(data[body:start])
            body = start + width
        self._missing = 0
        self._rest = data[start:]
        return messages

    def _large_frames(self, view: memoryview, start: int, messages: list[bytes]) -> int:
        """Take the leading frames that are large, each copied once; the small ones are cut from bytes, not a view."""
        read, width, size = self._read, self._width, len(view)
        if self._rest and not self._missing:
            return start  # a header that began in an earlier read
        self._missing = 0
        while size - start >= width:
            length = read(view, start)[0]
            if length < _SMALL:
                break
            if length > self._limit:
                self._refuse(length, messages)
            body = start + width
            start = body + length
            if start > size:
                self._missing = start - size
                self._hold_large(view, body, length)
                return size
            messages.append(bytes(view[body:start]))
        return start

    def _hold_large(self, data: Buffer, body: int, length: int) -> None:
        self._rest = b""
        self._big = _Body(length)
        self._big.add(memoryview(data)[body:])

    def _gather(self, data: Buffer) -> None:
        if self._big is None:
            self._rest += data
        else:
            self._big.add(data)
        self._missing -= len(data)

    def _complete(self, data: Buffer) -> bytes:
        if self._big is None:
            return self._rest[self._width :] + data
        self._big.add(data)
        message = self._big.value()
        self._big = None
        return message

    def _equal_run(self, data: bytes, start: int, messages: list[bytes]) -> int:
        """Take the frames from `start` on that have the size of the first, all at once; return where they end.

        Small frames of one size, one behind the other, are the usual shape of a pipeline. Three equal headers make
        the guess, which is then checked for all; a wrong guess costs a few comparisons a read.
        """
        width = self._width
        length = self._read(data, start)[0]
        stride = width + length
        header = data[start : start + width]
        count = (len(data) - start) // stride if 0 < length < 1024 and length <= self._limit else 0
        if count < 8 or header != data[start + stride : start + stride + width]:
            return start
        end = start + count * stride
        for offset in range(width):
            if data[start + offset : end : stride] != header[offset : offset + 1] * count:
                return start
        frames = struct.iter_unpack(f"{width}x{length}s", memoryview(data)[start:end])
        messages += [message for (message,) in frames]
        return end

    def _refuse(self, length: int, messages: list[bytes]) -> NoReturn:
        if length == _NEGATIVE:
            self._fail(InvalidMessage(f"the length field is too small for adjust={self._adjust}"), messages)
        self._fail(MessageTooLarge(length, self._limit), messages)

    def _unfinished(self) -> tuple[bytes, int | None]:
        width = self._width
        if self._big is not None:
            size = self._big.size
            return (size - self._adjust).to_bytes(width, self._order) + self._big.value(), width + size
        return self._rest, len(self._rest) + self._missing if self._missing else None


_Reader: TypeAlias = Callable[[Buffer, int], tuple[int, ...]]

_NEGATIVE = 2**65
"""Read where an adjusted length is negative: above every limit, so that the decoding loop has one comparison."""


def _adjusted(read: _Reader, adjust: int) -> _Reader:
    def read_adjusted(data: Buffer, start: int) -> tuple[int, ...]:
        length = read(data, start)[0] + adjust
        return (length if length >= 0 else _NEGATIVE,)

    return read_adjusted


def _slow_reader(width: int, byteorder: Literal["big", "little"]) -> _Reader:
    def read(data: Buffer, start: int) -> tuple[int, ...]:
        return (int.from_bytes(data[start : start + width], byteorder),)

    return read


def _readers() -> dict[tuple[int, str], _Reader]:
    readers: dict[tuple[int, str], _Reader] = {}
    for width in range(1, 9):
        code = {1: "B", 2: "H", 4: "I", 8: "Q"}.get(width)
        readers[width, "big"] = struct.Struct(f">{code}").unpack_from if code else _slow_reader(width, "big")
        readers[width, "little"] = struct.Struct(f"<{code}").unpack_from if code else _slow_reader(width, "little")
    return readers


_READERS = _readers()
