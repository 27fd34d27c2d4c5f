"""The line that tells how far a fetch has come."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable

from cb_threading.results import Progress
from cb_threading.timers import TimerService

__all__ = ["ProgressLine", "line"]


def line(now: Progress, before: Progress | None = None) -> str:
    """Pages, pages and megabytes a second since *before*, and the slowest hosts.

    >>> line(Progress(10, 4, 0, 1, 2_000_000, 3, 2.0, (("http://a", 0.25),)))
    '5/10 pages, 1 failed, 2 pages/s, 1.0 MB/s, 3 active, slowest: http://a 0.25 s'
    """
    seconds = max(now.seconds - (before.seconds if before else 0.0), 0.001)
    pages = now.saved + now.failed - (before.saved + before.failed if before else 0)
    size = now.size - (before.size if before else 0)
    parts = [f"{now.saved + now.kept + now.failed}/{now.total} pages"]
    parts += [f"{now.failed} failed"] if now.failed else []
    parts += [f"{pages / seconds:.0f} pages/s", f"{size / seconds / 1e6:.1f} MB/s", f"{now.active} active"]
    if now.slowest:
        parts.append("slowest: " + ", ".join(f"{host} {mean:.2f} s" for host, mean in now.slowest))
    return ", ".join(parts)


class ProgressLine:
    """Writes the line on stderr, four times a second, over the one before; wipes it at the end."""

    def __init__(self, ask: Callable[[], Progress]) -> None:
        self._ask = ask
        self._timers = TimerService(name="progress")
        self._before: Progress | None = None

    def __enter__(self) -> None:
        self._timers.call_every(0.25, self.draw)

    def draw(self) -> None:
        """Write it once."""
        now = self._ask()
        text = line(now, self._before)[: shutil.get_terminal_size().columns - 1]
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
        self._before = now

    def __exit__(self, *ending: object) -> None:
        self._timers.close()
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
