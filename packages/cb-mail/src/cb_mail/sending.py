"""Messages to one server over as many connections, one after the other, as that takes. No I/O.

A connection that ends is made again. What certainly was not delivered is sent once more; what may have been is unknown,
and is never sent again here.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from cb_mail.delivery import Delivery, Outcome, Sendable, deliver
from cb_mail.errors import ConnectError, MailError, ProtocolError
from cb_mail.reply import Replies
from cb_mail.result import RecipientResult, Result
from cb_mail.session import ALIVE, CLOSE, CONNECT, Action, Capabilities, Opening, Write, next_reply, open_session

__all__ = ["Line", "Plan", "Sending", "closing", "opened", "sending", "untried"]

Sending: TypeAlias = Generator[Action | Result, bytes, None]
_END: Final = object()


@dataclass(frozen=True, slots=True)
class Plan:
    """How to send: what `Client` was told."""

    opening: Opening
    window: int = 1
    max_per_connection: int = 100
    without: frozenset[str] = frozenset()


@dataclass(slots=True)
class Line:
    """The connection that there is, or not. It lasts from one call to the next."""

    server: str = "the server"
    """For errors."""
    capabilities: Capabilities | None = None
    sent: int = 0
    replies: Replies = field(default_factory=Replies)


def opened(plan: Plan, line: Line) -> Generator[Action, bytes, Capabilities]:
    """Make sure that there is a connection; returns what its server can do."""
    if line.capabilities is not None:
        try:
            yield ALIVE
        except ConnectError:
            line.capabilities = None
            yield CLOSE
        else:
            return line.capabilities
    yield CONNECT
    line.replies = Replies(line.server)
    try:
        found = yield from open_session(plan.opening, line.replies)
    except MailError:
        yield CLOSE
        raise
    kept = {word: rest for word, rest in found.keywords.items() if word not in plan.without}
    line.capabilities, line.sent = Capabilities(found.greeting, kept), 0
    return line.capabilities


def sending(messages: Iterable[Sendable | None], plan: Plan, line: Line) -> Sending:
    """Send *messages*, which are asked for one by one; yields their results among what is to be done.

    Results come in the messages' order, except that one that had to be sent again comes later.

    Raises:
        ConnectError, TLSError, AuthError, ServerError: The server cannot be used, or no more. What was asked for has
            its result before.
    """
    source = iter(messages)
    again: deque[Sendable] = deque()
    fruitless = 0
    while True:
        while not again:
            first = next(source, _END)
            if first is _END:
                return
            if first is not None:
                again.append(first)  # type: ignore[arg-type]
        try:
            capabilities = yield from opened(plan, line)
        except MailError as error:
            for one in again:
                yield untried(one, str(error))
            raise
        asked: dict[int, Sendable] = {}
        failed: list[Sendable] = []
        before = line.sent
        feed = _up_to(plan.max_per_connection, line, again, source, asked)
        steps = deliver(feed, capabilities, line.replies, window=plan.window, lmtp=plan.opening.lmtp)
        broken = yield from _relayed(steps, asked, failed)
        again.extendleft(reversed(failed))
        if broken:
            line.capabilities = None
            yield CLOSE
            fruitless = fruitless + 1 if len(failed) == line.sent - before else 0
            if fruitless > 1:
                for one in again:
                    yield untried(one, str(broken))
                raise broken
        elif line.sent >= plan.max_per_connection:
            yield from closing(line)


def _relayed(
    steps: Delivery, asked: dict[int, Sendable], failed: list[Sendable]
) -> Generator[Action | Result, bytes, ConnectError | ProtocolError | None]:
    """Hand on what a delivery wants and finds out; what it did not try goes to *failed*. Returns what broke it."""
    try:
        action = next(steps)
        while True:
            if isinstance(action, Outcome):
                message = asked.pop(action.number)
                if action.result.of("not_tried"):
                    failed.append(message)
                else:
                    yield action.result
                action = next(steps)
                continue
            try:
                data = yield action
            except (ConnectError, ProtocolError) as error:
                action = steps.throw(error)
            else:
                action = steps.send(data)
    except StopIteration:
        return None
    except (ConnectError, ProtocolError) as error:
        return error


def closing(line: Line) -> Generator[Action, bytes, None]:
    """Say QUIT, and close."""
    if line.capabilities is None:
        return
    line.capabilities = None
    with contextlib.suppress(ConnectError, ProtocolError):
        yield Write([b"QUIT\r\n"])
        yield from next_reply(line.replies)
    yield CLOSE


def _up_to(
    most: int, line: Line, again: deque[Sendable], source: Iterator[Sendable | None], asked: dict[int, Sendable]
) -> Iterator[Sendable | None]:
    """Give messages until the connection has had *most*, those first that are sent again, and note which."""
    number = 0
    while line.sent < most:
        one = again.popleft() if again else next(source, _END)
        if one is _END:
            return
        if one is not None:
            asked[number] = one  # type: ignore[assignment]
            number += 1
            line.sent += 1
        yield one  # type: ignore[misc]


def untried(message: Sendable, text: str) -> Result:
    """Return the result of a message of which nothing was sent."""
    recipients = message.envelope().recipients
    return Result(message.message_id, tuple(RecipientResult(one.addr, "not_tried", text=text) for one in recipients))
