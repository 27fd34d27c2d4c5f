"""Which sockets are ready: epoll itself where there is one, the standard library's best selector elsewhere.

Both answer ``register modify unregister poll close`` in epoll's terms. ``selectors`` alone would do, at about half a
microsecond an event for the key objects it builds; that is what the direct way saves.
"""

from __future__ import annotations

import select
import selectors
import sys
from typing import Protocol

__all__ = ["READ", "WRITE", "Poller", "SelectorsPoller", "new_poller"]

READ = 1
WRITE = 4


class Poller(Protocol):
    """The part of ``select.epoll`` that the servers use. `poll` takes seconds; -1 waits for ever."""

    def register(self, fd: int, eventmask: int, /) -> None: ...
    def modify(self, fd: int, eventmask: int, /) -> None: ...
    def unregister(self, fd: int, /) -> None: ...
    def poll(self, timeout: float, /) -> list[tuple[int, int]]: ...
    def close(self) -> None: ...


class SelectorsPoller:
    """`Poller` over ``selectors.DefaultSelector``: kqueue on macOS, select on Windows."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def register(self, fd: int, eventmask: int, /) -> None:
        self._selector.register(fd, self._events(eventmask))

    def modify(self, fd: int, eventmask: int, /) -> None:
        self._selector.modify(fd, self._events(eventmask))

    def unregister(self, fd: int, /) -> None:
        self._selector.unregister(fd)

    def poll(self, timeout: float, /) -> list[tuple[int, int]]:
        ready = self._selector.select(None if timeout < 0 else timeout)
        return [
            (key.fd, READ * bool(events & selectors.EVENT_READ) | WRITE * bool(events & selectors.EVENT_WRITE))
            for key, events in ready
        ]

    def close(self) -> None:
        self._selector.close()

    @staticmethod
    def _events(mask: int) -> int:
        return selectors.EVENT_READ * bool(mask & READ) | selectors.EVENT_WRITE * bool(mask & WRITE)


def new_poller() -> Poller:
    """The fastest poller that this system has."""
    if sys.platform == "linux":
        return select.epoll()
    return SelectorsPoller()
