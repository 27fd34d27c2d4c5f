"""Who finishes: a function that calls itself with the same arguments, and two threads that need each other's run.

Each contender in a process of its own, which is killed when it does not end in time. ``python hangs.py NAME PROBE`` is
that process.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from peers import CACHES, available

SECONDS = 5.0
PROBES = ("same key", "crossing keys")
CONTENDERS = (
    "cb-decorators",
    "functools.lru_cache (no ttl)",
    "cachebox",
    "cachetools ttl_cache",
    "cachetools with condition",
    "dogpile memory",
)


def same_key(decorate: Any) -> None:
    """Depth 3, then it ends."""
    depth = iter(range(3))

    def body(key: str) -> str:
        return "bottom" if next(depth) == 2 else function(key)

    function = decorate(body)
    function("a")


def crossing_keys(decorate: Any) -> None:
    """Both are inside their runs before either asks for the other's."""
    both, inside = threading.Barrier(2), threading.local()

    def body(key: str) -> str:
        if not hasattr(inside, "on"):
            inside.on = True
            both.wait()
            function("b" if key == "a" else "a")
        return key

    function = decorate(body)
    threads = [threading.Thread(target=function, args=(key,)) for key in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def probe(name: str, which: str) -> str:
    """Finishes, HANGS, or fails."""
    line = [sys.executable, str(Path(__file__)), name, which]
    try:
        done = subprocess.run(line, timeout=SECONDS, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        return "HANGS"
    return "finishes" if done.returncode == 0 else f"fails: {done.stderr.strip().splitlines()[-1][:60]}"


def run() -> dict[str, dict[str, str]]:
    """Every contender that is installed, both probes."""
    installed = available({name: CACHES[name] for name in CONTENDERS}, lambda key: key)
    return {name: {which: probe(name, which) for which in PROBES} for name in CONTENDERS if name in installed}


if __name__ == "__main__":
    {"same key": same_key, "crossing keys": crossing_keys}[sys.argv[2]](CACHES[sys.argv[1]])
