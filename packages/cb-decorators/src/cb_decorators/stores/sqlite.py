"""Results shared by the processes of one host, in a SQLite file.

Each operation is one transaction, so a process killed at any moment leaves whole results and a lease that runs out. The
clock is the wall clock, which all processes share: a result made in what is now the future (the clock was set back) is
not valid.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Self

from cb_decorators.codec import codec_of
from cb_decorators.errors import StoreError, StoreUnavailable
from cb_decorators.policy import Seconds, seconds_of
from cb_decorators.stores import Claim, StoreStats

__all__ = ["SQLiteStore"]

_APPLICATION = 0x63624443
_SCHEMA = """
create table if not exists results (
  function text, call text, value blob, made real, expires real, primary key (function, call)) without rowid;
create index if not exists by_expiry on results (expires);
create table if not exists claims (function text, call text, token text, until real, primary key (function, call))
  without rowid;
create table if not exists waits (token text, function text, call text, until real, primary key (token, function, call))
  without rowid;
create table if not exists counts (function text primary key, hits integer, misses integer) without rowid;
"""
_AHEAD = """
with recursive ahead (token) as (
  select token from claims where function = ? and call = ? and until > ?
  union
  select claims.token from ahead
  join waits on waits.token = ahead.token and waits.until > ?
  join claims on claims.function = waits.function and claims.call = waits.call and claims.until > ?)
select token from ahead
"""
_PATIENCE = 10.0  # seconds until a file that others keep locked counts as out of order
_POLL = (0.002, 0.05)  # seconds between two looks, the first and the longest


def _close(db: sqlite3.Connection, process: int) -> None:
    """Close what nobody closed, but not in a forked child: that would take the parent's locks away."""
    if process == os.getpid():
        db.close()


class SQLiteStore:
    """A store in the file *path*, made if it is not there. Safe for all threads, and after a fork.

    Args:
        path: The file; its folder must exist. Beside it SQLite keeps ``-wal`` and ``-shm``. Not for network drives.
        codec, local_ttl, lock_ttl, strict: See :class:`~cb_decorators.stores.Store`.
        clock: Returns the seconds since 1970.

    Raises:
        StoreError: When first used: the file is no database, or another program's.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        codec: str = "json",
        local_ttl: Seconds = 0,
        lock_ttl: Seconds = 10,
        strict: bool = False,
        clock: object = time.time,
    ) -> None:
        codec_of(codec)
        self.path: Path = Path(path)
        self.codec: str = codec
        self.local_ttl: float = seconds_of(local_ttl, "local_ttl") if local_ttl else 0.0
        self.lock_ttl: float = seconds_of(lock_ttl, "lock_ttl")
        self.strict: bool = strict
        assert callable(clock)
        self._clock = clock
        self._mutex = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._process = os.getpid()
        self._inherited: list[sqlite3.Connection | None] = []  # of a parent process: never used, never closed

    def claim(self, function: str, call: str, token: str, within: Sequence[str] = (), *, fresh: bool = False) -> Claim:
        with self._writing() as db:
            now = self._clock()
            for own in within:
                db.execute("delete from waits where token = ? and function = ? and call = ?", (own, function, call))
            if not fresh and (row := self._valid(db, function, call, now)):
                self._count(db, function, hits=1)
                return Claim("found", bytes(row[0]), row[1] - now)
            query = "select 1 from claims where function = ? and call = ? and until > ?"
            if db.execute(query, (function, call, now)).fetchone():
                if within:
                    ahead = {row[0] for row in db.execute(_AHEAD, (function, call, now, now, now))}
                    if ahead.intersection(within):
                        self._count(db, function, misses=1)
                        return Claim("alone")
                    until = now + self.lock_ttl
                    db.executemany(
                        "insert into waits values (?, ?, ?, ?)", [(own, function, call, until) for own in within]
                    )
                return Claim("busy")
            db.execute("replace into claims values (?, ?, ?, ?)", (function, call, token, now + self.lock_ttl))
            self._count(db, function, misses=1)
            return Claim("claimed")

    def publish(self, function: str, call: str, token: str, value: bytes | None, lifetime: float = inf) -> bool:
        with self._writing() as db:
            now = self._clock()
            db.execute("delete from waits where token = ? or until <= ?", (token, now))
            query = "delete from claims where function = ? and call = ? and token = ?"
            if not db.execute(query, (function, call, token)).rowcount:
                return False
            if value is not None:
                self._keep(db, function, call, value, now, lifetime)
            return True

    def renew(self, function: str, call: str, token: str) -> bool:
        with self._writing() as db:
            query = "update claims set until = ? where function = ? and call = ? and token = ?"
            until = self._clock() + self.lock_ttl
            db.execute("update waits set until = ? where token = ?", (until, token))
            return bool(db.execute(query, (until, function, call, token)).rowcount)

    def wait(self, function: str, call: str, timeout: float) -> None:
        end, pause = time.monotonic() + timeout, _POLL[0]
        query = "select 1 from claims where function = ? and call = ? and until > ?"
        while (left := end - time.monotonic()) > 0:
            with self._open() as db:
                if db.execute(query, (function, call, self._clock())).fetchone() is None:
                    return
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _POLL[1])

    def contains(self, function: str, call: str) -> bool:
        with self._open() as db:
            return self._valid(db, function, call, self._clock()) is not None

    def put(self, function: str, call: str, value: bytes, lifetime: float = inf) -> None:
        with self._writing() as db:
            db.execute("delete from claims where function = ? and call = ?", (function, call))
            self._keep(db, function, call, value, self._clock(), lifetime)

    def delete(self, function: str, call: str) -> bool:
        with self._writing() as db:
            db.execute("delete from claims where function = ? and call = ?", (function, call))
            query = "delete from results where function = ? and call = ?"
            return bool(db.execute(query, (function, call)).rowcount)

    def clear(self, function: str | None = None) -> int:
        with self._writing() as db:
            gone = 0
            for table in ("claims", "counts", "results"):
                query = f"delete from {table} where ? is null or function = ?"  # noqa: S608 - our own names
                gone = db.execute(query, (function, function)).rowcount
            return gone

    def stats(self) -> list[StoreStats]:
        query = """select function, count(call), total(length(value)), max(hits), max(misses) from
          (select function, call, value, 0 hits, 0 misses from results where expires > :now and made <= :now
           union all select function, null, null, hits, misses from counts) group by function order by function"""
        with self._open() as db:
            rows = db.execute(query, {"now": self._clock()}).fetchall()
        return [StoreStats(name, entries, int(size), hits, misses) for name, entries, size, hits, misses in rows]

    def close(self) -> None:
        with self._mutex:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _valid(db: sqlite3.Connection, function: str, call: str, now: float) -> tuple[bytes, float] | None:
        query = "select value, expires from results where function = ? and call = ? and expires > ? and made <= ?"
        row: tuple[bytes, float] | None = db.execute(query, (function, call, now, now)).fetchone()
        return row

    @staticmethod
    def _keep(db: sqlite3.Connection, function: str, call: str, value: bytes, now: float, lifetime: float) -> None:
        db.execute("delete from results where expires <= ?", (now,))
        if lifetime > 0:
            db.execute("replace into results values (?, ?, ?, ?, ?)", (function, call, value, now, now + lifetime))

    @staticmethod
    def _count(db: sqlite3.Connection, function: str, *, hits: int = 0, misses: int = 0) -> None:
        query = """insert into counts values (?, ?, ?) on conflict (function)
          do update set hits = hits + excluded.hits, misses = misses + excluded.misses"""
        db.execute(query, (function, hits, misses))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, kept whole: committed at the end, undone by an exception."""
        with self._open() as db:
            db.execute("begin immediate")
            try:
                yield db
            except BaseException:
                db.rollback()
                raise
            db.commit()

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if self._process != os.getpid():  # forked: lock and connection are the parent's
            self._inherited.append(self._connection)
            self._mutex, self._connection, self._process = threading.RLock(), None, os.getpid()
        with self._mutex:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                yield self._connection
            except sqlite3.OperationalError as error:  # locked, full, read-only, gone
                raise StoreUnavailable(f"{self.path}: {error}") from error
            except sqlite3.DatabaseError as error:
                raise StoreError(
                    f"{self.path}: {error} (remove the file, or choose another: it is no result store)"
                ) from error

    def _connect(self) -> sqlite3.Connection:
        """Open the file. Where several processes do so at first, SQLite says "locked" at once."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                db = self._prepared()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(_POLL[0])
            else:
                weakref.finalize(self, _close, db, os.getpid())
                return db

    def _prepared(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            db.execute("begin immediate")  # what is found must not be what another process has half made
            (found,) = db.execute("pragma application_id").fetchone()
            (tables,) = db.execute("select count(*) from sqlite_master").fetchone()
            if found != _APPLICATION and tables:
                raise StoreError(f"{self.path}: a SQLite file of another program (choose another path)")  # noqa: TRY301
            db.execute(f"pragma application_id = {_APPLICATION}")
            for statement in _SCHEMA.split(";")[:-1]:
                db.execute(statement)
            db.commit()
            db.execute("pragma journal_mode = wal")
            db.execute("pragma synchronous = normal")
        except BaseException:
            db.close()
            raise
        return db
