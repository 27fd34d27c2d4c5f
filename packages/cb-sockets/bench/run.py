"""cb-sockets and its peers on the same load, side by side, in one run: tables, ratios, and the goals from them.

    python run.py                      the goals' cells, TLS, decoding, growth, memory, descriptors: about 9 minutes
    python run.py --quick              the goals roughly, in a minute
    python run.py --only 64x100 --rounds 9 --peers "asyncio streams,uvloop protocol"

Tables go to stdout, progress to stderr. Exit code: 0 done (whatever the goals say); 1 a wrong byte, or one of our
servers failed; 2 wrong usage; 130 interrupted. Needs Linux (epoll, /proc).
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import certificate
import decode
import exhaustion
import goals
import growth
import machine
import memory
import throughput
from contenders import Contender, contenders, names
from generator import Generator
from plan import DEFAULT, FULL, QUICK, Plan, only

from house.tables import Table


@dataclass(slots=True)
class Report:
    """Everything that a run found."""

    plan: Plan
    machine: list[str]
    throughput: throughput.Results = field(default_factory=throughput.Results)
    decoded: decode.Decoded | None = None
    grown: list[growth.Grown] = field(default_factory=list)
    held: list[memory.Held] = field(default_factory=list)
    exhausted: list[exhaustion.Exhausted] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def goals(self) -> list[goals.Goal]:
        """The list, from whatever was measured."""
        found = []
        if self.throughput.measured:
            found += [*goals.throughput_goals(self.throughput), goals.correctness_goal(self.throughput)]
        if self.decoded:
            found += goals.decode_goals(self.decoded)
        return [*found, *goals.memory_goals(self.held), *goals.exhaustion_goals(self.exhausted)]

    def tables(self) -> Iterator[Table]:
        """All tables, the goals last."""
        for cell in self.plan.cells:
            if cell.name in self.throughput.measured:
                yield throughput.table(cell, self.throughput)
        if self.decoded:
            yield from decode.tables(self.decoded)
        if self.grown:
            yield growth.table(self.grown)
        if self.held:
            yield memory.table(self.held)
        if self.exhausted:
            yield exhaustion.table(self.exhausted)
        yield goals.table(self.goals())

    def failures_of_ours(self) -> list[str]:
        """Our servers where they failed: a defect, unlike a missed goal."""
        found = [
            f"{server} in {cell}: {why}"
            for cell, servers in self.throughput.failed.items()
            for server, why in servers.items()
            if server in goals.OUR_SERVERS
        ]
        for one in (*self.grown, *self.held, *self.exhausted):
            if one.error and one.server in goals.OUR_SERVERS:
                found.append(f"{one.server}: {one.error}")
        return found

    def disturbed(self) -> str:
        """How quiet the machine was."""
        every = self.throughput.every()
        loud = sum(one.foreign > throughput.LOUD for one in every)
        return f"{loud} of {len(every)} measurements while other work took more than {throughput.LOUD:.0%} of the cores"

    def as_json(self) -> str:
        """The figures behind the tables."""
        found = {
            "machine": self.machine,
            "seconds": self.seconds,
            "left_out": self.left_out,
            "throughput": {
                cell: {server: [asdict(one) for one in rounds.values()] for server, rounds in servers.items()}
                for cell, servers in self.throughput.measured.items()
            },
            "failed": self.throughput.failed,
            "decode_seconds": self.decoded.seconds if self.decoded else {},
            "growth": [asdict(one) for one in self.grown],
            "memory": [asdict(one) for one in self.held],
            "exhaustion": [asdict(one) for one in self.exhausted],
            "goals": [asdict(goal) for goal in self.goals()],
        }
        return json.dumps(found, indent=1)


def progress(text: str) -> None:
    """One line on stderr."""
    print(text, file=sys.stderr, flush=True)


def measure(plan: Plan, chosen: list[Contender], generator: Generator, report: Report, folder: Path) -> None:
    """Run every section of the plan."""

    def leave_out(text: str) -> None:
        if text.startswith("left out"):
            report.left_out.append(text)
        progress(text)

    if plan.cells:
        report.throughput = throughput.run(
            plan.cells,
            [one for one in chosen if plan.takes_part(one)],
            generator,
            rounds=plan.rounds,
            few_rounds=plan.few_rounds,
            in_every_round=plan.in_every_round,
            seconds=plan.seconds,
            warmup=plan.warmup,
            certificate=certificate.make(folder),
            say=leave_out,
        )
    if "decode" in plan.sections:
        report.decoded = decode.run(rounds=plan.decode_rounds, share=plan.decode_share, say=progress)
    if "growth" in plan.sections:
        report.grown = growth.run(chosen, generator, plan.seconds, plan.warmup, progress)
    if "memory" in plan.sections:
        report.held = memory.run([one for one in chosen if plan.measures_memory(one)], plan.idle_connections, leave_out)
    if "exhaustion" in plan.sections:
        report.exhausted = exhaustion.run([one for one in chosen if plan.exhausts(one)], progress)


def parse(arguments: list[str] | None) -> tuple[argparse.Namespace, Plan]:
    """Options and the plan that they make."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--quick", action="store_true", help="fewer cells, rounds and peers: a minute")
    much.add_argument("--full", action="store_true", help="every cell, peer and round: the better part of an hour")
    parser.add_argument("--only", metavar="NAME,...", help="these sections or cells")
    parser.add_argument("--peers", metavar="NAME,...", help=f"these peers beside ours: {', '.join(names())}")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each cell, for every server")
    parser.add_argument("--seconds", type=float, metavar="S", help="length of one measurement")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--markdown", action="store_true", help="print Markdown, as for a README")
    parser.add_argument("--python-load", action="store_true", help="use load.py even where load.c can be compiled")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else FULL if options.full else DEFAULT
    if options.only:
        plan = only(plan, options.only.split(","), parser.error)
    if options.rounds is not None:
        if options.rounds < 1:
            parser.error("--rounds: at least 1")
        plan = replace(plan, rounds=options.rounds, few_rounds=options.rounds, decode_rounds=options.rounds)
    if options.seconds is not None:
        if options.seconds <= 0:
            parser.error("--seconds: more than 0")
        plan = replace(plan, seconds=options.seconds)
    if options.peers is not None:
        options.peers = [name for name in options.peers.split(",") if name]
        if unknown := set(options.peers) - set(names()):
            parser.error(f"--peers: no {', '.join(sorted(unknown))} (known: {', '.join(names())})")
        plan = replace(plan, goal_peers_only=False, all_peers=True)
    return options, plan


def main(arguments: list[str] | None = None) -> int:
    """Run, print, return the exit code."""
    options, plan = parse(arguments)
    if sys.platform != "linux":
        progress("bench: needs Linux (epoll, /proc)")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that context managers end the children
    begin = time.monotonic()
    generator = Generator(force_python=options.python_load)
    report = Report(plan, machine.lines(generator.about))
    chosen = contenders(options.peers, report.left_out.append)
    for line in (*report.machine, *report.left_out):
        progress(line)
    if not any(one.ours for one in chosen):
        progress("bench: cb-sockets is not installed here (pip install packages/cb-sockets)")
        return 2
    try:
        with tempfile.TemporaryDirectory() as folder:
            measure(plan, chosen, generator, report, Path(folder))
    except KeyboardInterrupt:
        progress("interrupted: nothing written")
        return 130
    report.seconds = time.monotonic() - begin
    bullet = "- " if options.markdown else ""
    for line in (*report.machine, *report.left_out, report.disturbed(), f"took {report.seconds:.0f} s"):
        print(bullet + line)
    for table in report.tables():
        print("\n" + (table.markdown() if options.markdown else table.text()))
    if options.json:
        options.json.write_text(report.as_json() + "\n")
    wrong = [f"{report.throughput.mismatches()} reads with wrong bytes"] if report.throughput.mismatches() else []
    for line in (*wrong, *report.failures_of_ours()):
        progress(f"bench: {line}")
    return 1 if wrong or report.failures_of_ours() else 0


if __name__ == "__main__":
    sys.exit(main())
