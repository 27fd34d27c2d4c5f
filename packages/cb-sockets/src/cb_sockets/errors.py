"""What can go wrong, as exceptions a caller can act on."""

from __future__ import annotations

__all__ = [
    "AddressError",
    "ConnectFailed",
    "FramingError",
    "IncompleteMessage",
    "InvalidMessage",
    "MessageTooLarge",
    "PeerClosed",
    "SocketsError",
    "TimeoutExceeded",
]


def _restore(kind: type[SocketsError], args: tuple[object, ...]) -> SocketsError:
    """For pickle and copy: most errors are not made of their text."""
    error = kind.__new__(kind)
    error.args = args
    return error


class SocketsError(Exception):
    """Any error of this package."""

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.args), self.__dict__


class AddressError(SocketsError, ValueError):
    """An address that cannot be read, or cannot be listened on."""


class ConnectFailed(SocketsError, ConnectionError):
    """The connection, or its TLS handshake, could not be made."""


class PeerClosed(SocketsError, ConnectionError):
    """The peer ended the connection: cleanly between two messages, or by a reset.

    ``clean`` is true where the stream ended exactly between two messages.
    """

    def __init__(self, text: str, *, clean: bool) -> None:
        super().__init__(text)
        self.clean = clean


class TimeoutExceeded(SocketsError, TimeoutError):
    """The peer did not send, or take, what it had to in time."""


class FramingError(SocketsError):
    """The stream does not follow the framing. The connection cannot be used any further.

    ``completed`` holds the whole messages that the same ``feed`` call had decoded before the fault: they are valid.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.completed: list[bytes] = []


class MessageTooLarge(FramingError):
    """A message is, or claims to be, larger than the limit. ``size`` and ``limit`` are in bytes.

    Where a delimiter is still missing, ``size`` is what had arrived so far.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"message of {size} bytes exceeds the limit of {limit} (raise max_size if it is legitimate)")
        self.size = size
        self.limit = limit


class IncompleteMessage(FramingError):
    """The stream ended inside a message.

    ``partial`` holds the bytes of it that came; ``expected`` is its whole size in bytes, or None where only a
    delimiter would have told.
    """

    def __init__(self, partial: bytes, expected: int | None) -> None:
        wanted = "its delimiter" if expected is None else f"{expected} bytes"
        super().__init__(f"stream ended inside a message: {len(partial)} bytes came, {wanted} did not")
        self.partial = partial
        self.expected = expected


class InvalidMessage(FramingError, ValueError):
    """A message that this framing cannot carry, refused before a byte of it is sent; or a length that cannot be."""
