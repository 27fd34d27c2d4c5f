"""What is said on a connection before the first message: greeting, EHLO, STARTTLS, AUTH. No I/O.

A conversation is a generator. It yields what to do (`Write`, `READ`, `START_TLS`), is sent the bytes that came after a
`READ`, and returns what it found out; `client` and `aio` drive it. Errors of the connection are thrown into it.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from cb_mail import auth
from cb_mail.credentials import Credentials
from cb_mail.errors import AuthError, ProtocolError, ServerError, TLSError
from cb_mail.reply import Replies, Reply

__all__ = [
    "ALIVE",
    "CLOSE",
    "CONNECT",
    "READ",
    "START_TLS",
    "Action",
    "Capabilities",
    "Conversation",
    "Do",
    "Opening",
    "Write",
    "command",
    "next_reply",
    "open_session",
]

_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}|\[[A-Za-z0-9.:]{2,60}\]")


class Do(Enum):
    """What has no argument."""

    CONNECT = "connect, with TLS from the start where that is wanted"
    ALIVE = "throw ConnectError in if the connection is closed, or was idle for long"
    READ = "read; sent in is what came, or nothing at the end"
    START_TLS = "begin TLS now"
    CLOSE = "close the connection"


CONNECT: Final = Do.CONNECT
ALIVE: Final = Do.ALIVE
READ: Final = Do.READ
START_TLS: Final = Do.START_TLS
CLOSE: Final = Do.CLOSE


@dataclass(slots=True)
class Write:
    """Bytes to send, one after the other."""

    data: Sequence[bytes]


Action: TypeAlias = Write | Do
Conversation: TypeAlias = Generator[Action, bytes, "Capabilities"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server said it can do (EHLO). ``keywords`` holds each keyword, in capitals, with its words."""

    greeting: str
    keywords: Mapping[str, str]

    def has(self, keyword: str) -> bool:
        """Whether *keyword* is among them."""
        return keyword in self.keywords

    @property
    def size(self) -> int | None:
        """The largest message it takes, in octets; None where it does not say."""
        words = self.keywords.get("SIZE", "")
        return int(words) if words.isdigit() and int(words) else None

    @property
    def auth(self) -> tuple[str, ...]:
        """The mechanisms for AUTH."""
        return tuple(self.keywords.get("AUTH", "").upper().split())


@dataclass(frozen=True, slots=True)
class Opening:
    """How to open a session.

    Args:
        helo: The name that we give ourselves.
        starttls: Insist on STARTTLS.
        secure: Nobody between can read: implicit TLS, a Unix socket, or loopback. Else AUTH wants STARTTLS.
        lmtp: The server is one for LMTP (RFC 2033).
        credentials: Who logs in, or nobody.
    """

    helo: str = "localhost"
    starttls: bool = True
    secure: bool = False
    lmtp: bool = False
    credentials: Credentials | None = None

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.helo):
            raise ValueError(f"helo {self.helo!r} is no host name, and no address like [127.0.0.1]")


def command(*words: str) -> bytes:
    """Return a line. Nothing in it can begin another one.

    Raises:
        ProtocolError: A word holds a control.
    """
    line = " ".join(words).encode()
    if _CONTROL.search(line):
        raise ProtocolError(f"a command must not hold a control: {line!r}")
    return line + b"\r\n"


def next_reply(replies: Replies) -> Generator[Action, bytes, Reply]:
    """Return the next reply."""
    while (reply := replies.pop()) is None:
        replies.read((yield READ))
    return reply


def open_session(opening: Opening, replies: Replies) -> Conversation:
    """Say hello, secure the line, log in; returns what the server can do then.

    Raises:
        ServerError: It does not want to talk.
        TLSError: STARTTLS is wanted and not offered, or refused.
        AuthError: The login failed, or would be readable on the way.
    """
    greeting = yield from next_reply(replies)
    if greeting.code != 220:
        raise _refused("the server does not want to talk", greeting)
    capabilities = yield from _hello(opening, greeting, replies)
    secure = opening.secure
    if opening.starttls:
        if not capabilities.has("STARTTLS"):
            raise TLSError("the server offers no STARTTLS; nothing was sent (somebody may have taken it out)")
        yield Write([b"STARTTLS\r\n"])
        reply = yield from next_reply(replies)
        if reply.code != 220:
            raise TLSError(f"the server refuses STARTTLS: {reply}")
        if replies.pending:
            raise TLSError("the server sent more before TLS began; somebody may be between")
        yield START_TLS
        secure = True
        capabilities = yield from _hello(opening, greeting, replies)
    if opening.credentials:
        if not secure:
            raise AuthError("a password is not sent over a line that others can read (use smtps:// or STARTTLS)")
        yield from _login(opening.credentials, capabilities, replies)
    return capabilities


def _hello(opening: Opening, greeting: Reply, replies: Replies) -> Conversation:
    yield Write([command("LHLO" if opening.lmtp else "EHLO", opening.helo)])
    reply = yield from next_reply(replies)
    if not reply.ok and reply.code >= 500 and not opening.lmtp:
        yield Write([command("HELO", opening.helo)])
        reply = yield from next_reply(replies)
        if reply.ok:
            return Capabilities(greeting.text, {})
    if not reply.ok:
        raise _refused("the server refuses our name", reply)
    keywords: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword, _, words = line.strip().partition(" ")
        if keyword.upper().startswith("AUTH="):  # as servers of the nineties say it
            keyword, words = "AUTH", f"{keyword[5:]} {words}"
        keywords.setdefault(keyword.upper(), words.strip())
    return Capabilities(greeting.text, keywords)


def _login(credentials: Credentials, capabilities: Capabilities, replies: Replies) -> Generator[Action, bytes, None]:
    mechanism = auth.choose(capabilities.auth, credentials)
    answers = auth.steps(mechanism, credentials)
    first = next(answers)
    if mechanism == "LOGIN":  # has no initial response
        yield Write([b"AUTH LOGIN\r\n"])
        reply = yield from next_reply(replies)
        if reply.code == 334:
            yield Write([_base64(first)])
            reply = yield from next_reply(replies)
    else:
        yield Write([f"AUTH {mechanism} ".encode() + _base64(first)])
        reply = yield from next_reply(replies)
    answered = 1
    while reply.code == 334:
        answered += 1
        try:
            answer = answers.send(b64decode(reply.lines[0], validate=True))
        except (ValueError, StopIteration) as error:
            raise AuthError(f"the server asks for more than AUTH {mechanism} has") from error
        yield Write([_base64(answer)])
        reply = yield from next_reply(replies)
    if not reply.ok:
        raise AuthError(f"the server refuses {credentials.user} (AUTH {mechanism}): {reply}")
    if mechanism == "SCRAM-SHA-256" and answered < 3:
        raise AuthError("the server let us in before it showed that it knows the password")


def _base64(data: bytes) -> bytes:
    return (b64encode(data) or b"=") + b"\r\n" if data else b"\r\n"


def _refused(what: str, reply: Reply) -> ServerError:
    return ServerError(f"{what}: {reply}", code=reply.code, enhanced=reply.enhanced, reply=reply.text)
