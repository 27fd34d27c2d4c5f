"""A message in the spool: as it is shown, and as one who sends has it in hand."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from cb_mail.address import Address
from cb_mail.attachment import Attachment
from cb_mail.message import Envelope
from cb_mail.result import RecipientResult, Result
from cb_mail.transaction import Sendable

__all__ = ["COLUMNS", "Claimed", "Entry", "EntryState", "Totals", "entry_of"]

EntryState: TypeAlias = Literal["queued", "in_flight", "unknown", "done"]
_FOREVER: Final = 5 * 86_400.0  # seconds after which what is deferred is given up (RFC 5321, 4.5.4.1)
COLUMNS: Final = (
    "SELECT id, state, subject, message_id, recipients, results, said, made, due, attempts, merge, row FROM messages"
)
"""What `entry_of` takes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A message in the spool. ``due`` is when it is tried next (seconds since 1970; 0: at once)."""

    id: int
    state: EntryState
    subject: str
    message_id: str
    recipients: tuple[str, ...]
    """Those who wait for it."""
    results: tuple[RecipientResult, ...]
    """What became of those who do not."""
    said: tuple[RecipientResult, ...]
    """What was last said of those who wait, where they were tried."""
    made: float
    due: float
    attempts: int
    merge: int | None
    row: int


def entry_of(row: tuple[Any, ...]) -> Entry:
    """Return the entry of a row of `COLUMNS`."""
    recipients = tuple(json.loads(row[4]))
    results, said = (tuple(RecipientResult(**one) for one in json.loads(text)) for text in row[5:7])
    return Entry(row[0], row[1], row[2], row[3], recipients, results, said, *row[7:])


@dataclass(slots=True)
class Totals:
    """How many receivers ended in which state, in one run."""

    accepted: int = 0
    refused: int = 0
    deferred: int = 0
    unknown: int = 0

    def add(self, result: Result) -> None:
        """Count one message's receivers."""
        for one in result.recipients:
            name = "deferred" if one.state == "not_tried" else one.state
            setattr(self, name, getattr(self, name) + 1)


@dataclass(slots=True)
class Claimed:
    """A message under way, to those who wait for it. What its body is made of is asked for where it is needed."""

    id: int
    message_id: str
    sender: Address | None
    recipients: tuple[Address, ...]
    made: float
    attempts: int
    results: str
    data: bytes | None
    """All of it, for a server with 8BITMIME; None where it has files."""
    again: Callable[[], Sendable]
    """Makes it anew."""

    @property
    def needs_smtputf8(self) -> bool:
        """Whether an address needs SMTPUTF8."""
        if self.data is None:
            return self.again().needs_smtputf8
        return not (self.data.isascii() or self.data.partition(b"\r\n\r\n")[0].isascii())

    def envelope(self) -> Envelope:
        """Who sends, and who waits for it."""
        return Envelope(self.sender, self.recipients)

    def pieces(self, *, eight_bit: bool = False, utf8: bool = False) -> list[bytes | Attachment]:
        """Its bytes and files, in order."""
        if self.data is not None and (eight_bit or self.data.isascii()):
            return [self.data]
        return self.again().pieces(eight_bit=eight_bit, utf8=utf8)

    def after(self, result: Result) -> tuple[str, str, float, int, str, str, int]:
        """Return what is written of it now: state, who waits for it, due, attempts, results, what was said, id."""
        ended = list(result.of("accepted", "refused"))
        waiting = list(result.of("deferred", "not_tried"))
        state, due, attempts = "done", 0.0, self.attempts
        if unknown := result.of("unknown"):
            state, waiting = "unknown", [*unknown, *waiting]
        elif waiting and time.time() - self.made > _FOREVER:
            ended += [replace(one, state="refused", text=f"given up after 5 days: {one.text}") for one in waiting]
            waiting = []
        elif waiting:
            state = "queued"
            if any(one.state == "deferred" for one in waiting):
                due = time.time() + min(14_400.0, 60.0 * 2 ** (attempts - 1)) * _jitter()
            else:
                attempts -= 1
        results = [*(json.loads(self.results) if self.results != "[]" else ()), *map(_plain, ended)]
        addresses = json.dumps([one.recipient for one in waiting]) if waiting else "[]"
        said = json.dumps([_plain(one) for one in waiting if one.state != "not_tried"]) if waiting else "[]"
        return state, addresses, due, attempts, json.dumps(results), said, self.id


def _plain(one: RecipientResult) -> dict[str, str | int]:
    return {
        "recipient": one.recipient,
        "state": one.state,
        "code": one.code,
        "enhanced": one.enhanced,
        "text": one.text,
    }


def _jitter() -> float:
    """Return about 1: what was deferred together is not tried again together."""
    return random.uniform(0.8, 1.2)  # noqa: S311 - no secret
