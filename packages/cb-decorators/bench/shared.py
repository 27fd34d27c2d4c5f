"""Processes over one Redis server: how often each key is run, and how long all of it takes.

``python shared.py NAME PORT`` is one of the processes: it waits for a line, then calls every key.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KEYS, BODY, PROCESSES, HITS = 10, 0.05, 8, 300
IDEAL = KEYS * BODY


def ours(port: int) -> Any:
    from cb_decorators import cached
    from cb_decorators.stores.redis import RedisStore

    return cached(store=RedisStore(f"redis://127.0.0.1:{port}"))(body)


def ours_local(port: int) -> Any:
    from cb_decorators import cached
    from cb_decorators.stores.redis import RedisStore

    return cached(store=RedisStore(f"redis://127.0.0.1:{port}", local_ttl=5))(body)


def dogpile(port: int) -> Any:
    return _dogpile(port, distributed_lock=False)


def dogpile_locked(port: int) -> Any:
    return _dogpile(port, distributed_lock=True)


def _dogpile(port: int, *, distributed_lock: bool) -> Any:
    from dogpile.cache import make_region

    arguments = {"host": "127.0.0.1", "port": port, "distributed_lock": distributed_lock, "thread_local_lock": False}
    region = make_region().configure("dogpile.cache.redis", expiration_time=600, arguments=arguments)
    return region.cache_on_arguments()(body)


CONTENDERS = {
    "cb-decorators": ours,
    "cb-decorators, local tier": ours_local,
    "dogpile": dogpile,
    "dogpile, distributed lock": dogpile_locked,
}
RUNS: list[int] = []


def body(key: int) -> int:
    """Take its time, and count."""
    RUNS.append(key)
    time.sleep(BODY)
    return key


@contextlib.contextmanager
def server() -> Iterator[int]:
    """A redis-server on a free port, empty."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        line = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
        try:
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.01)
            yield port
        finally:
            process.kill()
            process.wait()


def once(name: str) -> tuple[float, float, float]:
    """Runs a key, seconds until all have all, seconds a hit."""
    with server() as port:
        line = [sys.executable, str(Path(__file__)), name, str(port)]
        children = [
            subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
        ]
        for child in children:
            assert child.stdout is not None
            child.stdout.readline()
        start = time.perf_counter()
        for child in children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        said = [child.communicate(timeout=60)[0].split() for child in children]
        wall = max(float(one[1]) for one in said) - start
    return sum(int(one[0]) for one in said) / KEYS, wall, sum(float(one[2]) for one in said) / len(said)


def run(rounds: int) -> dict[str, list[tuple[float, float, float]]]:
    """Every contender in every round; nothing where there is no server or no client."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    if shutil.which("redis-server") is None:
        return found
    for _ in range(rounds):
        for name in CONTENDERS:
            with contextlib.suppress(IndexError, ValueError):
                found.setdefault(name, []).append(once(name))
    return {name: rows for name, rows in found.items() if rows}


if __name__ == "__main__":
    function = CONTENDERS[sys.argv[1]](int(sys.argv[2]))
    with contextlib.suppress(Exception):
        function.contains(0)  # connected before the clock runs
    print("ready", flush=True)
    sys.stdin.readline()
    for key in range(KEYS):  # all in the same order: everyone wants what is being made
        function(key)
    # The same clock for all processes of a host, on Linux and macOS.
    end = time.perf_counter()
    for _ in range(HITS):
        function(0)
    print(len(RUNS), end, (time.perf_counter() - end) / HITS)
