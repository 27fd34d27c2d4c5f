"""The goals of this package, each computed from what was just measured: target, measured, reached or not.

A goal is judged by `SelectorServer`, the server that the package recommends for many connections; where it misses one
that another of our servers reaches, that is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from decode import OURS, STREAM_READER, TWISTED, Decoded
from exhaustion import Exhausted
from memory import Held
from throughput import REFERENCE, Results
from units import count

from house.tables import Table

LIMIT = "C epoll"
OUR_SERVERS = ("cb selector", "cb thread", "cb asyncio", "cb uvloop")
RATIOS = (
    ("64x100", "asyncio streams", 1.9),
    ("64x100", "uvloop protocol", 0.95),
    ("64x100", LIMIT, 0.8),
    ("64x10x64", "asyncio streams", 10.0),
    ("64x10x64", "twisted", 3.0),
    ("64Kx10", "socketserver", 1.0),
    ("64Kx10", "asyncio streams", 1.3),
    ("1Mx4", "socketserver", 1.0),
    ("1Mx4", "asyncio streams", 1.3),
)
PIPELINED = "64x10x64"
BY_HAND = ("asyncio protocol by hand", "uvloop protocol by hand")
PEERS_OF_GOALS = frozenset({*(peer for _, peer, _ in RATIOS), *BY_HAND})
_USUAL_PEERS = frozenset({"asyncio streams", "uvloop protocol", "socketserver", LIMIT})
IDLE = 10_000
_BIG = "4 MiB, 64 KiB chunks"


def peers_of(cell: str) -> frozenset[str]:
    """The peers that the goals of a cell name; the usual ones for a cell without goals."""
    named = {peer for name, peer, _ in RATIOS if name == cell}
    return frozenset({*named, *(BY_HAND if cell == PIPELINED else ())}) if named else _USUAL_PEERS


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the list. `measured`: of the server that is judged; `others`: of our other servers."""

    what: str
    target: str
    measured: str
    others: str = ""
    verdict: str = ""


def _judge(what: str, target: str, found: Mapping[str, tuple[str, bool]]) -> Goal:
    """A goal from what each of our servers measured, and whether that reaches it."""
    measured, reached = found.get(REFERENCE, ("", False))
    others = {server.removeprefix("cb "): one for server, one in found.items() if server != REFERENCE}
    elsewhere = [server for server, (_, yes) in others.items() if yes]
    verdict = "reached" if reached else f"only by {', '.join(elsewhere)}" if elsewhere else "NOT reached"
    if REFERENCE not in found:
        verdict = "not resolved: the machine is too busy"
    return Goal(what, target, measured, ", ".join(f"{text} {server}" for server, (text, _) in others.items()), verdict)


def throughput_goals(results: Results) -> list[Goal]:
    """Ratios of messages per second, median over rounds; and what batching by hand gives."""
    found = []
    for cell, peer, target in RATIOS:
        if cell not in results.measured:
            continue
        ratios = {server: results.ratio(cell, server, peer) for server in OUR_SERVERS}
        judged = {
            server: (f"{ratio:.2f}", round(ratio, 2) >= target) for server, ratio in ratios.items() if ratio is not None
        }
        found.append(_judge(f"{cell} ÷ {peer}", f"≥ {target:g}", judged))
    for peer in BY_HAND:
        ratio = results.ratio(PIPELINED, peer, "asyncio streams")
        if ratio is not None:
            found.append(Goal(f"{PIPELINED}: {peer} ÷ asyncio streams", "to compare", f"{ratio:.2f}"))
    return found


def decode_goals(decoded: Decoded) -> list[Goal]:
    """Frames per second of the framing core."""
    found = []
    for stream in decoded.streams:
        if stream.name == _BIG:
            rate = decoded.gigabytes_per_second(stream, OURS)
            verdict = "reached" if rate >= 2 else "NOT reached"
            found.append(Goal(f"decoding {stream.name}", "≥ 2 GB/s", f"{rate:.2f} GB/s", verdict=verdict))
            continue
        for peer, target in ((TWISTED, 2.0), (STREAM_READER, 4.0)):
            ratio = decoded.ratio(stream.name, peer)
            if ratio is not None:
                verdict = "reached" if round(ratio, 2) >= target else "NOT reached"
                found.append(Goal(f"decoding {stream.name} ÷ {peer}", f"≥ {target:g}", f"{ratio:.2f}", verdict=verdict))
    return found


def memory_goals(held: Sequence[Held]) -> list[Goal]:
    """Resident memory per idle connection, at the largest number measured."""
    last = {one.server: one for one in held if one.server in OUR_SERVERS and not one.error}
    if not last:
        return []
    most = max(one.connections for one in last.values())
    judged = {
        server: (f"{one.bytes_each / 1000:.2f}", one.bytes_each <= 1500 and one.connections >= IDLE)
        for server, one in last.items()
    }
    goal = _judge(f"kB resident per idle connection, {most:,} of them", f"≤ 1.5 at {IDLE:,}", judged)
    return [goal if most >= IDLE else replace(goal, verdict=f"not measured at {IDLE:,}")]


def exhaustion_goals(found: Sequence[Exhausted]) -> list[Goal]:
    """At the limit of descriptors."""
    judged = {}
    for one in found:
        if one.server in OUR_SERVERS:
            reached = not one.error and one.cpu < 0.02 and one.served == one.waiting and one.log_lines <= 2
            judged[one.server] = f"{one.cpu:.1%} {one.served}/{one.waiting}", reached
    return [_judge("descriptors exhausted", "< 2 % CPU, all served, ≤ 2 log lines", judged)] if judged else []


def correctness_goal(results: Results) -> Goal:
    """Every echoed byte is compared."""
    wrong = results.mismatches()
    verdict = "NOT reached" if wrong else "reached"
    what = f"reads with a wrong byte, of {count(results.messages())} messages echoed by all servers"
    return Goal(what, "0", str(wrong), verdict=verdict)


def table(goals: Sequence[Goal]) -> Table:
    """The list."""
    rows = [[goal.what, goal.target, goal.measured, goal.others, goal.verdict] for goal in goals]
    note = "Ratios are medians of same-round ratios. Cells are SIZExCONNECTIONSxDEPTH."
    return Table("Goals", ["goal", "target", REFERENCE, "our other servers", "verdict"], rows, note)
