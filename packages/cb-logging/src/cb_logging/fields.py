"""Fields that every record of a task, a request, a thread carries: kept in a `contextvars.ContextVar`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["ContextFilter", "context", "current"]

current: ContextVar[Mapping[str, object]] = ContextVar("cb_logging", default={})  # noqa: B039 - never changed in place


@contextmanager
def context(**fields: object) -> Iterator[None]:
    """Put fields on every record made inside, also in tasks that are started there.

    A text format shows those it names (``setup(fields=["request"])``), JSON shows all.

    >>> with context(request="r1"):
    ...     with context(user="ann"):
    ...         print(dict(current.get()))
    {'request': 'r1', 'user': 'ann'}
    """
    token = current.set({**current.get(), **fields})
    try:
        yield
    finally:
        current.reset(token)


class ContextFilter(logging.Filter):
    """Puts the context's fields on records, for handlers that are not this package's. Passes every record.

    In `logging.config.dictConfig`: ``{"()": "cb_logging.ContextFilter"}``.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in current.get().items():
            record.__dict__.setdefault(name, value)
        return True
