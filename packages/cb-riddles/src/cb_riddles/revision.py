"""What is kept in memory, for as long as the database says that nothing has changed.

A :data:`Stamp` is the revision's number and the newest riddle that is published: the first changes with any change of
content, the second when a riddle's time comes. One query of two index steps reads it; servers that share a database
agree by it without knowing of each other.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import connections, router
from django.db.models import BigIntegerField
from django.db.models.expressions import RawSQL

from cb_riddles.models import Riddle
from cb_riddles.query import adapted_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model, QuerySet

    Stamp = tuple[int, int | None]

T = TypeVar("T")
M = TypeVar("M", bound="Model")

MOST: int = 2000
"""How many things a process keeps; when it is full, all go."""
AGE: float = 60.0
"""For how many seconds: what a storage says of a style sheet's address may run out."""
_NEWEST = "(SELECT id FROM riddles_riddle WHERE pub_date <= %s ORDER BY pub_date DESC, id DESC LIMIT 1)"
_SQL = f"SELECT token, {_NEWEST} FROM riddles_revision"  # noqa: S608 - of constants
_kept: dict[tuple[Any, ...], tuple[float, Stamp, Any]] = {}  # all of one stamp
_lock = threading.Lock()


def stamp() -> Stamp | None:
    """Ask the database for the stamp of now; None where it has no triggers."""
    connection = connections[router.db_for_read(Riddle)]
    with connection.cursor() as cursor:
        cursor.execute(_SQL, [adapted_now(connection)])
        row: Stamp | None = cursor.fetchone()
    return row


def stamped(rows: QuerySet[M]) -> QuerySet[M]:
    """Have each of *rows* carry the stamp of its own query: see :func:`stamp_of`."""
    # As text: to have the ORM write two subqueries takes a fifth of the time that a page takes to make.
    token = RawSQL("(SELECT token FROM riddles_revision)", (), BigIntegerField())
    now = adapted_now(connections[router.db_for_read(Riddle)])
    newest = RawSQL(_NEWEST, [now], BigIntegerField())  # noqa: S611 - a constant
    return rows.annotate(revision_token=token, newest_riddle=newest)


def stamp_of(row: Any) -> Stamp | None:
    """Return the stamp that came with a row of :func:`stamped`."""
    return None if row.revision_token is None else (row.revision_token, row.newest_riddle)


def recall(key: tuple[Any, ...], load: Callable[[], tuple[T, Stamp | None]]) -> T:
    """Return what is kept under *key*, if the database has not changed since, or else what *load* returns.

    One query where it is kept or nothing is; the first call after a change asks in vain and costs one more.
    """
    if kept := peek(key):
        found: T = kept[0]
        return found
    loaded, now = load()
    if now is not None:
        with _lock:
            if len(_kept) >= MOST or (_kept and next(iter(_kept.values()))[1] != now):
                _kept.clear()
            _kept[_here(key)] = monotonic(), now, loaded
    return loaded


def peek(key: tuple[Any, ...]) -> tuple[Any] | None:
    """Return what is kept under *key*, in a tuple; None where nothing is, or the database has changed since."""
    if found := _kept.get(_here(key)):
        since, then, value = found
        if monotonic() - since < AGE:
            if stamp() == then:
                return (value,)
            forget()
    return None


def _here(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return (router.db_for_read(Riddle), *key)


def forget() -> None:
    """Forget all that is kept."""
    with _lock:
        _kept.clear()
