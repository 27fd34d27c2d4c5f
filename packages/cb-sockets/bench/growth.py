"""How ours grows: bytes per second with the size of messages, messages per second with connections, peak memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cells import GROWTH_BY_CONNECTIONS, GROWTH_BY_SIZE
from children import ChildFailed, start_server
from contenders import Contender
from generator import Generator
from units import count, size

from house.tables import Table

_SERVERS = ("cb selector", "cb thread")


@dataclass(frozen=True, slots=True)
class Grown:
    """One cell of one of our servers, in a process of its own."""

    server: str
    cell: str
    title: str
    messages_per_second: float
    mb_per_second: float
    peak: int
    error: str = ""


def run(
    contenders: Sequence[Contender], generator: Generator, seconds: float, warmup: float, say: Callable[[str], None]
) -> list[Grown]:
    """Measure our servers that have a loop, or threads, of their own."""
    found = []
    for contender in contenders:
        if contender.name not in _SERVERS:
            continue
        for cell in (*GROWTH_BY_SIZE, *GROWTH_BY_CONNECTIONS):
            say(f"growth: {contender.name}, {cell.title()}")
            try:
                with start_server(contender.command()) as server:
                    one = generator.measure(server, cell, seconds, warmup)
                    peak = server.peak_resident()
                rates = one.messages_per_second, one.mb_per_second
                found.append(Grown(contender.name, cell.name, cell.title(), *rates, peak))
            except ChildFailed as error:
                found.append(Grown(contender.name, cell.name, cell.title(), 0, 0, 0, str(error)))
    return found


def table(found: Sequence[Grown]) -> Table:
    """One line a server and cell."""
    rows = [
        [one.server, one.title, count(one.messages_per_second), f"{one.mb_per_second:,.1f}", size(one.peak), one.error]
        for one in found
    ]
    columns = ["server", "load", "messages/s", "MB/s each way", "peak RSS", "error"]
    return Table("Growth of ours", columns, rows)
