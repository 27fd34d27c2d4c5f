"""Messages over an open session: which bytes go out, which reply belongs to what. No I/O.

Three plans, by what the server can do: a command at a time; PIPELINING (RFC 2920), where the end of one message and the
beginning of the next are one write, so that a message costs one round trip; CHUNKING (RFC 3030), where several messages
are under way at once. Replies are matched by their order, never by their code.

A message is *ended* once the write that holds its last octet has begun: from then until its reply nobody knows whether
it is delivered. At most *outstanding* messages are in that state when the next one is asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeAlias, TypeVar

from cb_mail.address import Address
from cb_mail.attachment import Attachment
from cb_mail.errors import ConnectError, MailError, ProtocolError
from cb_mail.message import Envelope
from cb_mail.reply import Reply
from cb_mail.result import RecipientResult, Result, State
from cb_mail.session import READ, Action, Capabilities, Write, command

__all__ = ["Delivery", "Outcome", "Sendable", "deliver"]

Key = TypeVar("Key")
_LITTLE: Final = 1 << 16  # what goes out together with commands


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """A message is done with. ``number`` counts the messages asked for, from 0."""

    number: int
    result: Result


Delivery: TypeAlias = Generator[Action | Outcome, Reply, None]


class _Transaction:
    """One message to some receivers of it."""

    __slots__ = ("again", "answers", "chunks", "ended", "message", "number", "parameters", "pieces", "settled", "size")

    def __init__(self, number: int, message: Sendable, recipients: Iterable[Address]) -> None:
        self.number = number
        self.message = message
        self.answers: dict[Address, RecipientResult | None] = dict.fromkeys(
            recipients
        )  # None: no answer yet, or accepted
        self.settled: list[RecipientResult] = []  # by an earlier transaction of the same message
        self.again: list[Address] = []
        self.ended = False
        self.size = 0
        self.chunks = 1  # answers to wait for
        self.parameters: list[str] = []
        self.pieces: list[bytes | Attachment] = []

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
                self.answers[one] = _answer(one, reply)
        if None in self.answers.values():
            self.again = [one for one, answer in self.answers.items() if answer and answer.code == 452]
            return True
        return False

    def close(self, state: State, reply: Reply | None = None, text: str = "") -> Result:
        """Return the result: *state* for all who have no answer yet."""
        said = (reply.code, reply.enhanced, reply.text) if reply else (0, "", text)
        answers = [answer or RecipientResult(str(one.addr), state, *said) for one, answer in self.answers.items()]
        return Result(self.message.message_id, (*self.settled, *answers), str(reply) if reply else "")

    def rest(self, result: Result) -> _Transaction:
        """Return a transaction for those whom the server wanted in another one (452, RFC 5321, 4.5.3.1.10)."""
        wanted = {one.addr for one in self.again}
        rest = _Transaction(self.number, self.message, self.again)
        rest.settled = [one for one in result.recipients if one.recipient not in wanted]
        rest.pieces, rest.parameters, rest.size = self.pieces, self.parameters, self.size
        return rest


def _answer(recipient: Address, reply: Reply) -> RecipientResult:
    state: State = "deferred" if reply.code < 500 else "refused"
    return RecipientResult(recipient.addr, state, reply.code, reply.enhanced, reply.text)


class _Closing(ConnectError):
    """The server said 421: it closes."""


def deliver(
    messages: Iterable[Sendable | None],
    capabilities: Capabilities,
    *,
    outstanding: int = 1,
    lmtp: bool = False,
) -> Delivery:
    """Deliver *messages*; yields an `Outcome` for each, in their order, among what is to be done.

    Args:
        messages: Asked for one by one. None asks for all replies first, before the next one is asked for.
        capabilities: What the server can do; take keywords out to do without.
        outstanding: How many messages may be without an answer when the next one is asked for. 0: none; what was
            sent is answered before.
        lmtp: The server answers for each receiver at the end (RFC 2033, 4.2).

    Raises:
        ConnectError: The connection ended; each message that was asked for has its outcome before.
    """
    under_way: deque[_Transaction] = deque()
    plan = _Plan(capabilities, under_way, lmtp=lmtp)
    try:
        for number, message in enumerate_messages(messages):
            if message is None:
                yield from plan.answers(0)
                continue
            transaction = _Transaction(number, message, message.envelope().recipients)
            if why := transaction.prepare(capabilities):
                yield from plan.answers(0)
                for one in transaction.answers:
                    transaction.answers[one] = replace(why, recipient=one.addr)
                yield Outcome(number, transaction.close("refused"))
                continue
            yield from plan.start(transaction)
            yield from plan.answers(outstanding)
            yield from plan.others()
        yield from plan.answers(0)
        yield from plan.others()
    except (ConnectError, ProtocolError) as error:
        for left in (*under_way, *plan.rest):
            state: State = "unknown" if left.ended else "not_tried"
            yield Outcome(left.number, left.close(state, text=str(error)))
        under_way.clear()
        raise


def enumerate_messages(messages: Iterable[Sendable | None]) -> Iterator[tuple[int, Sendable | None]]:
    """Number the messages, but not what stands for a pause."""
    number = 0
    for message in messages:
        yield number, message
        number += message is not None


class _Plan:
    """How messages go out, by what the server can do."""

    def __init__(self, capabilities: Capabilities, under_way: deque[_Transaction], *, lmtp: bool) -> None:
        self.pipelining = capabilities.has("PIPELINING")
        self.chunking = self.pipelining and capabilities.has("CHUNKING") and not lmtp
        self.lmtp = lmtp
        self.under_way = under_way
        self.unsent: list[bytes] = []  # the end of the last message, to go out with the next one's beginning
        self.rest: deque[_Transaction] = deque()  # for receivers whom the server wanted in another transaction
        self.reset = False  # the server may still hold a transaction that came to nothing

    def start(self, transaction: _Transaction) -> Delivery:
        """Send the message, as far as that goes without its last answer."""
        self.under_way.append(transaction)
        if self.chunking:
            yield from self._chunks(transaction)
        else:
            yield from self._data(transaction)

    def answers(self, most: int) -> Delivery:
        """Read answers until at most *most* messages have none; their outcomes."""
        if not self.pipelining:
            most = 0
        while len(self.under_way) > most:
            if self.unsent:
                yield from self._flush()
            yield from self._end(self.under_way[0])

    def others(self) -> Delivery:
        """Send again to those whom the server wanted in another transaction."""
        while self.rest:
            yield from self.answers(0)
            if self.rest:
                yield from self.start(self.rest.popleft())
                yield from self.answers(0)

    # RFC 3030 -----------------------------------------------------------------------------------

    def _chunks(self, transaction: _Transaction) -> Delivery:
        """MAIL, RCPT and the message: nothing is waited for. RSET first, for the one before may come to nothing."""
        head = [b"RSET\r\n", *transaction.commands()]
        if all(type(one) is bytes for one in transaction.pieces):
            head.append(b"BDAT %d LAST\r\n" % transaction.size)
            transaction.ended = True
            yield Write([*head, *transaction.pieces])  # type: ignore[list-item]
            return
        blocks = _blocks(transaction)
        waiting = next(blocks)
        for block in blocks:
            yield Write([*head, b"BDAT %d\r\n" % len(waiting), waiting])
            head, waiting = [], block
            transaction.chunks += 1
        transaction.ended = True
        yield Write([*head, b"BDAT %d LAST\r\n" % len(waiting), waiting])

    def _end(self, transaction: _Transaction) -> Delivery:
        if self.chunking:
            replies = []
            for _ in range(2 + len(transaction.answers)):
                replies.append((yield READ))
                if replies[-1].code == 421:
                    transaction.ended = False  # what it refuses to begin it has not delivered
                _stay(replies[-1])
            wanted = transaction.heard(replies[1], replies[2:])
            last = yield READ
            for _ in range(transaction.chunks - 1):
                following = yield READ
                last = following if last.ok else last
            yield from self._outcome(transaction, last, wanted=wanted)
            return
        replies = []
        for answer in list(transaction.answers.values()) if self.lmtp else [None]:
            if answer is None:
                replies.append((yield READ))
        if self.lmtp:
            open_ones = [one for one, answer in transaction.answers.items() if answer is None]
            for one, reply in zip(open_ones, replies, strict=True):
                transaction.answers[one] = _accepted(one, reply) if reply.ok else _answer(one, reply)
        yield from self._outcome(transaction, replies[0], wanted=True)

    # RFC 5321, RFC 2920 -------------------------------------------------------------------------

    def _data(self, transaction: _Transaction) -> Delivery:
        commands = [*transaction.commands(), b"DATA\r\n"]
        if self.reset:
            commands.insert(0, b"RSET\r\n")
        if self.pipelining:
            before = len(self.under_way) > 1
            if before:
                self.under_way[0].ended = True
            yield Write([*self.unsent, *commands])
            self.unsent = []
            if before:
                yield from self._end(self.under_way[0])
            if self.reset and commands[0] == b"RSET\r\n":
                yield READ
            mail, *recipients = yield from _several(1 + len(transaction.answers))
            wanted = transaction.heard(mail, recipients)
            go = yield READ
        else:
            wanted, go = yield from self._one_by_one(transaction, commands)
        self.reset = False
        if go.code != 354:
            self.reset = True
            yield from self._outcome(transaction, go, wanted=wanted)
        elif not wanted:
            yield Write([b".\r\n"])  # RFC 2920, 3.1: DATA was answered with 354 although nobody is to get it
            yield READ
            self.reset = True
            yield from self._outcome(transaction, go, wanted=False)
        else:
            yield from self._body(transaction)

    def _one_by_one(
        self, transaction: _Transaction, commands: list[bytes]
    ) -> Generator[Action | Outcome, Reply, tuple[bool, Reply]]:
        replies = []
        *lines, data = commands
        for line in lines:
            yield Write([line])
            replies.append((yield READ))
            _stay(replies[-1])
        mail, *recipients = replies[-1 - len(transaction.answers) :]
        if not transaction.heard(mail, recipients):
            return False, recipients[-1] if mail.ok else mail
        yield Write([data])
        return True, (yield READ)

    def _body(self, transaction: _Transaction) -> Delivery:
        """The message with its dots doubled, and the last dot."""
        blocks = _stuffed(transaction)
        waiting = next(blocks)
        for block in blocks:
            yield Write([waiting])
            waiting = block
        self.unsent = [waiting, b".\r\n"]
        if not self.pipelining or len(waiting) > _LITTLE:
            yield from self._flush()

    def _flush(self) -> Delivery:
        self.under_way[0].ended = True
        unsent, self.unsent = self.unsent, []
        yield Write(unsent)

    # All ----------------------------------------------------------------------------------------

    def _outcome(self, transaction: _Transaction, reply: Reply, *, wanted: bool) -> Delivery:
        if wanted and reply.ok:
            result = transaction.close("accepted", reply)
        else:
            result = transaction.close("deferred" if reply.code < 500 else "refused", reply)
        self.under_way.popleft()
        if transaction.again and reply.ok:
            self.rest.append(transaction.rest(result))
            return
        yield Outcome(transaction.number, result)
        _stay(reply)


def _accepted(recipient: Address, reply: Reply) -> RecipientResult:
    return RecipientResult(recipient.addr, "accepted", reply.code, reply.enhanced, reply.text)


def _several(count: int) -> Generator[Action | Outcome, Reply, list[Reply]]:
    replies = []
    for _ in range(count):
        reply = yield READ
        _stay(reply)
        replies.append(reply)
    return replies


def _stay(reply: Reply) -> None:
    if reply.code == 421:
        raise _Closing(f"the server closes the connection: {reply}")


def _blocks(transaction: _Transaction) -> Iterator[bytes]:
    """Yield a message's bytes; a file that cannot be read ends the connection, for half a message is none."""
    for piece in transaction.pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        length = piece.encoded_size
        try:
            for block in piece.blocks():
                length -= len(block)
                yield block
        except MailError as error:
            raise ConnectError(f"{error}; nothing was sent") from error
        if length:
            raise ConnectError(f"{piece.source!s}: changed while it was sent; nothing was sent")


def _stuffed(transaction: _Transaction) -> Iterator[bytes]:
    """Yield a message's bytes with dots at the beginning of lines doubled (RFC 5321, 4.5.2)."""
    for number, block in enumerate(_blocks(transaction)):
        stuffed = block.replace(b"\r\n.", b"\r\n..") if b"\r\n." in block else block
        yield b"." + stuffed if number == 0 and stuffed.startswith(b".") else stuffed
