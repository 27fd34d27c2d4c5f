"""The server's side of a connection: bytes in, replies out. No I/O.

It takes everything, as a catching server should: PIPELINING, CHUNKING, SMTPUTF8, 8BITMIME, SIZE, STARTTLS, AUTH. Only
CRLF ends a line and only CRLF.CRLF a message, so nobody can hide one message in another.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from cb_mail.dots import undoubled
from cb_mail.faults import Fault, Faults

__all__ = ["Next", "Received", "Receiver", "ReceiverOptions"]

Next: TypeAlias = Literal["", "start tls", "close", "stall", "endless"]
_PATH: Final = re.compile(r"(?:FROM|TO):\s*<((?:\"(?:\\.|[^\"\\])*\"|[^<>\"])*)>(?:\s+(.*))?", re.IGNORECASE)
_LONGEST_LINE: Final = 12_288  # octets; AUTH's may have as many (RFC 4954, 4)


@dataclass(frozen=True, slots=True)
class Received:
    """A message that was taken."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes = field(repr=False)
    """As it was sent, dots undone, CRLF line ends."""
    when: datetime = field(default_factory=lambda: datetime.now(UTC))
    user: str = ""
    tls: bool = False
    parameters: tuple[str, ...] = ()
    """Of MAIL: ``SIZE=…``, ``BODY=8BITMIME``, ``SMTPUTF8``."""
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class ReceiverOptions:
    """What a server offers and takes."""

    hostname: str = "localhost"
    size: int = 64 << 20
    recipients: int = 1000
    hide: frozenset[str] = frozenset()
    """Keywords of EHLO that are not offered."""
    tls: bool = False
    users: dict[str, str] = field(default_factory=dict, repr=False)
    """Who may log in. Empty: anybody, with any password."""
    faults: Faults = field(default_factory=Faults, repr=False)


class Receiver:
    """One connection. ``deliver`` is given each message, and may raise OSError where it cannot keep it.

    After each `feed`, write ``take()``, wait ``delay`` seconds before that, and then do what ``next`` says.
    """

    def __init__(self, options: ReceiverOptions, deliver: Callable[[Received], None], *, tls: bool = False) -> None:
        self._options = options
        self._deliver = deliver
        self._tls = tls
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._mode: Callable[[], bool] = self._command
        self._searched = 0
        self._missing = 0
        self._chunks: list[bytes] = []
        self._chunk_size = 0
        self._last = self._skipping = False
        self._hello = ""
        self._user = ""
        self._sender: str | None = None
        self._parameters: tuple[str, ...] = ()
        self._recipients: list[str] = []
        self._login: list[bytes] | None = None
        self.next: Next = ""
        self.delay: float = 0.0

    def begin(self) -> None:
        """Greet."""
        if not self._wrong("CONNECT"):
            self._say(f"220 {self._options.hostname} ESMTP cb-mail")

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes, and do what they say."""
        self._buffer += data
        while self._buffer and not self.next and self._mode():
            pass

    def take(self) -> bytes:
        """Return the replies since the last time."""
        out, self._out = b"".join(self._out), []
        return out

    def secured(self) -> None:
        """TLS has begun: what was known before is forgotten (RFC 3207, 4.2)."""
        self._tls, self._hello, self._user, self.next = True, "", "", ""
        self._buffer.clear()
        self._reset()

    def _say(self, *lines: str) -> None:
        self._out.append(("\r\n".join(lines) + "\r\n").encode())

    def _reset(self) -> None:
        self._sender, self._recipients, self._parameters = None, [], ()
        self._chunks, self._chunk_size, self._skipping = [], 0, False

    def _wrong(self, point: str, address: str = "") -> Fault | None:
        """Do what is to go wrong here; returns it where the command is answered thereby."""
        fault = self._options.faults.at(point, address)
        if fault is None:
            return None
        self.delay += fault.delay
        if fault.code:
            enhanced = f"{fault.code // 100}.0.0"
            self._say(f"{fault.code} {enhanced} As you wished: {point}")
            if fault.code == 421:
                self.next = "close"
        elif fault.action == "cut":
            self.next = "close"
        elif fault.action:
            self.next = "stall" if fault.action == "stall" else "endless"
        return fault if fault.code or fault.action else None

    # Lines ------------------------------------------------------------------------------------------

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n", max(0, self._searched - 1))
        if end < 0:
            self._searched = len(self._buffer)
            if len(self._buffer) > _LONGEST_LINE:
                self._say("500 5.5.2 Line too long")
                self.next = "close"
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        self._searched = 0
        return line

    def _command(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if self._login is not None:
            self._auth_step(line)
            return True
        try:
            text = line.decode()
        except UnicodeDecodeError:
            self._say("500 5.5.2 Not UTF-8")
            return True
        verb, _, rest = text.partition(" ")
        handle = getattr(self, f"_do_{verb.lower()}", None) if verb.isascii() and verb.isalpha() else None
        if handle is None or len(line) > _LONGEST_LINE:
            self._say("500 5.5.2 No such command")
        else:
            handle(rest.strip())
        return True

    def _do_helo(self, name: str) -> None:
        self._hello = name
        self._reset()
        self._say(f"250 {self._options.hostname}")

    def _do_ehlo(self, name: str) -> None:
        if self._wrong("EHLO"):
            return
        self._hello = name
        self._reset()
        offered = [
            "PIPELINING",
            "CHUNKING",
            "SMTPUTF8",
            "8BITMIME",
            "ENHANCEDSTATUSCODES",
            f"SIZE {self._options.size}",
        ]
        if self._options.tls and not self._tls:
            offered.append("STARTTLS")
        offered.append("AUTH PLAIN LOGIN")
        shown = [one for one in offered if one.split()[0] not in self._options.hide]
        words = [self._options.hostname, *shown]
        self._say(*[f"250{'-' if number < len(words) - 1 else ' '}{word}" for number, word in enumerate(words)])

    def _do_starttls(self, _: str) -> None:
        if self._wrong("STARTTLS"):
            return
        if not self._options.tls or self._tls:
            self._say("502 5.5.1 No STARTTLS here")
            return
        self._say("220 2.0.0 Go ahead")
        self._buffer.clear()  # what came in plain text behind it is not believed
        self.next = "start tls"

    def _do_noop(self, _: str) -> None:
        self._say("250 2.0.0 Ok")

    def _do_vrfy(self, _: str) -> None:
        self._say("252 2.0.0 Try it")

    def _do_rset(self, _: str) -> None:
        self._reset()
        self._say("250 2.0.0 Ok")

    def _do_quit(self, _: str) -> None:
        if not self._wrong("QUIT"):
            self._say("221 2.0.0 Bye")
            self.next = "close"

    # AUTH -------------------------------------------------------------------------------------------

    def _do_auth(self, words: str) -> None:
        if self._wrong("AUTH"):
            return
        mechanism, _, first = words.partition(" ")
        if mechanism.upper() == "PLAIN":
            self._login = [b"PLAIN"]
            self._auth_step(first.encode()) if first else self._say("334 ")
        elif mechanism.upper() == "LOGIN":
            self._login = [b"LOGIN"]
            self._auth_step(first.encode()) if first else self._say("334 VXNlcm5hbWU6")
        else:
            self._say("504 5.5.4 Not this one")

    def _auth_step(self, answer: bytes) -> None:
        assert self._login is not None
        try:
            self._login.append(b64decode(answer, validate=True))
        except ValueError:
            self._login = None
            self._say("501 5.5.2 Not base64")
            return
        if self._login[0] == b"LOGIN" and len(self._login) < 3:
            self._say("334 UGFzc3dvcmQ6")
            return
        parts = self._login[1].split(b"\0")[1:] if self._login[0] == b"PLAIN" else self._login[1:]
        self._login = None
        user, password = (part.decode("utf-8", "replace") for part in (*parts, b"", b"")[:2])
        if len(parts) == 2 and (not self._options.users or self._options.users.get(user) == password):
            self._user = user
            self._say("235 2.7.0 Welcome")
        else:
            self._say("535 5.7.8 Not you")

    # A message --------------------------------------------------------------------------------------

    def _do_mail(self, words: str) -> None:
        found = _PATH.fullmatch(words)
        if self._wrong("MAIL", found[1] if found else ""):
            return
        if not self._hello:
            self._say("503 5.5.1 EHLO first")
        elif self._sender is not None:
            self._say("503 5.5.1 One at a time")
        elif not found or not words.upper().startswith("FROM"):
            self._say("501 5.5.4 MAIL FROM:<address>")
        elif (size := re.search(r"\bSIZE=(\d+)", words, re.IGNORECASE)) and int(size[1]) > self._options.size:
            self._say("552 5.3.4 Too large")
        elif not found[1].isascii() and "SMTPUTF8" not in words.upper().split():
            self._say("553 5.6.7 SMTPUTF8 is missing")
        else:
            self._sender, self._parameters = found[1], tuple((found[2] or "").split())
            self._say("250 2.1.0 Ok")

    def _do_rcpt(self, words: str) -> None:
        found = _PATH.fullmatch(words)
        if self._wrong("RCPT", found[1] if found else ""):
            return
        if self._sender is None:
            self._say("503 5.5.1 MAIL first")
        elif not found or not found[1] or not words.upper().startswith("TO"):
            self._say("501 5.5.4 RCPT TO:<address>")
        elif len(self._recipients) >= self._options.recipients:
            self._say("452 4.5.3 Too many recipients")
        elif not found[1].isascii() and "SMTPUTF8" not in map(str.upper, self._parameters):
            self._say("553 5.6.7 SMTPUTF8 is missing")
        else:
            self._recipients.append(found[1])
            self._say("250 2.1.5 Ok")

    def _do_data(self, _: str) -> None:
        if self._wrong("DATA"):
            return
        if self._sender is None or not self._recipients:
            self._say("503 5.5.1 Nobody is to get it" if self._sender is not None else "503 5.5.1 MAIL first")
            return
        self._say("354 Go ahead, end with a dot")
        self._mode, self._searched = self._data, 0

    def _data(self) -> bool:
        buffer = self._buffer
        if buffer.startswith(b".\r\n"):
            end, begins = 0, 3
        else:
            dot = buffer.find(b".", max(0, self._searched - 2))  # one octet is found ten times as quickly as five
            end = buffer.find(b"\r\n.\r\n", max(0, dot - 2)) if dot >= 0 else -1
            if end < 0:
                self._searched = len(buffer)
                if len(buffer) > self._options.size + 1000:
                    del buffer[:-1000]
                    self._skipping, self._searched = True, 0
                return False
            end, begins = end + 2, end + 5
        with memoryview(buffer) as whole, whole[:end] as part:
            data = bytes(part)
        del buffer[:begins]
        self._mode, self._searched = self._command, 0
        self._keep(undoubled(data), chunked=False)
        return True

    def _do_bdat(self, words: str) -> None:
        size, _, last = words.partition(" ")
        if not size.isdigit() or last.upper() not in {"", "LAST"}:
            self._say("501 5.5.4 BDAT size [LAST]")
            self.next = "close"  # nobody knows how much follows
            return
        self._missing, self._last = int(size), bool(last)
        self._mode = self._bdat
        if not self._missing:
            self._bdat()

    def _bdat(self) -> bool:
        take = min(self._missing, len(self._buffer))
        if take < self._missing and take < 1 << 16:
            return False  # in larger pieces
        self._missing -= take
        self._chunk_size += take
        if self._chunk_size <= self._options.size and self._recipients:
            with memoryview(self._buffer) as whole, whole[:take] as part:
                self._chunks.append(bytes(part))
        del self._buffer[:take]
        if self._missing:
            return True
        self._mode = self._command
        if self._sender is None or not self._recipients:
            self._say("503 5.5.1 Nobody is to get it")
            self._chunks, self._chunk_size = [], 0
        elif self._last:
            self._skipping = self._chunk_size > self._options.size
            self._keep(b"".join(self._chunks), chunked=True)
        else:
            self._say(f"250 2.0.0 {self._chunk_size} octets")
        return True

    def _keep(self, data: bytes, *, chunked: bool) -> None:
        sender, recipients, parameters, large = (
            self._sender or "",
            tuple(self._recipients),
            self._parameters,
            self._skipping,
        )
        self._reset()
        if self._wrong("EOM"):
            return
        if large or len(data) > self._options.size:
            self._say("552 5.3.4 Too large")
            return
        message = Received(
            sender, recipients, data, user=self._user, tls=self._tls, parameters=parameters, chunked=chunked
        )
        try:
            self._deliver(message)
        except OSError as error:
            self._say(f"452 4.3.1 Not kept: {error.strerror}")
            return
        self._say("250 2.0.0 Ok, kept")
