"""What a run measures and for how long: the default, --quick, --full, and --only to pick from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from cells import CELLS, MORE_CELLS, Cell
from contenders import Contender
from goals import PEERS_OF_GOALS, peers_of
from throughput import REFERENCE

SECTIONS = ("throughput", "tls", "decode", "growth", "memory", "exhaustion")
_ALL_CELLS = (*CELLS, *MORE_CELLS)
_MEMORY_PEERS = {"asyncio streams", "asyncio protocol", "uvloop protocol", "twisted", "socketserver", "C epoll"}
_EXHAUSTION_PEERS = {"asyncio streams", "uvloop protocol", "twisted", "socketserver", "trio", "gevent"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. `few_rounds`: of the peers that no goal names."""

    cells: tuple[Cell, ...]
    sections: frozenset[str]
    rounds: int
    few_rounds: int
    seconds: float
    warmup: float
    decode_rounds: int
    decode_share: float
    idle_connections: tuple[int, ...]
    all_peers: bool = False
    goal_peers_only: bool = False

    def in_every_round(self, contender: Contender, cell: Cell) -> bool:
        """Whether a goal, or we, depend on this server."""
        return contender.ours or contender.name in peers_of(cell.name)

    def takes_part(self, contender: Contender) -> bool:
        """Whether it is measured for throughput."""
        return not self.goal_peers_only or contender.ours or contender.name in PEERS_OF_GOALS

    def measures_memory(self, contender: Contender) -> bool:
        """Whether its idle connections are weighed."""
        return self.all_peers or contender.ours or (not self.goal_peers_only and contender.name in _MEMORY_PEERS)

    def exhausts(self, contender: Contender) -> bool:
        """Whether it is starved of descriptors."""
        if self.goal_peers_only:
            return contender.name == REFERENCE
        return self.all_peers or contender.ours or contender.name in _EXHAUSTION_PEERS


DEFAULT = Plan(CELLS, frozenset(SECTIONS), 9, 2, 0.4, 0.2, 5, 1.0, (1000, 5000, 10_000))
QUICK = replace(
    DEFAULT,
    cells=CELLS[:4],
    sections=frozenset({"throughput", "decode", "memory", "exhaustion"}),
    rounds=2,
    few_rounds=0,
    seconds=0.2,
    warmup=0.1,
    decode_rounds=3,
    decode_share=0.3,
    idle_connections=(1000,),
    goal_peers_only=True,
)
FULL = replace(
    DEFAULT, cells=_ALL_CELLS, rounds=9, few_rounds=9, seconds=1.0, warmup=0.4, decode_rounds=15, all_peers=True
)


def only(plan: Plan, names: list[str], refuse: Callable[[str], None]) -> Plan:
    """The plan cut down to sections and cells of these names; a wrong name is refused with the right ones."""
    by_name = {cell.name: cell for cell in _ALL_CELLS}
    for name in names:
        if name not in by_name and name not in SECTIONS:
            known = f"sections: {', '.join(SECTIONS)}; cells: {', '.join(by_name)}"
            refuse(f"--only: no cell or section {name!r} ({known})")
    cells = [by_name[name] for name in names if name in by_name]
    cells += [cell for cell in plan.cells if ("tls" if cell.tls else "throughput") in names and cell not in cells]
    return replace(plan, cells=tuple(cells), sections=frozenset(names))
