"""Reading frames that are led by their length; the contract is that of every `Decoder`.

Three shapes of traffic have a path of their own: a run of small frames of one size is taken at once; frames of mixed
sizes go through one short loop; the body of a large one is gathered where it stays, read there by who can (`room`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from typing import Literal, NoReturn, TypeAlias

from cb_sockets.decoders import Buffer, Decoder
from cb_sockets.errors import InvalidMessage, MessageTooLarge

__all__ = ["LengthDecoder"]

_SMALL = 4096
"""Up to this size the beginning of a message is joined with what comes: cheaper than room of its own."""


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
            self._grow(end)
        with self._bytes.getbuffer() as room:
            room[have:end] = data

    def room(self) -> memoryview:
        """Where the next bytes belong, at least one; to be released before anything else happens here."""
        if self.have == self._room:
            self._grow(self.have)
        return self._bytes.getbuffer()[self.have :]

    def _grow(self, end: int) -> None:
        self._room = min(self.size, 4 * end)
        self._bytes.seek(self._room - 1)
        self._bytes.write(b"\0")

    def value(self) -> bytes:
        """What has come. Not copied where that is all."""
        self._bytes.truncate(self.have)
        return self._bytes.getvalue()


class LengthDecoder(Decoder):
    """Messages led by their length.

    State between feeds: nothing; or ``_rest``, the beginning of a frame whose length is not there yet; or a frame
    that misses ``_missing`` bytes, its beginning in ``_rest`` where it is small, its body so far in ``_big`` else.
    """

    __slots__ = ("_adjust", "_big", "_limit", "_missing", "_order", "_read", "_rest", "_whole", "_width")

    def __init__(self, width: int, byteorder: Literal["big", "little"], adjust: int, limit: int) -> None:
        super().__init__()
        self._width = width
        self._order: Literal["big", "little"] = byteorder
        self._adjust = adjust
        self._limit = min(limit, _NEGATIVE - 1)
        self._read = _READERS[width, byteorder] if adjust == 0 else _adjusted(_READERS[width, byteorder], adjust)
        self._rest = b""
        self._big: _Body | None = None
        self._missing = self._whole = 0

    @property
    def buffered(self) -> int:
        if self._big is not None:
            return self._big.have + self._width
        return len(self._rest) + self._width if self._missing else len(self._rest)

    def feed(self, data: Buffer) -> list[bytes]:
        if self._error is not None:
            raise self._error
        start = self._missing
        size = len(data)
        if start > size:
            self._gather(data)
            return []
        if type(data) is not bytes:
            data = bytes(data)
        if start:  # join just this message, not all that follows
            messages = [self._rest + data[:start] if self._big is None else self._complete(data[:start])]
            self._missing = 0
            if start == size:
                self._rest = b""
                return messages
        else:
            messages = []
            if self._rest:
                data = self._rest + data
                size = len(data)
        if size - start > _SMALL:
            start = self._equal_run(data, start, messages)
        read, width, limit = self._read, self._width, self._limit
        last = size - width
        append = messages.append
        while start <= last:
            (length,) = read(data, start)
            if length > limit:
                self._refuse(length, messages)
            body = start + width
            start = body + length
            if start > size:
                self._missing = start - size
                self._whole = length
                if length > _SMALL:
                    self._rest = b""
                    self._big = _Body(length)
                    self._big.add(memoryview(data)[body:])
                else:
                    self._rest = data[body:]
                return messages
            append(data[body:start])
        self._rest = data[start:]
        return messages

    def room(self) -> memoryview | None:
        # For a claim alone there is none: room follows what has come.
        return self._big.room() if self._big is not None and self._big.have else None

    def filled(self, count: int) -> list[bytes]:
        big = self._big
        if big is None:
            return super().filled(count)
        big.have += count
        self._missing -= count
        if self._missing:
            return []
        self._big = None
        return [big.value()]

    def _gather(self, data: Buffer) -> None:
        if self._big is None:
            self._rest += data
        else:
            self._big.add(data)
        self._missing -= len(data)

    def _complete(self, data: Buffer) -> bytes:
        big = self._big
        assert big is not None
        big.add(data)
        self._big = None
        return big.value()

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
        if not self._missing:
            return self._rest, None
        body = self._rest if self._big is None else self._big.value()
        return (self._whole - self._adjust).to_bytes(self._width, self._order) + body, self._width + self._whole


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
