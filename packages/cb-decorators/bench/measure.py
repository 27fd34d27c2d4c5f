"""Measuring side by side: every contender in every round, in turns, so that what disturbs one disturbs all."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True)
class Figures:
    """Seconds (or whatever was measured) of each round."""

    rounds: list[float]

    @property
    def least(self) -> float:
        return min(self.rounds)

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


def side_by_side(works: Mapping[str, Callable[[], object]], rounds: int, calls: int) -> dict[str, Figures]:
    """Seconds a call of each, over *rounds* rounds in random order; one round before is not counted."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name in random.sample(list(works), len(works)):
            start = perf_counter()
            works[name]()
            spent = (perf_counter() - start) / calls
            if number:
                found[name].append(spent)
    return {name: Figures(times) for name, times in found.items()}


def ratio(ours: Figures, theirs: Figures) -> float:
    """The median of the ratios within each round."""
    return statistics.median(a / b for a, b in zip(ours.rounds, theirs.rounds, strict=True))
