"""What became of a message, receiver by receiver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from cb_mail.errors import ServerError, UnknownOutcome

__all__ = ["RecipientResult", "Result", "State"]

State: TypeAlias = Literal["accepted", "refused", "deferred", "unknown", "not_tried"]
"""``accepted``: the server has taken it over. ``refused``: it never will (5xx). ``deferred``: not now (4xx, or no
connection); to be tried again. ``unknown``: the connection broke between the message's end and the answer.
``not_tried``: nothing was sent; safe to try."""


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """One receiver: its state, and the server's words. ``code`` is 0 where no server has spoken."""

    recipient: str
    state: State
    code: int = 0
    enhanced: str = ""
    text: str = ""

    def __str__(self) -> str:
        said = " ".join(filter(None, [str(self.code or ""), self.enhanced, self.text]))
        return f"{self.recipient}: {self.state.replace('_', ' ')}" + (f" ({said})" if said else "")


@dataclass(frozen=True, slots=True)
class Result:
    """One message: its receivers, its Message-ID, and the words of the reply that took it."""

    message_id: str
    recipients: tuple[RecipientResult, ...]
    reply: str = ""

    @property
    def ok(self) -> bool:
        """Whether every receiver is accepted."""
        return all(one.state == "accepted" for one in self.recipients)

    def of(self, *states: State) -> tuple[RecipientResult, ...]:
        """Return those receivers that are in one of *states*."""
        return tuple(one for one in self.recipients if one.state in states)

    def raise_for_refused(self) -> None:
        """Raise if a receiver is not accepted.

        Raises:
            UnknownOutcome: One may have it, and may not.
            ServerError: One was refused or deferred; the first one's words.
        """
        if unknown := self.of("unknown"):
            raise UnknownOutcome(f"{unknown[0]}: delivered or not; sending again may double it")
        if bad := self.of("refused", "deferred", "not_tried"):
            one = bad[0]
            raise ServerError(str(one), code=one.code, enhanced=one.enhanced, reply=one.text)
