"""Limits that are asked for: of time, and of what a machine must have left before another job starts."""

from __future__ import annotations

import os
from dataclasses import dataclass

__all__ = ["LONGEST", "Limits", "free_memory", "load", "processors", "seconds"]

LONGEST = 1e6  # seconds: more than that no system call takes; whoever waits longer waits again


@dataclass(slots=True)
class Limits:
    """Looked at five times a second at most."""

    max_load: float | None
    min_free: int | None
    _next: float = 0.0
    _open: bool = True

    def allow(self, now: float) -> bool:
        """Whether a job may start."""
        if self.max_load is None and self.min_free is None:
            return True
        if now >= self._next:
            self._next = now + 0.2
            self._open = (self.max_load is None or load() <= self.max_load) and (
                self.min_free is None or free_memory() >= self.min_free
            )
        return self._open


def load() -> float:
    """The machine's load average over the last minute."""
    return os.getloadavg()[0]


def free_memory() -> int:
    """Bytes of memory that can be had without swapping."""
    with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123  # five times a second
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


def seconds(name: str, value: float | None) -> None:
    """Refuse what is no time.

    Raises:
        ValueError: It is negative, or not a number; infinity is one.
    """
    if value is not None and not value >= 0:
        raise ValueError(f"{name} is seconds, 0 or more, not {value!r}")
