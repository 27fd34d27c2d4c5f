"""A program's wall time, processor time and peak memory, its children's with it."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Runs:
    """What several runs of one contender took."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    failed: str = ""

    @property
    def min(self) -> float:
        """Seconds."""
        return min(self.wall)

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.wall)


def _resident(pid: int) -> float:
    """Megabytes that a process and its children hold now; what they share counts once (PSS)."""
    total = 0.0
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) / 1000
    except (OSError, ProcessLookupError):
        return 0.0
    return total + sum(_resident(int(child)) for child in children)


def run(command: Sequence[str], *, timeout: float = 600, quiet: bool = True) -> tuple[float, float, float]:
    """Wall seconds, processor seconds, peak megabytes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    out = subprocess.DEVNULL if quiet else None
    # Compiled, as what pip installs is: the first round does it where it was not done.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, env=environment) as process:
        peak = 0.0
        done = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.05):
                peak = max(peak, _resident(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            _, said = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            done.set()
        wall = time.perf_counter() - begin
        watcher.join()
    if process.returncode:
        raise RuntimeError(said.decode(errors="replace").strip().splitlines()[-1])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, peak


def interleaved(
    contenders: dict[str, Sequence[str]], rounds: int, say: Callable[[str], object], target: Path | None = None
) -> dict[str, Runs]:
    """Every contender once a round, in the same order; none finds the *target* of the one before."""
    found = {name: Runs() for name in contenders}
    for number in range(rounds):
        for name, command in contenders.items():
            if found[name].failed:
                continue
            if target is not None:
                target.unlink(missing_ok=True)
            try:
                wall, cpu, peak = run(command)
            except (RuntimeError, subprocess.TimeoutExpired, OSError) as error:
                found[name].failed = str(error)[:200]
                say(f"left out: {name}: {error}")
                continue
            found[name].wall.append(wall)
            found[name].cpu.append(cpu)
            found[name].peak.append(peak)
            say(f"  round {number + 1} {name}: {wall:.2f} s, {peak:.0f} MB")
    return found


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))
