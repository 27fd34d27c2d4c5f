"""One measurement: the load generator against a running server, with what the machine was doing meanwhile."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from cells import Cell
from children import HERE, Child, ChildFailed, cores, start
from toolchain import build_load

_TICK = 0.01


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run of the generator saw. `foreign`: share of the two cores that others used during the run."""

    messages: int
    messages_per_second: float
    mb_per_second: float
    p50_us: float
    p99_us: float
    mismatches: int
    silent_connections: int
    cpu_us: float
    foreign: float


class Generator:
    """load.c where it can be compiled, load.py otherwise; for TLS load.c only where OpenSSL's headers are."""

    def __init__(self, *, force_python: bool = False) -> None:
        program, tls = (None, False) if force_python else build_load()
        python = [sys.executable, str(HERE / "load.py")]
        self._plain = [str(program)] if program else python
        self._tls = [str(program)] if program and tls else python
        self.about = f"plain: {self._kind(self._plain)}, TLS: {self._kind(self._tls)}"
        self.in_c = program is not None

    @staticmethod
    def _kind(command: list[str]) -> str:
        return "load.py" if command[0] == sys.executable else "load.c"

    def measure(self, server: Child, cell: Cell, seconds: float, warmup: float) -> Measurement:
        """Run `cell` against `server`. Raises ChildFailed when a connection breaks or stands still."""
        server_core, load_core = cores()
        command = [*(self._tls if cell.tls else self._plain), "127.0.0.1", str(server.port), "len4", str(cell.size)]
        command += [str(cell.connections), str(cell.depth), str(seconds), "--warmup", str(warmup)]
        command += ["--tls"] * cell.tls + ["--spin"] * (server_core != load_core)
        busy, used = _busy_ticks(), server.cpu_seconds()
        with start(command, load_core) as load:
            found = json.loads(load.read_line(seconds + warmup + 30))
            used = server.cpu_seconds() - used
            own = used + load.cpu_seconds()
        busy = _busy_ticks() - busy
        if not found["messages"]:
            raise ChildFailed(f"not one message answered in {seconds:g} s")
        wall = len({server_core, load_core}) * (seconds + warmup)
        return Measurement(
            **{key: found[key] for key in ("messages_per_second", "mb_per_second", "p50_us", "p99_us")},
            messages=found["total_messages"],
            mismatches=found["mismatches"],
            silent_connections=found["silent_connections"],
            cpu_us=used / max(1, found["total_messages"]) * 1e6,
            foreign=max(0.0, busy * _TICK - own) / wall,
        )


def _busy_ticks() -> int:
    """Ticks that the two cores have spent working, interrupts left out."""
    total = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name in {f"cpu{core}" for core in cores()}:
            user, nice, system = (int(field) for field in fields[:3])
            total += user + nice + system
    return total


__all__ = ["ChildFailed", "Generator", "Measurement"]
