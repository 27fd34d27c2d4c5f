"""Mail that is to be sent, on the disk: SQLite, in one file, for any number of processes of one machine.

The rule behind it: that a message is under way is committed *before* its last octet goes out, that it is accepted after
the reply. So after a crash at any moment what is marked as under way is all that may have been delivered without our
knowing: at most the client's window for each connection. Those are *unknown*, and held until somebody decides. Several
of both are written in one transaction, so the disk is waited for once for many messages.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import random
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

from cb_mail.address import Address
from cb_mail.attachment import Attachment
from cb_mail.client import Client
from cb_mail.delivery import Sendable
from cb_mail.errors import SpoolError
from cb_mail.message import Envelope, Message
from cb_mail.mime import flat
from cb_mail.raw import RawMessage
from cb_mail.result import RecipientResult, Result
from cb_mail.template import Template

__all__ = ["Entry", "EntryState", "Spool", "Totals"]

EntryState: TypeAlias = Literal["queued", "in_flight", "unknown", "done"]
_FOREVER: Final = 5 * 86_400.0  # seconds after which what is deferred is given up (RFC 5321, 4.5.4.1)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS merges (
  id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, made REAL NOT NULL, template TEXT NOT NULL, total INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS files (
  merge INTEGER NOT NULL REFERENCES merges ON DELETE CASCADE, path TEXT NOT NULL, name TEXT NOT NULL,
  type TEXT NOT NULL, cid TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (merge, path));
CREATE TABLE IF NOT EXISTS messages (
  id INTEGER PRIMARY KEY, merge INTEGER REFERENCES merges ON DELETE CASCADE, row INTEGER NOT NULL DEFAULT 0,
  content TEXT NOT NULL DEFAULT '', sender TEXT, recipients TEXT NOT NULL, subject TEXT NOT NULL,
  message_id TEXT NOT NULL,
  made REAL NOT NULL, state TEXT NOT NULL DEFAULT 'queued', attempts INTEGER NOT NULL DEFAULT 0,
  due REAL NOT NULL DEFAULT 0, runner INTEGER, results TEXT NOT NULL DEFAULT '[]',
  said TEXT NOT NULL DEFAULT '[]');
CREATE TABLE IF NOT EXISTS bodies (
  id INTEGER PRIMARY KEY REFERENCES messages ON DELETE CASCADE, data BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS messages_due ON messages (due, id) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS messages_merge_due ON messages (merge, due, id) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS messages_merge ON messages (merge) WHERE merge IS NOT NULL;
CREATE INDEX IF NOT EXISTS messages_runner ON messages (runner) WHERE runner IS NOT NULL;
CREATE TABLE IF NOT EXISTS runners (id INTEGER PRIMARY KEY);
PRAGMA user_version = 1;
"""


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
class _Claimed:
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
        if self.data is None:
            return self.again().needs_smtputf8
        return not (self.data.isascii() or self.data.partition(b"\r\n\r\n")[0].isascii())

    def envelope(self) -> Envelope:
        return Envelope(self.sender, self.recipients)

    def pieces(self, *, eight_bit: bool = False, utf8: bool = False) -> list[bytes | Attachment]:
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
        results = [*json.loads(self.results), *map(_plain, ended)]
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


class Spool:
    """The spool in the file *path*, made where there is none, for its owner alone.

    Raises:
        SpoolError: It cannot be opened, or is none.
    """

    def __init__(self, path: Path | str) -> None:
        self.path: Path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise SpoolError(f"{self.path}: {error.strerror}") from error
        self._db = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        self._templates: dict[int, Template] = {}
        try:
            with self._errors():
                new = self._db.execute("PRAGMA user_version").fetchone()[0] != 1
                if new and self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise SpoolError(f"{self.path}: a SQLite file of another program (choose another one)")  # noqa: TRY301
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.execute("PRAGMA foreign_keys = ON")
                if new:
                    self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # In ---------------------------------------------------------------------------------------------

    def put(self, message: Message | RawMessage) -> int:
        """Keep *message* to be sent; it is on the disk when this returns its id.

        Raises:
            SpoolError: The disk is full, or the file is locked for a minute.
        """
        envelope = message.envelope()
        raw = b"".join(flat(message.pieces(eight_bit=isinstance(message, RawMessage), utf8=message.needs_smtputf8)))
        subject = message.subject if isinstance(message, Message) else ""
        sender = envelope.sender.addr if envelope.sender else None
        recipients = json.dumps([one.addr for one in envelope.recipients])
        with self._transaction():
            row = self._db.execute(
                "INSERT INTO messages (sender, recipients, subject, message_id, made) VALUES (?, ?, ?, ?, ?)",
                (sender, recipients, subject, message.message_id, time.time()),
            )
            self._db.execute("INSERT INTO bodies VALUES (?, ?)", (row.lastrowid, raw))
        return row.lastrowid or 0

    def put_merge(
        self,
        template: Template,
        rows: Sequence[Mapping[str, Any]],
        *,
        key: str,
        signed: Callable[[Message], RawMessage] | None = None,
    ) -> int:
        """Keep a message for each of *rows*: all, or none. Each is made once now, so that none can fail later.

        Args:
            template: What they are made of; its files are kept, too.
            rows: Their values.
            key: Names the merge; the same one again is the same merge.
            signed: Called with each message; what it returns goes out (`dkim.Signer.signed`).

        Returns:
            The merge's id.

        Raises:
            TemplateError: A row makes no message.
            SpoolError: As `put`.
        """
        now = int(time.time())
        with self._staged(self._rendered(template, rows, now, signed)), self._transaction():
            source = json.dumps(asdict(template.source), ensure_ascii=False)
            made = self._db.execute(
                "INSERT INTO merges (key, made, template, total) VALUES (?, ?, ?, ?)", (key, now, source, len(rows))
            )
            merge = made.lastrowid or 0
            for path, file in template.files.items():
                data = file.source if isinstance(file.source, bytes) else file.source.read_bytes()
                kept = (merge, path, file.name, file.content_type, file.content_id, data)
                self._db.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)", kept)
            self._db.execute(
                "INSERT INTO messages (merge, row, content, sender, recipients, subject, message_id, made)"
                " SELECT ?, row, content, sender, recipients, subject, message_id, ? FROM staged ORDER BY row",
                (merge, now),
            )
            self._db.execute(
                "INSERT INTO bodies SELECT messages.id, data FROM messages JOIN staged USING (row)"
                " WHERE merge = ? AND data IS NOT NULL",
                (merge,),
            )
        self._templates[merge] = template
        return merge

    @contextlib.contextmanager
    def _staged(self, rendered: Iterator[tuple[Any, ...]]) -> Iterator[None]:
        """Put what is rendered beside the spool first: nobody waits meanwhile, and memory does not grow with it."""
        with self._errors():
            self._db.execute(_STAGED)
            try:
                self._db.execute("BEGIN")
                self._db.executemany("INSERT INTO staged VALUES (?, ?, ?, ?, ?, ?, ?)", rendered)
                self._db.execute("COMMIT")
                yield
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._db.execute("DROP TABLE staged")

    @staticmethod
    def _rendered(
        template: Template,
        rows: Iterable[Mapping[str, Any]],
        now: int,
        signed: Callable[[Message], RawMessage] | None,
    ) -> Iterator[tuple[int, str, str, str, str, str, bytes | None]]:
        when = datetime.fromtimestamp(now, UTC).astimezone()
        for number, row in enumerate(rows, 1):
            message = template.render(row, number=number, date=when)
            addresses = json.dumps([one.addr for one in message.envelope().recipients])
            content = json.dumps(row, ensure_ascii=False)
            data = None
            if signed:
                data = signed(message).data
            elif not (message.attachments or message.inline):
                data = b"".join(flat(message.pieces(eight_bit=True)))
            yield number, content, message.sender.addr, addresses, message.subject, message.message_id, data

    def find_merge(self, key: str) -> int | None:
        """Return the id of the merge of that key, if there is one."""
        with self._errors():
            found = self._db.execute("SELECT id FROM merges WHERE key = ?", (key,)).fetchone()
        return found[0] if found else None

    # Out --------------------------------------------------------------------------------------------

    def run(
        self,
        client: Client,
        *,
        merge: int | None = None,
        limit: int | None = None,
        on_unknown: Literal["hold", "resend"] = "hold",
        pace: Callable[[], float] | None = None,
        progress: Callable[[Result], object] | None = None,
    ) -> Totals:
        """Send what is due, until nothing is; several threads or processes may, each with a client and a spool.

        Args:
            client: Where to. Its window says how many messages may be unknown after a crash.
            merge: Only this one's.
            limit: At most so many messages.
            on_unknown: What a crash has left unknown is held, or sent again: a receiver may then have it twice.
            pace: Called before each message; seconds to wait first.
            progress: Called with each result.

        Raises:
            ConnectError, TLSError, AuthError, ServerError: The server cannot be used. What was not sent stays.
            SpoolError: As `put`. What was under way is unknown.
        """
        totals = Totals()
        with self._runner() as runner:
            self.recover(on_unknown)
            finished: list[tuple[_Claimed, Result]] = []
            in_hand: dict[str, _Claimed] = {}
            source = self._claims(runner, client.window, merge, limit, finished, in_hand, pace)
            try:
                for result in client.send_many(source):
                    finished.append((in_hand.pop(result.message_id), result))
                    totals.add(result)
                    if progress:
                        progress(result)
            finally:
                source.close()
                with self._transaction():
                    self._record(finished)
                    self._db.execute(
                        "UPDATE messages SET state = 'queued', runner = NULL, attempts = attempts - 1"
                        " WHERE runner = ? AND id NOT IN (SELECT value FROM json_each(?))",
                        (runner, json.dumps([one.id for one in in_hand.values()])),
                    )
                    self._db.execute("UPDATE messages SET state = 'unknown', runner = NULL WHERE runner = ?", (runner,))
        return totals

    def recover(self, on_unknown: Literal["hold", "resend"] = "hold") -> int:
        """Look for what processes that were killed had under way; returns how many. They are held, or sent again."""
        count = 0
        with self._transaction():
            for (runner,) in self._db.execute("SELECT id FROM runners").fetchall():
                if not self._lives(runner):
                    state = "unknown" if on_unknown == "hold" else "queued"
                    count += self._db.execute(
                        "UPDATE messages SET state = ?, runner = NULL WHERE runner = ?", (state, runner)
                    ).rowcount
                    self._db.execute("DELETE FROM runners WHERE id = ?", (runner,))
                    self._lock_path(runner).unlink(missing_ok=True)
            if on_unknown == "resend":
                count += self._db.execute("UPDATE messages SET state = 'queued' WHERE state = 'unknown'").rowcount
        return count

    def _claims(
        self,
        runner: int,
        window: int,
        merge: int | None,
        limit: int | None,
        finished: list[tuple[_Claimed, Result]],
        in_hand: dict[str, _Claimed],
        pace: Callable[[], float] | None,
    ) -> Generator[Sendable | None, None, None]:
        """Give what is due, as many at a time as may be unknown: marked, and the last ones' results kept, in one commit."""
        left = limit
        while left is None or left > 0:
            with self._transaction():
                self._record(finished)
                finished.clear()
                room = max(1, window - len(in_hand))
                claimed = self._claim(runner, room if left is None else min(room, left), merge)
            if not claimed:
                yield None  # what is under way may be deferred, or make room
                if finished:
                    continue
                return
            left = None if left is None else left - len(claimed)
            for found in claimed:
                one = self._message(*found)
                in_hand[one.message_id] = one
                while pace and (wait := pace()) > 0:
                    yield None
                    time.sleep(wait)
                yield one

    def _claim(self, runner: int, count: int, merge: int | None) -> list[tuple[Any, ...]]:
        given = {"now": time.time(), "merge": merge, "count": count}
        rows = self._db.execute(_DUE if merge is None else _DUE_OF_MERGE, given).fetchall()
        self._db.execute(
            "UPDATE messages SET state = 'in_flight', runner = ?, attempts = attempts + 1"
            " WHERE id IN (SELECT value FROM json_each(?))",
            (runner, json.dumps([row[0] for row in rows])),
        )
        return rows

    def _message(
        self,
        id_: int,
        merge: int | None,
        row: int,
        content: str,
        sender: str | None,
        to: str,
        message_id: str,
        made: float,
        attempts: int,
        results: str,
    ) -> _Claimed:
        by = Address(sender) if sender else None
        recipients = tuple([Address(one) for one in json.loads(to)])
        found = self._db.execute("SELECT data FROM bodies WHERE id = ?", (id_,)).fetchone()
        data = found[0] if found else None

        def again() -> Sendable:
            if merge is None:
                return RawMessage(data or b"", by, recipients, message_id)
            when = datetime.fromtimestamp(made, UTC).astimezone()
            return self._template(merge).render(json.loads(content), number=row, message_id=message_id, date=when)

        kept = None if merge is None else data
        again = again if kept is not None else functools.cache(again)
        return _Claimed(id_, message_id, by, recipients, made, attempts + 1, results, kept, again)

    def _template(self, merge: int) -> Template:
        if merge not in self._templates:
            (text,) = self._db.execute("SELECT template FROM merges WHERE id = ?", (merge,)).fetchone()
            files = {
                path: Attachment(data, name, kind, cid).keep()
                for path, name, kind, cid, data in self._db.execute(
                    "SELECT path, name, type, cid, data FROM files WHERE merge = ?", (merge,)
                )
            }
            source = json.loads(text)
            source["inline"], source["headers"] = dict(source["inline"]), dict(source["headers"])
            self._templates[merge] = Template(**source, files=files)
        return self._templates[merge]

    def _record(self, finished: Iterable[tuple[_Claimed, Result]]) -> None:
        self._db.executemany(
            "UPDATE messages SET state = ?, runner = NULL, recipients = ?, due = ?, attempts = ?, results = ?,"
            " said = ? WHERE id = ?",
            [claimed.after(result) for claimed, result in finished],
        )

    # What is there ----------------------------------------------------------------------------------

    def entries(self, *, state: EntryState | None = None, merge: int | None = None) -> Iterator[Entry]:
        """Yield what is there, the oldest first."""
        only = " WHERE (:state IS NULL OR state = :state) AND (:merge IS NULL OR merge = :merge) ORDER BY id"
        with self._errors():
            yield from map(_entry, self._db.execute(_COLUMNS + only, {"state": state, "merge": merge}))

    def entry(self, id_: int) -> Entry | None:
        """Return one."""
        with self._errors():
            found = self._db.execute(f"{_COLUMNS} WHERE id = ?", (id_,)).fetchone()
        return _entry(found) if found else None

    def content(self, id_: int) -> bytes:
        """Return a message's bytes.

        Raises:
            SpoolError: There is none of that id.
        """
        with self._errors():
            found = self._db.execute(f"{_CONTENT} WHERE id = ?", (id_,)).fetchone()
            if not found:
                raise SpoolError(f"{self.path}: no message {id_} (queue list shows them)")
            message = self._message(*found)
        if message.data is not None:
            return message.data
        made = message.again()
        return b"".join(flat(made.pieces(eight_bit=found[1] is None, utf8=made.needs_smtputf8)))

    def retry(self, id_: int | None = None) -> int:
        """Make what is deferred due now; returns how many."""
        return self._change("UPDATE messages SET due = 0 WHERE state = 'queued' AND due > 0", id_)

    def release(self, id_: int | None = None) -> int:
        """Have what is unknown sent again: a receiver may have it twice; returns how many."""
        return self._change("UPDATE messages SET state = 'queued', due = 0 WHERE state = 'unknown'", id_)

    def remove(self, id_: int | None = None) -> int:
        """Forget one, or all that is done; returns how many. What is under way stays."""
        if id_ is None:
            return self._change("DELETE FROM messages WHERE state = 'done'", None)
        return self._change("DELETE FROM messages WHERE state != 'in_flight'", id_)

    def _change(self, statement: str, id_: int | None) -> int:
        only = "" if id_ is None else " AND id = ?"
        with self._transaction():
            return self._db.execute(statement + only, () if id_ is None else (id_,)).rowcount

    # Below ------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _runner(self) -> Iterator[int]:
        """Be one who sends: while we live, we hold a lock that nobody else can take."""
        with self._transaction():
            runner = self._db.execute("INSERT INTO runners DEFAULT VALUES").lastrowid or 0
            path = self._lock_path(runner)
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield runner
            with self._transaction():
                self._db.execute("DELETE FROM runners WHERE id = ?", (runner,))
            path.unlink(missing_ok=True)
        finally:
            os.close(lock)

    def _lives(self, runner: int) -> bool:
        try:
            lock = os.open(self._lock_path(runner), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def _lock_path(self, runner: int) -> Path:
        return self.path.with_name(f"{self.path.name}.run-{runner}")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SpoolError(f"{self.path}: {error}") from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it, or nothing; on the disk when the block is left."""
        with self._errors():
            if self._db.in_transaction:  # Ctrl-C came between the block above and its end
                self._db.execute("ROLLBACK")
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


_STAGED: Final = (
    "CREATE TEMP TABLE staged (row INTEGER PRIMARY KEY, content TEXT, sender TEXT, recipients TEXT, subject TEXT,"
    " message_id TEXT, data BLOB)"
)
_CONTENT: Final = (
    "SELECT id, merge, row, content, sender, recipients, message_id, made, attempts, results FROM messages"
)
_DUE: Final = f"{_CONTENT} WHERE state = 'queued' AND due <= :now ORDER BY due, id LIMIT :count"
_DUE_OF_MERGE: Final = _DUE.replace("WHERE", "WHERE merge = :merge AND")
_COLUMNS: Final = (
    "SELECT id, state, subject, message_id, recipients, results, said, made, due, attempts, merge, row FROM messages"
)


def _jitter() -> float:
    """Return about 1: what was deferred together is not tried again together."""
    return random.uniform(0.8, 1.2)  # noqa: S311 - no secret


def _entry(row: tuple[Any, ...]) -> Entry:
    recipients = tuple(json.loads(row[4]))
    results, said = (tuple(RecipientResult(**one) for one in json.loads(text)) for text in row[5:7])
    return Entry(row[0], row[1], row[2], row[3], recipients, results, said, *row[7:])
