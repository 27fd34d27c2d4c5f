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
from cb_mail.reply import Reply
from cb_mail.result import RecipientResult, Result
from cb_mail.session import ALIVE, CLOSE, CONNECT, READ, Action, Capabilities, Opening, Write, open_session

__all__ = ["Line", "Plan", "Sending", "closing", "opened", "sending", "untried"]

Sending: TypeAlias = Generator[Action | Result, Reply, None]
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

    capabilities: Capabilities | None = None
    sent: int = field(default=0)


def opened(plan: Plan, line: Line) -> Generator[Action, Reply, Capabilities]:
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
    try:
        found = yield from open_session(plan.opening)
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
        asked: list[Sendable] = []
        failed: list[Sendable] = []
        feed = _up_to(plan.max_per_connection - line.sent, again, source, asked)
        steps = deliver(feed, capabilities, outstanding=plan.window // 2, lmtp=plan.opening.lmtp)
        broken = yield from _relayed(steps, asked, failed)
        line.sent += len(asked)
        again.extendleft(reversed(failed))
        if broken:
            line.capabilities = None
            yield CLOSE
            fruitless = fruitless + 1 if len(failed) == len(asked) else 0
            if fruitless > 1:
                for one in again:
                    yield untried(one, str(broken))
                raise broken
        elif line.sent >= plan.max_per_connection:
            yield from closing(line)


def _relayed(
    steps: Delivery, asked: list[Sendable], failed: list[Sendable]
) -> Generator[Action | Result, Reply, ConnectError | ProtocolError | None]:
    """Hand on what a delivery wants and finds out; what it did not try goes to *failed*. Returns what broke it."""
    try:
        action = next(steps)
        while True:
            if isinstance(action, Outcome):
                if action.result.of("not_tried"):
                    failed.append(asked[action.number])
                else:
                    yield action.result
                action = next(steps)
                continue
            try:
                reply = yield action
            except (ConnectError, ProtocolError) as error:
                action = steps.throw(error)
            else:
                action = steps.send(reply)
    except StopIteration:
        return None
    except (ConnectError, ProtocolError) as error:
        return error


def closing(line: Line) -> Generator[Action, Reply, None]:
    """Say QUIT, and close."""
    if line.capabilities is None:
        return
    line.capabilities = None
    with contextlib.suppress(ConnectError, ProtocolError):
        yield Write([b"QUIT\r\n"])
        yield READ
    yield CLOSE


def _up_to(
    count: int, again: deque[Sendable], source: Iterator[Sendable | None], asked: list[Sendable]
) -> Iterator[Sendable | None]:
    """Give *count* messages, those first that are sent again, and note which."""
    while len(asked) < count:
        one = again.popleft() if again else next(source, _END)
        if one is _END:
            return
        if one is not None:
            asked.append(one)  # type: ignore[arg-type]
        yield one  # type: ignore[misc]


def untried(message: Sendable, text: str) -> Result:
    """Return the result of a message of which nothing was sent."""
    recipients = message.envelope().recipients
    return Result(message.message_id, tuple(RecipientResult(one.addr, "not_tried", text=text) for one in recipients))
