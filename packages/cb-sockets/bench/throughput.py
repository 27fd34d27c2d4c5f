"""The throughput section: every server under the same load, in interleaved rounds.

Round 1 measures all servers of a cell one after another, then comes round 2. Ratios are taken within a round, so that
what changes slowly on a shared machine touches both sides; the median of these ratios is what is reported.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from cells import Cell
from children import Child, ChildFailed, start_server
from contenders import Contender
from generator import Generator, Measurement
from units import count, microseconds

from house.tables import Table

REFERENCE = "cb selector"
LOUD = 0.15
"""Share of the cores that others may use before a measurement is repeated, and, if that does not help, not compared."""

_TRIES = 3


@dataclass(slots=True)
class Results:
    """Measurements by cell, server and round; failures by cell and server."""

    measured: dict[str, dict[str, dict[int, Measurement]]] = field(default_factory=dict)
    failed: dict[str, dict[str, str]] = field(default_factory=dict)

    def rounds(self, cell: str, server: str) -> list[Measurement]:
        """All rounds of a server in a cell."""
        return list(self.measured.get(cell, {}).get(server, {}).values())

    def ratios(self, cell: str, server: str, peer: str) -> list[float]:
        """server / peer in messages per second, for every round in which both were measured on calm cores."""
        ours, theirs = (
            {number: one for number, one in self.measured.get(cell, {}).get(name, {}).items() if one.foreign <= LOUD}
            for name in (server, peer)
        )
        return [
            ours[number].messages_per_second / theirs[number].messages_per_second
            for number in ours
            if number in theirs and theirs[number].messages_per_second
        ]

    def ratio(self, cell: str, server: str, peer: str) -> float | None:
        """The median of `ratios`; None where there are none."""
        found = self.ratios(cell, server, peer)
        return median(found) if found else None

    def mismatches(self) -> int:
        """Reads that held a wrong byte, over everything: must be 0."""
        return sum(found.mismatches for found in self.every())

    def messages(self) -> int:
        """Messages echoed and compared, over everything."""
        return sum(found.messages for found in self.every())

    def every(self) -> list[Measurement]:
        """All measurements."""
        return [found for servers in self.measured.values() for rounds in servers.values() for found in rounds.values()]


class Pool:
    """The servers of a section, started when first needed and again when they died."""

    def __init__(self, stack: contextlib.ExitStack, certificate: Path | None) -> None:
        self._stack = stack
        self._certificate = certificate
        self._running: dict[tuple[str, bool], Child] = {}

    def get(self, contender: Contender, tls: bool) -> Child:
        """A running server."""
        key = contender.name, tls
        child = self._running.get(key)
        if child is None or not child.alive():
            command = contender.command(certificate=self._certificate if tls else None)
            child = self._running[key] = self._stack.enter_context(start_server(command))
        return child


def run(
    cells: Iterable[Cell],
    contenders: Sequence[Contender],
    generator: Generator,
    *,
    rounds: int,
    few_rounds: int,
    in_every_round: Callable[[Contender, Cell], bool],
    seconds: float,
    warmup: float,
    certificate: Path | None,
    say: Callable[[str], None],
) -> Results:
    """Measure every server in every cell; those not `in_every_round` only in the first `few_rounds`."""
    results = Results()
    calm = Calm(generator, seconds, warmup)
    with contextlib.ExitStack() as stack:
        pool = Pool(stack, certificate)
        for cell in cells:
            if cell.tls and certificate is None:
                say(f"left out: {cell.name} (no certificate: pip install trustme)")
                continue
            taking_part = [one for one in contenders if one.tls or not cell.tls]
            for number in range(rounds):
                say(f"{cell.title()}: round {number + 1} of {rounds}")
                for contender in taking_part:
                    if number >= few_rounds and not in_every_round(contender, cell):
                        continue
                    if contender.name in results.failed.get(cell.name, {}):
                        continue
                    try:
                        server = pool.get(contender, cell.tls)
                        found = calm.measure(server, cell)
                    except ChildFailed as error:
                        results.failed.setdefault(cell.name, {})[contender.name] = str(error)
                        say(f"{contender.name} failed in {cell.name}: {error}")
                        continue
                    results.measured.setdefault(cell.name, {}).setdefault(contender.name, {})[number] = found
    return results


class Calm:
    """Measures, and measures again where other work took much of the cores: up to three times, the calmest counts.

    On a machine that is never calm that would take for ever, so that a whole run has `repeats` of them.
    """

    def __init__(self, generator: Generator, seconds: float, warmup: float, repeats: int = 80) -> None:
        self._generator = generator
        self._seconds = seconds
        self._warmup = warmup
        self._repeats = repeats

    def measure(self, server: Child, cell: Cell) -> Measurement:
        """One measurement."""
        tries: list[Measurement] = []
        while not tries or (tries[-1].foreign > LOUD and len(tries) < _TRIES and self._repeats):
            self._repeats -= bool(tries)
            tries.append(self._generator.measure(server, cell, self._seconds, self._warmup))
            server.settle()
        return min(tries, key=lambda one: one.foreign)


def table(cell: Cell, results: Results) -> Table:
    """One cell as a table, fastest first."""
    rows, silent = [], []
    for server in results.measured.get(cell.name, {}):
        found = results.rounds(cell.name, server)
        rates = [one.messages_per_second for one in found]
        ratio = results.ratio(cell.name, REFERENCE, server)
        row = [
            server,
            count(median(rates)),
            count(min(rates)),
            f"{ratio:.2f}" if ratio is not None and server != REFERENCE else "",
            microseconds(median(one.p50_us for one in found)),
            microseconds(median(one.p99_us for one in found)),
            f"{median(one.mb_per_second for one in found):,.0f}",
            f"{median(one.cpu_us for one in found):,.1f}",
            str(len(found)),
        ]
        rows.append((median(rates), row))
        if most := max(one.silent_connections for one in found):
            silent.append(f"{server}: {most}")
    rows.sort(key=lambda pair: -pair[0])
    last = [[server, "failed"] + [""] * 7 for server in results.failed.get(cell.name, {})]
    columns = ["server", "messages/s", "min", f"{REFERENCE} ÷", "p50 µs", "p99 µs", "MB/s each way", "CPU µs/msg", "n"]
    note = f"Connections without any answer in a window, at worst: {', '.join(silent)}." if silent else ""
    return Table(cell.title(), columns, [row for _, row in rows] + last, note)
