"""A thread-safe store of immutable records in memory.

Why it is quick: records never change, so a reader needs no lock, it has the record or its successor. Only writers take
a lock. What must be seen together is read in a `snapshot` or a `transaction`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cb_threading.errors import UnknownRecord

__all__ = ["Repository", "RepositoryStatistics", "Transaction"]

T = TypeVar("T")

_REMOVED: Any = object()


@dataclass(frozen=True, slots=True)
class RepositoryStatistics:
    """How many records there are, and how many changes there were."""

    records: int
    added: int
    updated: int
    removed: int


class Repository(Generic[T]):
    """Records with numbers that are given once and never again, not after a removal either.

    Guarantees: `get` returns the newest committed record, without a lock. `update` reads and writes in one: no update
    is lost. `snapshot` is all records at one moment. A `transaction` is done as a whole or, if an exception leaves it,
    not at all; nobody sees half of it in a snapshot.

    Records must not be changed once they are here: frozen dataclasses, tuples, strings, numbers. The containers of
    which everybody knows that they can be changed are refused.

    >>> prices = Repository()
    >>> number = prices.add(100)
    >>> prices.update(number, lambda price: price + 1)
    101
    >>> prices.snapshot()
    {0: 101}
    """

    def __init__(self) -> None:
        self._rows: dict[int, T] = {}
        self._lock = threading.RLock()
        self._open: Transaction[T] | None = None  # only who holds the lock looks at it
        self._next = 0
        self._added = self._updated = self._removed = 0

    def get(self, number: int) -> T:
        """The record of that number; UnknownRecord, which is a KeyError, where there is none."""
        try:
            return self._rows[number]
        except KeyError:
            raise UnknownRecord(number) from None

    def __contains__(self, number: object) -> bool:
        return number in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, record: T) -> int:
        """Add a record and return its number."""
        with self._lock:
            if self._open is not None:
                return self._open.add(record)
            number, self._next = self._next, self._next + 1
            self._rows[number] = _immutable(record)
            self._added += 1
            return number

    def update(self, number: int, change: Callable[[T], T]) -> T:
        """Put ``change(record)`` in the place of a record, and return it. No other change comes in between."""
        with self._lock:
            if self._open is not None:
                record = change(self._open.get(number))
                self._open.put(number, record)
                return record
            self._rows[number] = record = _immutable(change(self.get(number)))
            self._updated += 1
            return record

    def remove(self, number: int) -> T:
        """Take a record out and return it."""
        with self.transaction() as open_:
            return open_.remove(number)

    def snapshot(self) -> dict[int, T]:
        """All records at this moment, a dict of the caller's own. Costs a copy: O(n)."""
        with self._lock:
            return dict(self._rows)

    @contextmanager
    def transaction(self) -> Iterator[Transaction[T]]:
        """Several changes in one. Other writers wait; another transaction of the same thread is part of the first.

        Read through the transaction to see what it has changed so far; `Repository.get` shows what is committed.
        """
        with self._lock:
            if self._open is not None:
                yield self._open
                return
            self._open = open_ = Transaction(self._rows, self._next)
            try:
                yield open_
            finally:
                self._open = None
            self._commit(open_)

    def _commit(self, done: Transaction[T]) -> None:
        for number, record in done.changed.items():
            if record is _REMOVED:
                self._removed += self._rows.pop(number, _REMOVED) is not _REMOVED
            else:
                self._added += number >= self._next
                self._updated += number < self._next
                self._rows[number] = record
        self._next = done.next

    def statistics(self) -> RepositoryStatistics:
        """Counts since the start."""
        with self._lock:
            return RepositoryStatistics(len(self._rows), self._added, self._updated, self._removed)


class Transaction(Generic[T]):
    """Changes that become visible together. Made by `Repository.transaction`."""

    def __init__(self, rows: dict[int, T], next_: int) -> None:
        self._rows = rows
        self.changed: dict[int, T] = {}
        self.next: int = next_

    def get(self, number: int) -> T:
        """The record of that number, as this transaction left it; UnknownRecord where there is none."""
        record = self.changed[number] if number in self.changed else self._rows.get(number, _REMOVED)
        if record is _REMOVED:
            raise UnknownRecord(number)
        return record

    def add(self, record: T) -> int:
        """Add a record and return its number."""
        number, self.next = self.next, self.next + 1
        self.changed[number] = _immutable(record)
        return number

    def put(self, number: int, record: T) -> None:
        """Put a record in the place of one that is there."""
        self.get(number)
        self.changed[number] = _immutable(record)

    def remove(self, number: int) -> T:
        """Take a record out and return it."""
        record = self.get(number)
        self.changed[number] = _REMOVED
        return record


def _immutable(record: T) -> T:
    if isinstance(record, dict | list | set | bytearray):
        raise TypeError(f"a {type(record).__name__} can be changed behind the lock (use a frozen dataclass or a tuple)")
    return record
