"""What a batch does next: a state machine without I/O and without a clock. Times are told to it, in seconds.

A job is `started`, then `ended`, which answers whether it is to be tried again; `ready` says whether one may start now,
`due` hands out those whose pause before the next try is over, `wake` tells when to look again.
"""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Halt", "Schedule"]

_LEAST = 10  # finished jobs before a share of them says something


@dataclass(frozen=True, slots=True)
class Halt:
    """When to stop: ``when`` so many jobs, or such a share of the finished ones, have failed or succeeded."""

    when: Literal["never", "soon", "now"] = "never"
    counted: Literal["fail", "success"] = "fail"
    number: float = 0
    share: bool = False

    @classmethod
    def parse(cls, text: str) -> Halt:
        """Read ``never``, ``soon,fail=3``, ``now,fail=10%``, ``now,success=1``.

        >>> Halt.parse("soon,fail=10%")
        Halt(when='soon', counted='fail', number=10.0, share=True)
        """
        if text == "never":
            return cls()
        match = re.fullmatch(r"(soon|now),(fail|success)=(\d+(?:\.\d+)?)(%?)", text)
        if not match or not float(match[3]):
            raise ValueError(f"{text!r} is no halt policy (never; soon or now, then ,fail=N ,fail=P% or ,success=N)")
        return cls(match[1], match[2], float(match[3]), bool(match[4]))  # type: ignore[arg-type]  # the expression's words

    def reached(self, failed: int, succeeded: int) -> bool:
        """Whether it is time."""
        if self.when == "never":
            return False
        count = failed if self.counted == "fail" else succeeded
        if not self.share:
            return count >= self.number
        finished = failed + succeeded
        return finished >= _LEAST and count * 100 >= self.number * finished


class Schedule:
    """Slots, retries with a pause that doubles, a pause between starts, and the halt policy."""

    def __init__(self, slots: int, *, retries: int = 0, backoff: float = 1.0, delay: float = 0.0, halt: Halt) -> None:
        self.free: list[int] = list(range(slots, 0, -1))
        self.failed: int = 0
        self.succeeded: int = 0
        self.halted: str | None = None
        self._retries = retries
        self._backoff = backoff
        self._delay = delay
        self._halt = halt
        self._next_start = 0.0
        self._again: list[tuple[float, int]] = []

    def ready(self, now: float) -> bool:
        """Whether a job may start."""
        return bool(self.free) and self.halted is None and now >= self._next_start

    def due(self, now: float) -> int | None:
        """Take a job whose pause is over."""
        return heapq.heappop(self._again)[1] if self._again and self._again[0][0] <= now else None

    def started(self, now: float) -> int:
        """A job starts: the slot that it takes."""
        if self._delay:
            self._next_start = now + self._delay
        return self.free.pop()

    def freed(self, slot: int) -> None:
        """A slot is free again."""
        self.free.append(slot)

    def ended(self, job: int, *, ok: bool, tries: int, now: float) -> bool:
        """A try has ended; return whether there will be another."""
        if not ok and tries <= self._retries and self.halted is None:
            heapq.heappush(self._again, (now + self._backoff * 2 ** (tries - 1), job))
            return True
        self.failed += not ok
        self.succeeded += ok
        if self.halted is None and self._halt.reached(self.failed, self.succeeded):
            self.halted = self._halt.when
        return False

    def postpone(self, job: int, until: float) -> None:
        """The system has no room for a start: nothing starts until then, this job first."""
        self._next_start = until
        heapq.heappush(self._again, (0.0, job))

    def give_up(self) -> list[int]:
        """After a halt: the jobs whose next try will not come."""
        left = [job for _, job in sorted(self._again)]
        self._again.clear()
        return left

    def wake(self, now: float) -> float | None:
        """Seconds until something may start that may not now; None where only an end can change that."""
        times = []
        if self._again and self.free:
            times.append(max(self._again[0][0], self._next_start))
        if self.free and self._next_start > now:
            times.append(self._next_start)
        return max(0.0, min(times) - now) if times else None
