"""Reading frames: bytes in, whole messages out, in any slicing.

Contract of every decoder, kept by the property tests:
- The messages do not depend on how the stream was cut into ``feed`` calls.
- ``feed`` returns every message that is complete, at once; a caller answers them with one write. That, more than
  any event loop, is what makes a pipelined protocol fast.
- Worst case O(n) for n bytes in any slicing: bytes of an unfinished message are either few (at most 4 KiB,
  re-joined on each feed) or gathered in room that grows in amortised constant time. A delimiter is never
  searched for twice in the same bytes.
- A size limit is checked on the claim, before the body is kept; nothing is ever allocated for bytes not yet here.
- After an error the decoder keeps raising it: a stream that lost its step cannot be trusted again.
"""

from __future__ import annotations

import copy
import struct
from abc import ABC, abstractmethod
from typing import NoReturn, TypeAlias

from cb_sockets.errors import FramingError, IncompleteMessage, MessageTooLarge

__all__ = ["Buffer", "Decoder", "DelimitedDecoder", "EOFDecoder", "FixedDecoder", "RawDecoder"]

Buffer: TypeAlias = bytes | bytearray | memoryview
"""Bytes-like, one byte an item."""


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

    def room(self) -> memoryview | None:
        """Where the next bytes of a large message belong, for a reader that can put them there; None for all others.

        Release it, and then call `filled`.
        """
        return None

    def filled(self, count: int) -> list[bytes]:
        """As `feed`, for `count` bytes that were read into `room`. Raises ValueError where there is none."""
        raise ValueError(f"{count} bytes cannot be in the room of a message: there is no large one")

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
        self._error = copy.copy(error)  # what is raised again later does not hand the same messages out twice
        error.completed = completed
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
