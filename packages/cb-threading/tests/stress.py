"""The toolkit under as much contention as can be had: a program, for any Python, that prints what came out as JSON.

With a GIL threads are switched every microsecond; on a free-threaded Python they run at once.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass

from cb_threading import Limiter, Repository, RWLock, ThreadContext, TimerService, WorkerGroup

THREADS, STEPS = 8, 1000


@dataclass(frozen=True)
class Row:
    """A record."""

    value: int = 0


def main() -> None:
    """Run everything at once."""
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    if gil:
        sys.setswitchinterval(1e-6)
    rows: Repository[Row] = Repository()
    number = rows.add(Row())
    pair = rows.add(Row(500)), rows.add(Row(500))
    limiters = Limiter(3), Limiter(3, fair=False)
    inside = [0, 0]
    most = [0, 0]
    counting = threading.Lock()
    lock = RWLock()
    shared = {"writes": 0}
    torn: list[object] = []
    context: ThreadContext[list[int]] = ThreadContext(list)
    start = threading.Barrier(THREADS)

    def work(me: int) -> int:
        start.wait()
        for step in range(STEPS):
            rows.update(number, lambda row: Row(row.value + 1))
            with rows.transaction() as change:
                for place, sign in zip(pair, (-1, 1), strict=True):
                    change.put(place, Row(change.get(place).value + sign))
            seen = rows.snapshot()
            if seen[pair[0]].value + seen[pair[1]].value != 1000:
                torn.append(seen)
            for place, limiter in enumerate(limiters):
                if step % 10 == 0:
                    with limiter:
                        with counting:
                            inside[place] += 1
                            most[place] = max(most[place], inside[place])
                        time.sleep(0)  # others, please
                        with counting:
                            inside[place] -= 1
            if step % 10 == 0:
                with lock.write():
                    shared["writes"] += 1
                with lock.read():
                    if shared["writes"] > THREADS * STEPS // 10:
                        torn.append(shared)
            context.value.append(me)
        return len(context.value)

    fired = threading.Semaphore(0)
    with TimerService() as timers, WorkerGroup() as group:
        workers = [group.start(work, me) for me in range(THREADS)]
        setters = [group.start(lambda: [timers.call_later(0, fired.release) for _ in range(100)]) for _ in range(4)]
        handles = [handle for setter in setters for handle in setter.result()]
        lengths = [worker.result() for worker in workers]
        run = sum(fired.acquire(timeout=60) for _ in handles)
    result = {
        "gil": gil,
        "updates": rows.get(number).value,
        "torn": len(torn),
        "most": most,
        "entered": [limiter.statistics().entered for limiter in limiters],
        "writes": shared["writes"],
        "own": lengths,
        "timers": run,
    }
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()
