"""Resident memory of the server process for each idle connection, limits and timers on for ours.

Each server first gets 20 connections, so that what it loads lazily is loaded, and is then measured at several numbers
of idle connections, each of which had one 64-byte message echoed. The figure is the growth of VmRSS divided by the
connections that were added: user space only, the kernel's socket buffers are not in it.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from children import HERE, ChildFailed, cores, start, start_server
from contenders import Contender

from house.tables import Table

_FIRST = 20
_SPARE_FILES = 100


@dataclass(frozen=True, slots=True)
class Held:
    """One server at one number of idle connections."""

    server: str
    connections: int
    bytes_each: float
    seconds: float
    resident: int
    error: str = ""


def possible(sizes: Sequence[int], say: Callable[[str], None]) -> list[int]:
    """The sizes that the limit of open files allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    fitting = [size for size in sizes if size + _SPARE_FILES <= most]
    if len(fitting) < len(sizes):
        say(f"left out: {', '.join(map(str, sizes[len(fitting) :]))} connections (only {most} open files: ulimit -n)")
    return fitting


def run(contenders: Sequence[Contender], sizes: Sequence[int], say: Callable[[str], None]) -> list[Held]:
    """Measure every server at every size."""
    found = []
    fitting = possible(sizes, say)
    for contender in contenders:
        say(f"memory: {contender.name}")
        try:
            found += measure(contender, fitting)
        except ChildFailed as error:
            say(f"{contender.name} failed: {error}")
            found.append(Held(contender.name, 0, 0, 0, 0, str(error)))
    return found


def measure(contender: Contender, sizes: Sequence[int]) -> list[Held]:
    """One server at growing sizes."""
    found = []
    with start_server(contender.command()) as server:
        command = [sys.executable, str(HERE / "hold.py"), str(server.port)]
        with start(command, cores()[1]) as client:
            pipe = client.process.stdin
            assert pipe is not None

            def hold(connections: int) -> dict[str, float]:
                pipe.write(f"{connections}\n")
                pipe.flush()
                answer: dict[str, float] = json.loads(client.read_line(180))
                server.settle()
                return answer

            hold(_FIRST)
            before, took = server.resident(), 0.0
            for size in sizes:
                answer = hold(size)
                resident, took = server.resident(), took + answer["seconds"]
                added = max(1, answer["open"] - _FIRST)
                each = (resident - before) / added
                found.append(Held(contender.name, int(answer["open"]), each, took, resident, str(answer["error"])))
                if answer["error"]:
                    break
    return found


def table(found: Sequence[Held]) -> Table:
    """All servers at their largest size, smallest first; and how it grew."""
    by_server: dict[str, list[Held]] = {}
    for one in found:
        by_server.setdefault(one.server, []).append(one)
    rows = []
    for server, sizes in sorted(by_server.items(), key=lambda pair: pair[1][-1].bytes_each):
        last = sizes[-1]
        growth = ", ".join(f"{one.connections}: {one.bytes_each / 1000:.2f}" for one in sizes)
        rate = f"{last.connections / last.seconds:,.0f}" if last.seconds else ""
        row = [server, f"{last.bytes_each / 1000:.2f}", str(last.connections), f"{last.resident / 1e6:.1f}", rate]
        rows.append([*row, growth, last.error])
    columns = ["server", "kB each", "connections", "RSS MB", "opened/s", "kB each at", "error"]
    return Table("Memory: resident growth per idle connection", columns, rows)
