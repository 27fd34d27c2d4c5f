"""What the engine and its backends say to each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from cb_map.chunk import Outcome


@dataclass(slots=True, eq=False)
class Task:
    """A chunk of rows on its way.

    A backend sets ``began``, and then ``outcome``, or ``lost`` where it cannot say what became of the rows.
    """

    index: int
    rows: list[Any]
    brief: bool = False
    """Expected to take milliseconds: may wait behind another one in a worker."""
    losses: int = 0
    retried: int = 0
    began: float | None = None
    """`time.monotonic` when a worker got it: what a time-out counts from."""
    outcome: Outcome | None = None
    lost: Exception | None = None


class Backend(Protocol):
    """Runs tasks somewhere. All methods are called by one thread at a time."""

    slots: int
    """How many tasks run at once."""

    largest: int
    """The most rows that one task should have."""

    def submit(self, task: Task) -> None:
        """Take a task; never waits for it."""

    def wait(self, timeout: float | None) -> Iterable[Task]:
        """Return tasks that have ended, at least one, unless *timeout* seconds pass or `wake` is called."""

    def wake(self) -> None:
        """Make the `wait` of another thread return."""

    def abandon(self, task: Task) -> None:
        """Forget a task that runs, and free its place for others."""

    def close(self) -> None:
        """Give everything back. What still runs is dropped."""
