"""How many rows the next chunk has.

It begins with one, so that the first result comes as early as it can, and grows up to fourfold a step until a chunk
takes about 20 ms: long enough to make the price of handing it over small, short enough to balance, to stop, to lose.
"""

from __future__ import annotations

TARGET = 0.020
"""Seconds a chunk should take."""
LEAST = 0.001
"""Seconds under which a chunk is not made smaller for the sake of balance: handing it over would cost more."""
SLOW = 0.005
"""Seconds a row takes from which on it goes alone: others must not wait behind it."""


class Sizing:
    """Learns from each chunk that has ended. With a *fixed* size it only remembers how long a row takes."""

    def __init__(self, fixed: int | None, largest: int) -> None:
        self._fixed = fixed
        self._largest = largest
        self._size = 1
        self._row_seconds: float | None = None

    def rows(self) -> int:
        """The size of the next chunk."""
        return self._fixed or self._size

    def least(self) -> int:
        """How many rows take about a millisecond."""
        return max(1, int(LEAST / self._row_seconds)) if self._row_seconds else 1

    def brief(self) -> bool:
        """Whether the next chunk is expected to take no longer than the target."""
        return self._row_seconds is not None and self._row_seconds * self.rows() < 2 * TARGET and not self._slow()

    def learn(self, rows: int, seconds: float) -> None:
        """A chunk of *rows* took *seconds*."""
        row = max(seconds / rows, 1e-9)
        self._row_seconds = row if self._row_seconds is None else (self._row_seconds + row) / 2
        wanted = 1 if self._slow() else int(TARGET / self._row_seconds)
        # Chunks that were cut before it grew come back later: they must not make it shrink, only slowness may.
        self._size = max(1, min(wanted, max(rows * 4, self._size), self._largest))

    def _slow(self) -> bool:
        return self._row_seconds is not None and self._row_seconds > SLOW
