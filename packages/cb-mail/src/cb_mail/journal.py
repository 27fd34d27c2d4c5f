"""The file of a spool: its tables, transactions that are on the disk when they end, and who of those who send lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cb_mail.errors import SpoolError

__all__ = ["Journal"]

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


class Journal:
    """SQLite in the file *path*, made where there is none, for its owner alone.

    Raises:
        SpoolError: It cannot be opened, or is no spool.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise SpoolError(f"{path}: {error.strerror}") from error
        self.db: sqlite3.Connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            with self.errors():
                new = self.db.execute("PRAGMA user_version").fetchone()[0] != 1
                if new and self.db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise SpoolError(f"{path}: a SQLite file of another program (choose another one)")  # noqa: TRY301
                self.db.execute("PRAGMA journal_mode = WAL")
                self.db.execute("PRAGMA synchronous = FULL")
                self.db.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: the disk is waited for less often
                self.db.execute("PRAGMA foreign_keys = ON")
                if new:
                    self.db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except BaseException:
            self.db.close()
            raise

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """What SQLite raises is a `SpoolError`."""
        try:
            yield
        except sqlite3.Error as error:
            raise SpoolError(f"{self.path}: {error}") from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it, or nothing; on the disk when the block is left."""
        with self.errors():
            if self.db.in_transaction:  # Ctrl-C came between the block above and its end
                self.db.execute("ROLLBACK")
            try:
                self.db.execute("BEGIN IMMEDIATE")
                yield
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def runner(self) -> Iterator[int]:
        """Be one who sends: while we live, we hold a lock that nobody else can take."""
        with self.transaction():
            runner = self.db.execute("INSERT INTO runners DEFAULT VALUES").lastrowid or 0
            path = self.lock_path(runner)
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield runner
            with self.transaction():
                self.db.execute("DELETE FROM runners WHERE id = ?", (runner,))
            path.unlink(missing_ok=True)
        finally:
            os.close(lock)

    def lives(self, runner: int) -> bool:
        """Whether that one still sends."""
        try:
            lock = os.open(self.lock_path(runner), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def lock_path(self, runner: int) -> Path:
        """The file whose lock that one holds."""
        return self.path.with_name(f"{self.path.name}.run-{runner}")
