"""A process of the tests: calls cached functions over a store and tells, line by line, what it does.

``python shared_worker.py STORE LOG KEY...``: waits for a line on stdin, calls ``body`` for each key, prints each
result. Each run of ``body`` appends its key to LOG. A key that starts with ``hang`` never ends; ``cross-A-B`` needs
``cross-B-A`` at the same time.

``python shared_worker.py STORE LOG hammer COUNT`` writes results until it is killed, and prints each number once its
result is published.
"""

from __future__ import annotations

import os
import sys
import threading

from cb_decorators import cached
from decorators_support import open_store

STORE, LOG = sys.argv[1:3]


def tell(word: object) -> None:
    """Write a line to whoever started this process."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def run(key: str) -> str:
    """Append the key to the log, in one write."""
    log = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{key}\n".encode())
    os.close(log)
    if key.startswith("hang"):
        tell("running")
        threading.Event().wait()
    if key.startswith("cross"):
        _, mine, other = key.split("-")
        tell("running")
        sys.stdin.readline()
        if not seen:
            seen.append(key)
            body(f"cross-{other}-{mine}")
    return key * 2


def number(value: int) -> list[int]:
    """Return something that is longer than a page."""
    return [value] * 2000


store = open_store(STORE, lock_ttl=0.5)
body = cached(store=store)(run)
numbers = cached(store=store)(number)
seen: list[str] = []

if __name__ == "__main__":
    tell("ready")
    sys.stdin.readline()
    if sys.argv[3:4] == ["hammer"]:
        for value in range(int(sys.argv[4])):
            numbers(value)
            tell(value)
    else:
        for one in sys.argv[3:]:
            tell(body(one))
