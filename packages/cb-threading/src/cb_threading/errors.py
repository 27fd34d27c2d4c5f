"""What can go wrong, as exceptions a caller can act on."""

from __future__ import annotations

__all__ = ["BadInput", "Collision", "FetchError", "StoreError", "ThreadingError", "UnknownRecord", "WouldDeadlock"]


class ThreadingError(Exception):
    """Any error of this package."""


class UnknownRecord(ThreadingError, KeyError):
    """A repository has no record of that number."""

    def __str__(self) -> str:
        return f"there is no record {self.args[0]!r} (it was removed, or never added)"


class WouldDeadlock(ThreadingError, RuntimeError):
    """A thread asked for what only itself could give: it would have waited for ever."""


class FetchError(ThreadingError):
    """A list of URLs cannot be fetched at all."""


class BadInput(FetchError, ValueError):
    """The list, or what is asked of it, makes no sense. Nothing was requested."""


class Collision(BadInput):
    """Two URLs would become one file, or a file would be lost. Nothing was requested."""


class StoreError(FetchError, OSError):
    """The folder cannot be written: full, read-only, or another fetch is at work in it."""

    def __str__(self) -> str:
        return str(self.args[0])
