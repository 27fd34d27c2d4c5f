"""Whose turn it is: results come as they are done, and go in the order of their jobs. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cb_subprocess.result import JobResult

__all__ = ["Turns"]

_BYTES = 1 << 26
_FILES = 64
_RESULTS = 20_000


class Turns:
    """Put results in as they come, take out those whose turn it is; without `ordered`, all. Cost: linear."""

    def __init__(self, *, ordered: bool) -> None:
        self._ordered = ordered
        self._waiting: dict[int, JobResult | None] = {}  # None: passed over
        self._next = 1
        self._bytes = 0
        self._files = 0

    @property
    def full(self) -> bool:
        """Whether so much waits for an earlier job that nothing more is to be started."""
        return self._bytes > _BYTES or self._files > _FILES or len(self._waiting) > _RESULTS

    def put(self, result: JobResult) -> None:
        self._waiting[result.seq] = result
        self._count(result, 1)

    def pass_over(self, seq: int) -> None:
        """There will be no result of this job."""
        if self._ordered:
            self._waiting[seq] = None

    def take(self, *, everything: bool = False) -> Iterator[JobResult]:
        """Those whose turn it is, or, at the end, all that are left, in order."""
        if everything or not self._ordered:
            for seq in sorted(self._waiting) if self._ordered else list(self._waiting):
                yield from self._taken(seq)
        while self._next in self._waiting:
            self._next += 1
            yield from self._taken(self._next - 1)

    def close(self) -> None:
        """Nobody wants the rest."""
        for result in self._waiting.values():
            if result is not None:
                result.close()
        self._waiting.clear()

    def _taken(self, seq: int) -> Iterator[JobResult]:
        result = self._waiting.pop(seq)
        if result is not None:
            self._count(result, -1)
            yield result

    def _count(self, result: JobResult, sign: int) -> None:
        self._bytes += sign * (len(result.stdout) + len(result.stderr))
        self._files += sign * ((result.stdout_file is not None) + (result.stderr_file is not None))
