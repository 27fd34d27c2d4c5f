"""Words that are hard to complete, at three sizes, with time and peak memory."""

from __future__ import annotations

import random
import tracemalloc
from time import perf_counter

from cb_decorators.palindrome import complete

SIZES = (10_000, 100_000, 1_000_000)


def fibonacci(size: int) -> str:
    """Period upon period."""
    short, long = "a", "ab"
    while len(long) < size:
        short, long = long, long + short
    return long[:size]


def words(size: int) -> dict[str, str]:
    """What each is called, and it."""
    third = size // 3
    return {
        "random, 26 letters": "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=size)),
        "random, 2 letters": "".join(random.choices("ab", k=size)),
        "a palindrome": "a" * size,
        "break at the end": "a" * (size - 1) + "b",
        "break at the start": "b" + "a" * (size - 1),
        "break in the middle": "a" * (size // 2) + "b" + "a" * (size // 2 - 2),
        "breaks in thirds": "a" * third + "b" + "a" * third + "c" + "a" * (third - 2) + "ba",
        "growing runs": "".join("a" * count + "b" for count in range(1, 1500))[:size],
        "shrinking runs": "".join("a" * count + "b" for count in range(1500, 0, -1))[-size:],
        "Fibonacci word": fibonacci(size),
        "Fibonacci, broken": fibonacci(size - 1) + "c",
        "periodic, broken": "ab" * (size // 2 - 1) + "cc",
    }


def run(rounds: int) -> dict[str, dict[int, tuple[float, float, int]]]:
    """Least and median seconds, and peak bytes, of each word at each size."""
    found: dict[str, dict[int, tuple[float, float, int]]] = {}
    for size in SIZES:
        for name, word in words(size).items():
            times = []
            for _ in range(rounds):
                start = perf_counter()
                complete(word)
                times.append(perf_counter() - start)
            tracemalloc.start()
            complete(word)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            found.setdefault(name, {})[size] = (min(times), sorted(times)[len(times) // 2], peak)
    return found
