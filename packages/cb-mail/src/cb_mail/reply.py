"""Replies of a server: bytes in, replies out, with bounds (RFC 5321, 4.2; RFC 2034 for enhanced codes). No I/O."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cb_mail.errors import ConnectError, ProtocolError

__all__ = ["Replies", "Reply"]

_LINE: Final = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\r\n]*))?\r?")
_ENHANCED: Final = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: |$)")
_LONGEST_LINE: Final = 8192  # octets; RFC 5321 says 512, servers say more
_LONGEST_REPLY: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answers: ``code``, and the words of each of its lines."""

    code: int
    lines: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether it is 2xx."""
        return 200 <= self.code < 300

    @property
    def said(self) -> tuple[int, str, str, str]:
        """The code, the enhanced code, the words, and all three as a text."""
        return _said(self)

    @property
    def enhanced(self) -> str:
        """The enhanced status code, like ``5.1.1``, or nothing."""
        found = _ENHANCED.match(self.lines[0])
        return found[1] if found else ""

    @property
    def text(self) -> str:
        """The words, without the enhanced code, in one line that a terminal can show."""
        words = " ".join([_ENHANCED.sub("", line, count=1) for line in self.lines])
        if not words.isprintable():
            words = "".join(letter if letter.isprintable() else "?" for letter in words)
        return words.strip()

    def __str__(self) -> str:
        return " ".join(filter(None, [str(self.code), self.enhanced, self.text]))


@lru_cache(maxsize=64)  # most servers say the same to most messages
def _said(reply: Reply) -> tuple[int, str, str, str]:
    return reply.code, reply.enhanced, reply.text, str(reply)


class Replies:
    """Bytes that came, as replies. Costs as much time as there are bytes; holds one reply of at most 64 KiB.

    *server*: who says it, for errors.

    >>> replies = Replies()
    >>> replies.feed(b"250-mx\\r\\n250 SIZE 1000\\r\\n220")
    >>> replies.pop()
    Reply(code=250, lines=('mx', 'SIZE 1000'))
    >>> replies.pop(), replies.pending
    (None, True)
    """

    def __init__(self, server: str = "the server") -> None:
        self._server = server
        self._rest = b""
        self._code = b""
        self._lines: list[str] = []
        self._size = 0
        self._whole: deque[Reply] = deque()

    @property
    def pending(self) -> bool:
        """Whether bytes came that no `pop` has given back yet."""
        return bool(self._rest or self._lines or self._whole)

    def feed(self, data: bytes) -> None:
        """Take bytes.

        Raises:
            ProtocolError: They are no reply of SMTP, or a longer one than the bounds allow.
        """
        *lines, self._rest = (self._rest + data if self._rest else data).split(b"\n")
        for line in lines:
            if not self._lines and (whole := _single(line)):
                self._whole.append(whole)
            else:
                self._line(line)
        if len(self._rest) > _LONGEST_LINE:
            raise ProtocolError(f"{self._server} sends a line of more than {_LONGEST_LINE:,} octets")

    def read(self, data: bytes) -> None:
        """Take what a read has given: nothing where the connection has ended.

        Raises:
            ConnectError: That is so.
            ProtocolError: As `feed`.
        """
        if not data:
            raise ConnectError(f"{self._server} closed the connection")
        self.feed(data)

    @property
    def whole(self) -> int:
        """How many replies `pop` would give."""
        return len(self._whole)

    def pop(self) -> Reply | None:
        """Return the next whole reply, or None."""
        return self._whole.popleft() if self._whole else None

    def _line(self, line: bytes) -> None:
        if not (found := _parts(line)) or len(line) > _LONGEST_LINE:
            raise ProtocolError(f"{self._server} answers {line[:80]!r}, which is not SMTP (is the port right?)")
        code, more, words = found
        if self._code and code != self._code:
            raise ProtocolError(f"{self._server} changes from {self._code.decode()} to {code.decode()} within a reply")
        self._lines.append(words)
        self._size += len(line)
        if self._size > _LONGEST_REPLY:
            raise ProtocolError(f"{self._server} sends a reply without an end (more than {_LONGEST_REPLY:,} octets)")
        if more:
            self._code = code
            return
        self._whole.append(Reply(int(code), tuple(self._lines)))
        self._code, self._lines, self._size = b"", [], 0


@lru_cache(maxsize=64)  # a server says the same few lines all the time
def _single(line: bytes) -> Reply | None:
    """Return a reply of one line; None for any other."""
    found = _parts(line) if len(line) <= _LONGEST_LINE else None
    return Reply(int(found[0]), (found[2],)) if found and not found[1] else None


def _parts(line: bytes) -> tuple[bytes, bool, str] | None:
    """Return the code, whether more lines follow, and the words."""
    if not (found := _LINE.fullmatch(line)):
        return None
    code, dash, words = found.groups()
    return code, dash == b"-", (words or b"").decode("utf-8", "replace")
