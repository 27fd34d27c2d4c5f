"""Messages over an open session: which bytes go out, which reply belongs to what. No I/O.

Three plans, by what the server can do: a command at a time; PIPELINING (RFC 2920), where the end of one message and the
beginning of the next are one write, so that a message costs one round trip; CHUNKING (RFC 3030), where several messages
are under way at once. Replies are matched by their order, never by their code.

A message is *ended* once the write that holds its last octet has begun: from then until its reply nobody knows whether
it is delivered. What is small waits for what follows it, and goes out at the latest before a reply is waited for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from cb_mail.errors import ConnectError, ProtocolError
from cb_mail.reply import Replies, Reply
from cb_mail.result import Result, State
from cb_mail.session import READ, Action, Capabilities, Write
from cb_mail.transaction import Sendable, Transaction, answered, blocks, stuffed

__all__ = ["Delivery", "Outcome", "Sendable", "deliver"]

_TOGETHER: Final = 1 << 16  # octets that wait for others to go with them


@dataclass(frozen=True, slots=True)
class Outcome:
    """A message is done with. ``number`` counts the messages asked for, from 0."""

    number: int
    result: Result


Delivery: TypeAlias = Generator[Action | Outcome, bytes, None]


class _Closing(ConnectError):
    """The server said 421: it closes."""


def deliver(
    messages: Iterable[Sendable | None],
    capabilities: Capabilities,
    replies: Replies,
    *,
    window: int = 1,
    lmtp: bool = False,
) -> Delivery:
    """Deliver *messages*; yields an `Outcome` for each, in their order, among what is to be done.

    Args:
        messages: Asked for one by one. None asks for all replies first, before the next one is asked for.
        capabilities: What the server can do; take keywords out to do without.
        replies: The connection's.
        window: How many messages may be without an answer at once. With that many, answers are waited for until half
            of them have one, and those that came with these are taken too: few waits near by, and far away the whole
            window in each round trip.
        lmtp: The server answers for each receiver at the end (RFC 2033, 4.2).

    Raises:
        ConnectError: The connection ended; each message that was asked for has its outcome before.
    """
    under_way: deque[Transaction] = deque()
    plan = _Plan(capabilities, replies, under_way, lmtp=lmtp)
    try:
        for number, message in enumerate_messages(messages):
            if message is None:
                yield from plan.answers(0)
                continue
            transaction = Transaction(number, message, message.envelope().recipients)
            if why := transaction.prepare(capabilities):
                yield from plan.answers(0)
                for one in transaction.answers:
                    transaction.answers[one] = replace(why, recipient=one.addr)
                yield Outcome(number, transaction.close("refused"))
                continue
            yield from plan.start(transaction)
            if len(under_way) >= window or not plan.pipelining:
                yield from plan.answers(window // 2)
            if plan.rest:
                yield from plan.others()
        yield from plan.answers(0)
        yield from plan.others()
        if replies.pending:  # said without being asked: what follows could not be matched
            raise _Closing("the server says more than it is asked")
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

    def __init__(
        self, capabilities: Capabilities, replies: Replies, under_way: deque[Transaction], *, lmtp: bool
    ) -> None:
        self.pipelining = capabilities.has("PIPELINING")
        self.chunking = self.pipelining and capabilities.has("CHUNKING") and not lmtp
        self.lmtp = lmtp
        self.replies = replies
        self.under_way = under_way
        self.unsent: list[bytes] = []
        self.size = 0
        self.ending: list[Transaction] = []  # those whose last octet is in what is unsent
        self.rest: deque[Transaction] = deque()  # for receivers whom the server wanted in another transaction
        self.joins = True  # commands go out with the end of the message before (RFC 2920, 3.1)
        self.reset = False  # the server may still hold a transaction that came to nothing

    def start(self, transaction: Transaction) -> Delivery:
        """Send the message, as far as that goes without its last answer."""
        self.under_way.append(transaction)
        if self.chunking:
            yield from self._chunks(transaction)
        else:
            yield from self._data(transaction)

    def answers(self, most: int) -> Delivery:
        """Wait for answers until at most *most* messages have none, and take those that are there; their outcomes."""
        if not self.pipelining:
            most = 0
        under_way, replies = self.under_way, self.replies
        while under_way and (len(under_way) > most or (self.chunking and under_way[0].expected <= replies.whole)):
            yield from self._end(under_way[0])

    def others(self) -> Delivery:
        """Send again to those whom the server wanted in another transaction."""
        while self.rest:
            yield from self.answers(0)
            if self.rest:
                yield from self.start(self.rest.popleft())
                yield from self.answers(0)

    # What goes out, what comes in -----------------------------------------------------------------

    def _send(self, data: Sequence[bytes], *, ends: Transaction | None = None) -> Delivery:
        """Have *data* go out with what follows, or now if it is much; *ends*: with it the message has ended."""
        self.unsent += data
        self.size += sum(map(len, data))
        if ends:
            self.ending.append(ends)
        if self.size > _TOGETHER:
            yield from self._flush()

    def _flush(self) -> Delivery:
        for one in self.ending:
            one.ended = True
        data, self.unsent, self.size = self.unsent, [], 0
        self.ending.clear()
        yield Write(data)

    def _read(self, count: int, *, last: bool = False) -> Generator[Action | Outcome, bytes, list[Reply]]:
        """Return the next *count* replies; what is unsent goes out before one is waited for.

        *last*: those to a message's end, where 421 is an answer; it may be the only one then.
        """
        found: list[Reply] = []
        while len(found) < count:
            reply = self.replies.pop()
            if reply is None:
                if self.unsent:
                    yield from self._flush()
                self.replies.read((yield READ))
                continue
            found.append(reply)
            if reply.code == 421:
                if last:
                    break
                _stay(reply)
        return found

    # RFC 3030 -----------------------------------------------------------------------------------

    def _chunks(self, transaction: Transaction) -> Delivery:
        """MAIL, RCPT and the message: nothing is waited for. RSET first, for the one before may come to nothing."""
        head = [b"RSET\r\n", *transaction.commands()]
        pieces = [one for one in transaction.pieces if isinstance(one, bytes)]
        if len(pieces) == len(transaction.pieces):
            yield from self._send([*head, b"BDAT %d LAST\r\n" % transaction.size, *pieces], ends=transaction)
            return
        rest = blocks(transaction)
        waiting = next(rest)
        for block in rest:
            yield from self._send([*head, b"BDAT %d\r\n" % len(waiting), waiting])
            head, waiting = [], block
            transaction.chunks += 1
        yield from self._send([*head, b"BDAT %d LAST\r\n" % len(waiting), waiting], ends=transaction)

    def _end(self, transaction: Transaction) -> Delivery:
        """Read what is said at a message's end; with CHUNKING, from its beginning."""
        if self.chunking:
            try:
                _, mail, *recipients = yield from self._read(2 + len(transaction.answers))
            except _Closing:
                transaction.ended = False  # what it refuses to begin it has not delivered
                raise
            wanted = transaction.heard(mail, recipients)
            answers = yield from self._read(transaction.chunks, last=True)
            bad = [reply for reply in answers if not reply.ok]
            yield from self._outcome(transaction, bad[0] if bad else answers[-1], wanted=wanted)
            return
        open_ones = [one for one, answer in transaction.answers.items() if answer is None] if self.lmtp else [None]
        replies = yield from self._read(len(open_ones), last=True)
        for one, reply in zip(open_ones, replies, strict=False):  # with 421 the others have no answer
            if one is not None:
                transaction.answers[one] = answered(one, reply)
        yield from self._outcome(transaction, replies[0], wanted=True)

    # RFC 5321, RFC 2920 -------------------------------------------------------------------------

    def _data(self, transaction: Transaction) -> Delivery:
        commands = [*([b"RSET\r\n"] if self.reset else []), *transaction.commands()]
        count = len(transaction.answers)
        if self.pipelining:
            joined = self.joins and len(self.under_way) > 1
            if not joined and len(self.under_way) > 1:
                yield from self._end(self.under_way[0])
            yield from self._send([*commands, b"DATA\r\n"])
            if joined:
                yield from self._end(self.under_way[0])
            said = (yield from self._read(len(commands)))[-1 - count :]
            (go,) = yield from self._read(1)
            if joined and said[0].code == go.code == 503:
                self.joins = False  # Haraka 3.3 does none of what comes with a message's end, for it may be smuggled
                yield from self._data(transaction)
                return
            wanted = transaction.heard(said[0], said[1:])
        else:
            said = []
            for line in commands:
                yield from self._send([line])
                said += yield from self._read(1)
            said = said[-1 - count :]
            wanted, go = transaction.heard(said[0], said[1:]), said[-1] if said[0].ok else said[0]
            if wanted:
                yield from self._send([b"DATA\r\n"])
                (go,) = yield from self._read(1)
        self.reset = False
        if go.code != 354:
            self.reset = True
            yield from self._outcome(transaction, go, wanted=wanted)
        elif not wanted:
            yield from self._send([b".\r\n"])  # RFC 2920, 3.1: 354 although nobody is to get it
            yield from self._read(1)
            self.reset = True
            yield from self._outcome(transaction, go, wanted=False)
        else:
            for block in stuffed(transaction):
                yield from self._send([block])
            yield from self._send([b".\r\n"], ends=transaction)

    # All ----------------------------------------------------------------------------------------

    def _outcome(self, transaction: Transaction, reply: Reply, *, wanted: bool) -> Delivery:
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


def _stay(reply: Reply) -> None:
    if reply.code == 421:
        raise _Closing(f"the server closes the connection: {reply}")
