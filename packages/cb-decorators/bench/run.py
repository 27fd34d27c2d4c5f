"""cb-decorators beside its peers, in one run: hits, threads, tasks, wrappers, misses, Redis, palindromes, who hangs.

    python run.py [--quick] [--markdown] [--json FILE]

In every round every contender has its turn, in random order. Ratios are medians of the ratios within each round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import threading
import time
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hangs
import shared
import words
from cb_decorators.palindrome import complete
from measure import Figures, ratio, side_by_side
from peers import ASYNC, CACHES, CALLS, LEFT_OUT, SIZE, available, versions
from units import nanoseconds

from house.tables import Table

KEYS = [f"key{number}" for number in range(1000)]
OURS = "cb-decorators"


@dataclass
class Report:
    """All that was measured."""

    tables: list[Table] = field(default_factory=list)
    goals: list[tuple[str, str, str, bool]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def side_by_side(self, title: str, found: dict[str, Figures], ours: str) -> None:
        """A table of nanoseconds with the ratio to ours."""
        rows = [
            (name, nanoseconds(one.least), nanoseconds(one.median), f"{ratio(found[ours], one):.2f}")
            for name, one in found.items()
        ]
        self.tables.append(Table(title, ("", "min ns", "median ns", "ours ÷ it"), rows))
        self.figures[title] = {name: one.rounds for name, one in found.items()}

    def goal(self, what: str, found: dict[str, Figures], ours: str, theirs: str, limit: float) -> None:
        """A ratio that must not be above *limit*."""
        if theirs in found:
            value = ratio(found[ours], found[theirs])
            self.goals.append((what, f"≤ {limit}", f"{value:.2f}", value <= limit))

    def at_least(self, what: str, value: float, limit: float) -> None:
        """A figure that must not be below *limit*."""
        self.goals.append((what, f"≥ {limit:g}", f"{value:.1f}", value >= limit))

    def at_most(self, what: str, value: float, limit: float, unit: str = "") -> None:
        """A figure that must not be above *limit*."""
        self.goals.append((what, f"≤ {limit:g}{unit}", f"{value:.3g}{unit}", value <= limit))


def key_itself(key: str) -> str:
    return key


def hits(report: Report, rounds: int) -> None:
    """One thread, 1000 keys in turn."""
    functions = available(CACHES, key_itself)

    def work(function: Any) -> Any:
        def calls() -> None:
            for _ in range(10):
                for key in KEYS:
                    function(key)

        return calls

    found = side_by_side({name: work(one) for name, one in functions.items()}, rounds, 10 * len(KEYS))
    report.side_by_side("A hit, one thread", found, OURS)
    report.goal("hit, ttl + LRU + counters ÷ cachebox", found, OURS, "cachebox", 0.40)
    report.goal("hit ÷ cachetools ttl_cache", found, OURS, "cachetools ttl_cache", 0.13)
    report.goal("hit without ttl ÷ lru_cache", found, "cb-decorators (no ttl)", "functools.lru_cache (no ttl)", 1.8)
    report.goal("hit with ttl ÷ lru_cache", found, OURS, "functools.lru_cache (no ttl)", 3.2)


def misses(report: Report, rounds: int) -> None:
    """Every call another key, in a table that is full."""
    names = ("functools.lru_cache (no ttl)", OURS, "cachebox", "cachetools ttl_cache")
    functions = available({name: CACHES[name] for name in names}, key_itself)
    fresh = iter(range(10**9))

    def work(function: Any) -> Any:
        def calls() -> None:
            for _ in range(2000):
                function(next(fresh))

        return calls

    for function in functions.values():
        for _ in range(SIZE):
            function(next(fresh))
    found = side_by_side({name: work(one) for name, one in functions.items()}, rounds, 2000)
    report.side_by_side("A miss in a full table", found, OURS)


def growth(report: Report) -> None:
    """Filling a table: time and memory an entry, at three sizes."""
    from cb_decorators import cached

    rows = []
    for size in (1_000, 10_000, 100_000):
        tracemalloc.start()
        function: Any = cached(maxsize=size, ttl=1000)(key_itself)
        for number in range(size):
            function(number)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        function.cache_clear()
        start = time.perf_counter()
        for number in range(2 * size):  # the second half makes the first one leave
            function(number)
        spent = (time.perf_counter() - start) / (2 * size)
        rows.append((f"{size:,} entries", f"{spent * 1e6:.1f}", f"{peak / size:.0f}"))
    report.tables.append(Table("Growth", ("", "µs a miss", "bytes an entry"), rows))


def threads(report: Report, rounds: int) -> None:
    """Eight threads that hit the same 1000 keys."""
    names = ("functools.lru_cache (no ttl)", OURS, "cachebox", "cachetools with condition")
    functions = available({name: CACHES[name] for name in names}, key_itself)

    def work(function: Any) -> Any:
        def loop(start: threading.Barrier) -> None:
            start.wait()
            for _ in range(100):  # long beside the time that a thread is given before another one's turn
                for key in KEYS:
                    function(key)

        def all_threads() -> None:
            start = threading.Barrier(8)
            every = [threading.Thread(target=loop, args=(start,)) for _ in range(8)]
            for one in every:
                one.start()
            for one in every:
                one.join()

        return all_threads

    works = {name: work(one) for name, one in functions.items()}
    found = side_by_side(works, rounds, 8 * 100 * len(KEYS))
    rows = [
        (name, f"{1e-6 / one.least:.2f}", f"{1e-6 / one.median:.2f}", f"{1 / ratio(found[OURS], one):.1f}")
        for name, one in found.items()
    ]
    report.tables.append(Table("Hits of 8 threads", ("", "best M/s", "median M/s", "ours ÷ it"), rows))
    report.figures["Hits of 8 threads"] = {name: one.rounds for name, one in found.items()}
    for name, limit in (("cachebox", 2), ("cachetools with condition", 20)):
        if name in found:
            report.at_least(f"hits of 8 threads ÷ {name}", 1 / ratio(found[OURS], found[name]), limit)


def tasks(report: Report, rounds: int) -> None:
    """One event loop, awaited hits."""

    async def body(key: str) -> str:
        return key

    with asyncio.Runner() as runner:
        functions = available(ASYNC, body)

        def work(function: Any) -> Any:
            async def calls() -> None:
                for _ in range(10):
                    for key in KEYS:
                        await function(key)

            return lambda: runner.run(calls())

        found = side_by_side({name: work(one) for name, one in functions.items()}, rounds, 10 * len(KEYS))
    report.side_by_side("An awaited hit", found, OURS)
    report.goal("awaited hit ÷ async-lru", found, OURS, "async-lru", 0.45)


def wrappers(report: Report, rounds: int) -> None:
    """What timing and checking add to a call."""

    def function(x: int, y: str) -> bool:
        return True

    functions = available(CALLS, function)

    def work(one: Any) -> Any:
        def calls() -> None:
            for _ in range(10_000):
                one(1, "a")

        return calls

    found = side_by_side({name: work(one) for name, one in functions.items()}, rounds, 10_000)
    plain = found["plain call"]
    added = {
        name: Figures([max(a - b, 1e-10) for a, b in zip(one.rounds, plain.rounds, strict=True)])
        for name, one in found.items()
        if name != "plain call"
    }
    rows = [(name, nanoseconds(one.least), nanoseconds(one.median)) for name, one in added.items()]
    report.tables.append(Table("Added to a call", ("", "min ns", "median ns"), rows))
    report.figures["Added to a call"] = {name: one.rounds for name, one in added.items()}
    report.at_most("timed adds", added["timed"].median * 1e9, 300, " ns")
    report.goal("timed ÷ codetiming", added, "timed", "codetiming", 0.35)
    report.goal("one predicate ÷ the book's", added, "validated, one predicate", "the book's validation", 0.6)
    report.goal("one predicate ÷ deal", added, "validated, one predicate", "deal.pre", 0.15)


def redis(report: Report, rounds: int) -> None:
    """8 processes that want 10 keys of 50 ms each."""
    found = shared.run(rounds)
    if not found:
        LEFT_OUT.append("left out: Redis (no redis-server, or no redis for Python)")
        return
    rows = []
    for name, every in found.items():
        runs, walls, hit = zip(*every, strict=True)
        rows.append(
            (
                name,
                f"{max(runs):.1f}",
                f"{min(walls) * 1e3:.0f}",
                f"{sorted(walls)[len(walls) // 2] * 1e3:.0f}",
                f"{min(hit) * 1e6:.0f}",
            )
        )
    report.tables.append(
        Table(
            f"Redis: {shared.PROCESSES} processes, {shared.KEYS} keys of {shared.BODY * 1e3:.0f} ms "
            f"(one after another: {shared.IDEAL * 1e3:.0f} ms)",
            ("", "runs a key", "min ms", "median ms", "µs a hit"),
            rows,
        )
    )
    report.figures["Redis"] = found
    ours = found.get(OURS, [])
    report.at_most("Redis: runs a key", max(one[0] for one in ours), 1)
    walls = sorted(one[1] for one in ours)
    report.at_most("Redis: wall ÷ one after another", walls[len(walls) // 2] / shared.IDEAL, 1.1)


def palindromes(report: Report, rounds: int) -> None:
    """Hard words at three sizes; the book's way where it gets."""
    found = words.run(rounds)
    rows = [
        (
            name,
            *(f"{sizes[size][0] * 1e3:.2f} / {sizes[size][1] * 1e3:.2f}" for size in words.SIZES),
            f"{sizes[words.SIZES[-1]][2] / 1e6:.1f}",
        )
        for name, sizes in found.items()
    ]
    report.tables.append(
        Table("Palindromes, min / median ms", ("", *(f"{size:,}" for size in words.SIZES), "peak MB"), rows)
    )
    report.figures["Palindromes"] = found
    worst = max(sizes[1_000_000][1] for sizes in found.values())
    report.at_most("palindrome of 10⁶ letters, worst", worst * 1e3, 20, " ms")
    word = words.words(500)["random, 26 letters"]

    def ours() -> None:
        for _ in range(200):
            complete(word)

    speeds = side_by_side({"ours": ours, "book": lambda: printed(word)}, 7, 1)
    report.at_least("palindrome of 500 letters, the book's ÷ ours", 200 / ratio(speeds["ours"], speeds["book"]), 1000)


def printed(text: str) -> str:
    """As the book does it, letter by letter."""

    def is_palindrome(value: str) -> bool:
        letters = list(value)
        return all(letters[at] == letters[len(letters) - at - 1] for at in range(len(letters) // 2))

    def action(value: str, chars: int) -> str:
        add = list(value)[:chars]
        add.reverse()
        new = value + "".join(add)
        return new if is_palindrome(new) else action(value, chars + 1)

    return action(text, 0)


def who_hangs(report: Report) -> None:
    """Re-entrant and crossing calls."""
    found = hangs.run()
    rows = [(name, *(answers[which] for which in hangs.PROBES)) for name, answers in found.items()]
    report.tables.append(Table(f"Who finishes (given {hangs.SECONDS:.0f} s)", ("", *hangs.PROBES), rows))
    report.figures["Hangs"] = found
    report.at_most("hangs", sum(answer != "finishes" for answer in found[OURS].values()), 0)


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a third of the rounds")
    parser.add_argument(
        "--only", help="these sections: " + "hits,misses,growth,threads,tasks,wrappers,redis,palindromes,hangs"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--markdown", action="store_true", help="print Markdown, as for a README")
    options = parser.parse_args()
    rounds = 7 if options.quick else 21
    report, begin = Report(), time.monotonic()
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    against = versions()
    sections = {
        "hits": lambda: hits(report, rounds),
        "misses": lambda: misses(report, rounds),
        "growth": lambda: growth(report),
        "threads": lambda: threads(report, max(3, rounds // 2)),
        "tasks": lambda: tasks(report, rounds),
        "wrappers": lambda: wrappers(report, rounds),
        "redis": lambda: redis(report, max(3, rounds // 4)),
        "palindromes": lambda: palindromes(report, 3),
        "hangs": lambda: who_hangs(report),
    }
    for name, measure in sections.items():
        if options.only is None or name in options.only.split(","):
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            measure()
    rows = [(what, aim, got, "reached" if reached else "NOT reached") for what, aim, got, reached in report.goals]
    report.tables.append(Table("Aims", ("", "aim", "measured", ""), rows))
    bullet = "- " if options.markdown else ""
    for line in (machine, against, *LEFT_OUT, f"took {time.monotonic() - begin:.0f} s"):
        print(bullet + line)
    for table in report.tables:
        print("\n" + (table.markdown() if options.markdown else table.text()))
    if options.json:
        everything = {"machine": machine, "peers": against, "left_out": LEFT_OUT, "goals": report.goals}
        options.json.write_text(json.dumps(everything | {"figures": report.figures}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
