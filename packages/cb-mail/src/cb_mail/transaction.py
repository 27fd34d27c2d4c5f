"""One message to some receivers of it: the commands, what each of their answers means, the bytes. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from cb_mail.address import Address
from cb_mail.attachment import Attachment
from cb_mail.dots import doubled
from cb_mail.errors import ConnectError, MailError
from cb_mail.message import Envelope
from cb_mail.reply import Reply
from cb_mail.result import RecipientResult, Result, State
from cb_mail.session import Capabilities, command

__all__ = ["Sendable", "Transaction", "answered", "blocks", "stuffed"]


class Sendable(Protocol):
    """What can be delivered: `Message`, `RawMessage`."""

    @property
    def message_id(self) -> str:
        """Its Message-ID."""
        ...

    @property
    def needs_smtputf8(self) -> bool:
        """Whether an address needs SMTPUTF8."""
        ...

    def envelope(self) -> Envelope:
        """Who sends and who receives."""
        ...

    def pieces(self, *, eight_bit: bool = False, utf8: bool = False) -> list[bytes | Attachment]:
        """Its bytes and files, in order."""
        ...


class Transaction:
    """One message to some receivers of it."""

    __slots__ = ("again", "answers", "chunks", "ended", "message", "number", "parameters", "pieces", "settled", "size")

    def __init__(self, number: int, message: Sendable, recipients: Iterable[Address]) -> None:
        self.number: int = number
        self.message: Sendable = message
        # None: no answer yet, or accepted.
        self.answers: dict[Address, RecipientResult | None] = dict.fromkeys(recipients)
        self.settled: list[RecipientResult] = []  # by an earlier transaction of the same message
        self.again: list[Address] = []
        self.ended: bool = False
        self.size: int = 0
        self.chunks: int = 1
        self.parameters: list[str] = []
        self.pieces: list[bytes | Attachment] = []

    @property
    def expected(self) -> int:
        """How many replies come with CHUNKING: to RSET, MAIL, each RCPT and each BDAT."""
        return 2 + len(self.answers) + self.chunks

    def prepare(self, capabilities: Capabilities) -> RecipientResult | None:
        """Make the bytes; returns why this server cannot be given them."""
        eight_bit = capabilities.has("8BITMIME")
        try:
            utf8 = self.message.needs_smtputf8
            if utf8 and not capabilities.has("SMTPUTF8"):
                return RecipientResult("", "refused", 0, "5.6.7", "the server has no SMTPUTF8, which an address needs")
            self.pieces = self.message.pieces(eight_bit=eight_bit, utf8=utf8)
            self.size = sum([len(one) if isinstance(one, bytes) else one.encoded_size for one in self.pieces])
        except MailError as error:  # a file that has gone, octets that this server does not take
            return RecipientResult("", "refused", text=str(error))
        if capabilities.has("SIZE"):
            if capabilities.size and self.size > capabilities.size:
                text = f"{self.size:,} octets; the server takes {capabilities.size:,}"
                return RecipientResult("", "refused", 0, "5.3.4", text)
            self.parameters.append(f"SIZE={self.size}")
        if eight_bit and not all(isinstance(one, Attachment) or one.isascii() for one in self.pieces):
            self.parameters.append("BODY=8BITMIME")
        if utf8:
            self.parameters.append("SMTPUTF8")
        return None

    def commands(self) -> list[bytes]:
        """Return MAIL, and RCPT for each receiver."""
        utf8 = "SMTPUTF8" in self.parameters
        sender = self.message.envelope().sender
        path = "" if sender is None else sender.addr if utf8 else sender.ascii
        lines = [command(f"MAIL FROM:<{path}>", *self.parameters)]
        return lines + [command(f"RCPT TO:<{one.addr if utf8 else one.ascii}>") for one in self.answers]

    def heard(self, mail: Reply, recipients: list[Reply]) -> bool:
        """Take the replies to `commands`; returns whether anybody is to get the message."""
        if not mail.ok:
            recipients = [mail] * len(recipients)
        for one, reply in zip(self.answers, recipients, strict=True):
            if not reply.ok:
                self.answers[one] = answered(one, reply)
        if None in self.answers.values():
            self.again = [one for one, answer in self.answers.items() if answer and answer.code == 452]
            return True
        return False

    def close(self, state: State, reply: Reply | None = None, text: str = "") -> Result:
        """Return the result: *state* for all who have no answer yet."""
        code, enhanced, text, whole = reply.said if reply else (0, "", text, "")
        said = (state, code, enhanced, text)
        answers = [answer or RecipientResult(one.addr, *said) for one, answer in self.answers.items()]
        return Result(self.message.message_id, (*self.settled, *answers), whole)

    def rest(self, result: Result) -> Transaction:
        """Return a transaction for those whom the server wanted in another one (452, RFC 5321, 4.5.3.1.10)."""
        wanted = {one.addr for one in self.again}
        rest = Transaction(self.number, self.message, self.again)
        rest.settled = [one for one in result.recipients if one.recipient not in wanted]
        rest.pieces, rest.parameters, rest.size = self.pieces, self.parameters, self.size
        return rest


def answered(recipient: Address, reply: Reply) -> RecipientResult:
    """Return what a reply means to a receiver."""
    state: State = "accepted" if reply.ok else "deferred" if reply.code < 500 else "refused"
    return RecipientResult(recipient.addr, state, reply.code, reply.enhanced, reply.text)


def blocks(transaction: Transaction) -> Iterator[bytes]:
    """Yield a message's bytes; a file that cannot be read ends the connection, for half a message is none."""
    for block, _ in _told_apart(transaction):
        yield block


def stuffed(transaction: Transaction) -> Iterator[bytes]:
    """Yield a message's bytes with dots at the beginning of lines doubled (RFC 5321, 4.5.2).

    No line of base64 begins with a dot, so files are not searched for one.
    """
    begins = True
    for block, encoded in _told_apart(transaction):
        if encoded:
            begins = False
            yield block
            continue
        yield doubled(block, begins=begins)
        begins = block.endswith(b"\r\n")


def _told_apart(transaction: Transaction) -> Iterator[tuple[bytes, bool]]:
    """Yield bytes, and whether they are a file's in base64."""
    for piece in transaction.pieces:
        if isinstance(piece, bytes):
            yield piece, False
            continue
        length = piece.encoded_size
        try:
            for block in piece.blocks():
                length -= len(block)
                yield block, True
        except MailError as error:
            raise ConnectError(f"{error}; nothing was sent") from error
        if length:
            raise ConnectError(f"{piece.source!s}: changed while it was sent; nothing was sent")
