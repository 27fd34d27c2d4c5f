"""Mail that is to be sent, on the disk: SQLite, in one file, for any number of processes of one machine.

The rule behind it: that a message is under way is committed *before* its last octet goes out, that it is accepted after
the reply. So after a crash at any moment what is marked as under way is all that may have been delivered without our
knowing: at most the client's window for each connection. Those are *unknown*, and held until somebody decides. Several
of both are written in one transaction, so the disk is waited for once for many messages.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import marshal
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Self

from cb_mail.address import Address
from cb_mail.attachment import Attachment
from cb_mail.client import Client
from cb_mail.entry import COLUMNS, Claimed, Entry, EntryState, Totals, entry_of
from cb_mail.errors import SpoolError
from cb_mail.journal import Journal
from cb_mail.message import Message
from cb_mail.mime import flat
from cb_mail.raw import RawMessage
from cb_mail.result import Result
from cb_mail.template import Template
from cb_mail.transaction import Sendable

__all__ = ["Entry", "EntryState", "Spool", "Totals"]


class Spool:
    """The spool in the file *path*, made where there is none, for its owner alone.

    Raises:
        SpoolError: It cannot be opened, or is none.
    """

    def __init__(self, path: Path | str) -> None:
        self.path: Path = Path(path)
        self._journal = Journal(self.path)
        self._db = self._journal.db
        self._templates: dict[int, Template] = {}

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
        with self._journal.transaction():
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
        rendered = self._rendered(template, rows, now, signed)
        with self._staged(rendered) as staged, self._journal.transaction():
            source = _json(asdict(template.source))
            made = self._db.execute(
                "INSERT INTO merges (key, made, template, total) VALUES (?, ?, ?, ?)", (key, now, source, len(rows))
            )
            merge = made.lastrowid or 0
            for path, file in template.files.items():
                data = file.source if isinstance(file.source, bytes) else file.source.read_bytes()
                kept = (merge, path, file.name, file.content_type, file.content_id, data)
                self._db.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)", kept)
            (last,) = self._db.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()
            while some := list(itertools.islice(staged, _TOGETHER)):
                self._db.executemany(
                    "INSERT INTO messages (id, merge, row, content, sender, recipients, subject, message_id, made)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [(last + one[0], merge, *one[:6], now) for one in some],
                )
                self._db.executemany(
                    "INSERT INTO bodies VALUES (?, ?)", [(last + one[0], one[6]) for one in some if one[6] is not None]
                )
        self._templates[merge] = template
        return merge

    @contextlib.contextmanager
    def _staged(self, rendered: Iterator[tuple[Any, ...]]) -> Iterator[Iterator[tuple[Any, ...]]]:
        """Put what is rendered beside the spool first: nobody waits meanwhile, and memory does not grow with it."""
        try:
            with tempfile.TemporaryFile(dir=self.path.parent) as file:
                for one in rendered:
                    record = marshal.dumps(one)  # which nobody but this process reads
                    file.write(len(record).to_bytes(8, "big") + record)
                file.seek(0)
                sizes = iter(lambda: int.from_bytes(file.read(8), "big"), 0)
                yield (marshal.loads(file.read(size)) for size in sizes)  # noqa: S302 - what was written above
        except OSError as error:
            raise SpoolError(f"{self.path}: {error.strerror}") from error

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
            data = None
            if signed:
                data = signed(message).data
            elif not (message.attachments or message.inline):
                data = b"".join(flat(message.pieces(eight_bit=True)))
            yield number, _json(row), message.sender.addr, addresses, message.subject, message.message_id, data

    def find_merge(self, key: str) -> int | None:
        """Return the id of the merge of that key, if there is one."""
        with self._journal.errors():
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
        stop: threading.Event | None = None,
    ) -> Totals:
        """Send what is due, until nothing is; several threads or processes may, each with a client and a spool.

        Args:
            client: Where to. Its window says how many messages may be unknown after a crash.
            merge: Only this one's.
            limit: At most so many messages.
            on_unknown: What a crash has left unknown is held, or sent again: a receiver may then have it twice.
            pace: Called before each message; seconds to wait first.
            progress: Called with each result.
            stop: Once it is set, nothing is begun any more; what is under way is ended.

        Raises:
            ConnectError, TLSError, AuthError, ServerError: The server cannot be used. What was not sent stays.
            SpoolError: As `put`. What was under way is unknown.
        """
        totals = Totals()
        with self._journal.runner() as runner:
            self.recover(on_unknown)
            finished: list[tuple[Claimed, Result]] = []
            in_hand: dict[str, Claimed] = {}
            source = self._claims(runner, client.window, merge, limit, finished, in_hand, pace, stop)
            try:
                for result in client.send_many(source):
                    finished.append((in_hand.pop(result.message_id), result))
                    totals.add(result)
                    if progress:
                        progress(result)
            finally:
                source.close()
                with self._journal.transaction():
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
        with self._journal.transaction():
            for (runner,) in self._db.execute("SELECT id FROM runners").fetchall():
                if not self._journal.lives(runner):
                    state = "unknown" if on_unknown == "hold" else "queued"
                    count += self._db.execute(
                        "UPDATE messages SET state = ?, runner = NULL WHERE runner = ?", (state, runner)
                    ).rowcount
                    self._db.execute("DELETE FROM runners WHERE id = ?", (runner,))
                    self._journal.lock_path(runner).unlink(missing_ok=True)
            if on_unknown == "resend":
                count += self._db.execute("UPDATE messages SET state = 'queued' WHERE state = 'unknown'").rowcount
        return count

    def _claims(
        self,
        runner: int,
        window: int,
        merge: int | None,
        limit: int | None,
        finished: list[tuple[Claimed, Result]],
        in_hand: dict[str, Claimed],
        pace: Callable[[], float] | None,
        stop: threading.Event | None,
    ) -> Generator[Sendable | None, None, None]:
        """Give what is due, as many at a time as may be unknown: marked, and earlier results kept, in one commit."""
        left, pause = limit, stop.wait if stop else time.sleep
        while (left is None or left > 0) and not (stop and stop.is_set()):
            with self._journal.transaction():
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
                while pace and not (stop and stop.is_set()) and (wait := pace()) > 0:
                    yield None
                    pause(wait)
                if stop and stop.is_set():
                    return  # what is not in hand is queued again
                one = self._message(*found)
                in_hand[one.message_id] = one
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
        data: bytes | None,
    ) -> Claimed:
        by = _address(sender) if sender else None
        recipients = tuple([Address(one) for one in json.loads(to)])
        if merge is None:  # it may be large: not read before it is sent
            (data,) = self._db.execute("SELECT data FROM bodies WHERE id = ?", (id_,)).fetchone()

        def again() -> Sendable:
            if merge is None:
                return RawMessage(data or b"", by, recipients, message_id)
            when = datetime.fromtimestamp(made, UTC).astimezone()
            return self._template(merge).render(json.loads(content), number=row, message_id=message_id, date=when)

        kept = None if merge is None else data
        again = again if kept is not None else functools.cache(again)
        return Claimed(id_, message_id, by, recipients, made, attempts + 1, results, kept, again)

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

    def _record(self, finished: Iterable[tuple[Claimed, Result]]) -> None:
        self._db.executemany(
            "UPDATE messages SET state = ?, runner = NULL, recipients = ?, due = ?, attempts = ?, results = ?,"
            " said = ? WHERE id = ?",
            [claimed.after(result) for claimed, result in finished],
        )

    # What is there ----------------------------------------------------------------------------------

    def entries(self, *, state: EntryState | None = None, merge: int | None = None) -> Iterator[Entry]:
        """Yield what is there, the oldest first."""
        only = " WHERE (:state IS NULL OR state = :state) AND (:merge IS NULL OR merge = :merge) ORDER BY id"
        with self._journal.errors():
            yield from map(entry_of, self._db.execute(COLUMNS + only, {"state": state, "merge": merge}))

    def entry(self, id_: int) -> Entry | None:
        """Return one."""
        with self._journal.errors():
            found = self._db.execute(f"{COLUMNS} WHERE id = ?", (id_,)).fetchone()
        return entry_of(found) if found else None

    def content(self, id_: int) -> bytes:
        """Return a message's bytes.

        Raises:
            SpoolError: There is none of that id.
        """
        with self._journal.errors():
            found = self._db.execute(f"{_CONTENT} WHERE messages.id = ?", (id_,)).fetchone()
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
        with self._journal.transaction():
            return self._db.execute(statement + only, () if id_ is None else (id_,)).rowcount


_CONTENT: Final = (
    "SELECT messages.id, merge, row, content, sender, recipients, message_id, made, attempts, results, data"
    " FROM messages LEFT JOIN bodies ON bodies.id = messages.id AND merge IS NOT NULL"
)
_DUE: Final = f"{_CONTENT} WHERE state = 'queued' AND due <= :now ORDER BY due, messages.id LIMIT :count"
_DUE_OF_MERGE: Final = _DUE.replace("WHERE", "WHERE merge = :merge AND")
_TOGETHER: Final = 64  # rows that are read at once while a merge is put
_json: Final = json.JSONEncoder(ensure_ascii=False).encode
_address: Final = functools.lru_cache(maxsize=16)(Address)  # a merge has one sender
