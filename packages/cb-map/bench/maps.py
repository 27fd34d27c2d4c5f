"""One measurement of one parallel map, in a process of its own: ``python maps.py NAME COST ITEMS``.

Prints JSON: seconds from the call to the last result, seconds to the first, peak memory of this process in kB; or, for
``COST`` a fault, what came of it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures as cf
import importlib
import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from memory import peak

WORKERS = 2
BAD = 50


def tiny(x: int) -> int:
    return x + 1


def spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def ms1(x: int) -> int:
    spin(0.001)
    return x


def ms10(x: int) -> int:
    spin(0.010)
    return x


def sleep1(x: int) -> int:
    time.sleep(0.001)
    return x


def sleep10(x: int) -> int:
    time.sleep(0.010)
    return x


def heavy(x: int) -> int:
    """Mostly 0.2 ms, one in fifty 30 ms."""
    spin(0.030 if random.Random(x).random() < 0.02 else 0.0002)
    return x


def raises(x: int) -> int:
    if x == BAD:
        raise ValueError("boo")
    return x


def stops(x: int) -> int:
    if x == BAD:
        raise StopIteration
    return x


def killed(x: int) -> int:
    if x == BAD:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def hangs(x: int) -> int:
    if x == BAD:
        threading.Event().wait()
    return x


lock = threading.Lock()
unpicklable: Callable[[int], int] = lambda x: (lock, x)[1]  # noqa: E731


def ours(backend: str, **options: Any) -> Callable[..., Iterator[Any]]:
    def run(fn: Any, items: Iterable[int]) -> Iterator[Any]:
        from cb_map import pmap

        return iter(pmap(fn, items, backend=backend, workers=WORKERS, **options))  # type: ignore[call-overload]

    return run


def coroutines(**options: Any) -> Callable[..., Iterator[Any]]:
    def run(fn: Any, items: Iterable[int]) -> Iterator[Any]:
        async def call(x: int) -> int:
            if fn is hangs and x == BAD:
                await asyncio.Event().wait()
            return int(fn(x))

        return ours("async", errors="skip", **options)(call, items)

    return run


def in_executor(**options: Any) -> Callable[..., Iterator[Any]]:
    def run(fn: Any, items: Iterable[int]) -> Iterator[Any]:
        from cb_map import pmap

        with cf.ProcessPoolExecutor(WORKERS) as pool:
            yield from pmap(fn, items, backend=pool, errors="skip", **options)

    return run


def on_dask(**options: Any) -> Callable[..., Iterator[Any]]:
    def run(fn: Any, items: Iterable[int]) -> Iterator[Any]:
        import distributed
        from cb_map import pmap

        cluster = distributed.LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        )
        with cluster, distributed.Client(cluster) as client:
            yield from pmap(fn, items, backend=client, errors="skip", **options)

    return run


def executor(kind: Any, chunk: int) -> Callable[..., Iterator[Any]]:
    def run(fn: Any, items: Iterable[int]) -> Iterator[Any]:
        with kind(WORKERS) as pool:
            yield from pool.map(fn, items, chunksize=chunk)

    return run


def pool(kind: str, chunk: int) -> Callable[..., Iterator[Any]]:
    def run(fn: Any, items: Iterable[int]) -> Iterator[Any]:
        from multiprocessing.pool import ThreadPool

        with ThreadPool(WORKERS) if kind == "thread" else multiprocessing.Pool(WORKERS) as workers:
            yield from workers.imap(fn, items, chunk)

    return run


def joblib(fn: Any, items: Iterable[int]) -> Iterator[Any]:
    import joblib as peer

    yield from peer.Parallel(n_jobs=WORKERS, return_as="generator")(peer.delayed(fn)(x) for x in items)


def mpire(fn: Any, items: Iterable[int]) -> Iterator[Any]:
    import mpire as peer

    with peer.WorkerPool(n_jobs=WORKERS) as workers:
        yield from workers.imap(fn, items, iterable_len=len(items) if hasattr(items, "__len__") else None)


def streamable(fn: Any, items: Iterable[int]) -> Iterator[Any]:
    import streamable as peer

    yield from peer.stream(items).map(fn, concurrency=WORKERS)


def tqdm_process(fn: Any, items: Iterable[int]) -> Iterator[Any]:
    from tqdm.contrib.concurrent import process_map

    yield from process_map(fn, items, max_workers=WORKERS, disable=True, chunksize=1)


def pqdm(fn: Any, items: Iterable[int]) -> Iterator[Any]:
    from pqdm.threads import pqdm as peer

    yield from peer(items, fn, n_jobs=WORKERS, disable=True)


PROCESSES: dict[str, Callable[..., Iterator[Any]]] = {
    "cb-map processes": ours("process"),
    "Pool.imap chunk=256": pool("process", 256),
    "Pool.imap chunk=10": pool("process", 10),
    "Pool.imap": pool("process", 1),
    "Executor.map chunk=256": executor(cf.ProcessPoolExecutor, 256),
    "Executor.map chunk=10": executor(cf.ProcessPoolExecutor, 10),
    "Executor.map": executor(cf.ProcessPoolExecutor, 1),
    "joblib": joblib,
    "mpire": mpire,
    "tqdm process_map": tqdm_process,
}
THREADS: dict[str, Callable[..., Iterator[Any]]] = {
    "cb-map threads": ours("thread"),
    "ThreadPool.imap": pool("thread", 1),
    "ThreadPool.imap chunk=256": pool("thread", 256),
    "Executor.map threads": executor(cf.ThreadPoolExecutor, 1),
    "streamable": streamable,
    "pqdm threads": pqdm,
}
SAFE: dict[str, Callable[..., Callable[..., Iterator[Any]]]] = {
    "cb-map processes": lambda **options: ours("process", errors="skip", **options),
    "cb-map threads": lambda **options: ours("thread", errors="skip", **options),
    "cb-map inline": lambda **options: ours("inline", errors="skip"),  # it has no time-out
    "cb-map coroutines": coroutines,
    "cb-map in an executor": in_executor,
    "cb-map on Dask": on_dask,
}
ALL: dict[str, Callable[..., Iterator[Any]]] = {**PROCESSES, **THREADS, "builtin map": map}
NEEDS = {
    "joblib": "joblib",
    "mpire": "mpire",
    "streamable": "streamable",
    "tqdm process_map": "tqdm",
    "pqdm threads": "pqdm",
    "cb-map on Dask": "distributed",
}


def missing(name: str) -> bool:
    """Whether a peer is not installed."""
    if name not in NEEDS:
        return False
    try:
        importlib.import_module(NEEDS[name])
    except ImportError:
        return True
    return False


def fault(name: str, kind: str) -> str:
    """How many of 199 good results of 200 came, and how it ended."""
    function = {"raise": raises, "StopIteration": stops, "SIGKILL": killed, "unpicklable": unpicklable, "hang": hangs}
    run = SAFE[name](**({"timeout": 1.0} if kind == "hang" else {})) if name in SAFE else ALL[name]
    found = 0
    try:
        if kind == "abandon":
            for _ in run(tiny, iter(int, 1)):
                found += 1
                if found == 5:
                    break
            return "ended"
        for _ in run(function[kind], range(200)):
            found += 1
    except Exception as error:  # noqa: BLE001
        return f"{found}, {type(error).__name__}"
    return f"{found}, no error"


def main() -> None:
    name, cost, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if cost.startswith("fault:"):
        print(json.dumps(fault(name, cost.removeprefix("fault:"))), flush=True)
        return
    function = globals()[cost]
    items: Iterable[int] = range(count)
    if len(sys.argv) > 4:
        items = (x for x in range(count))
    if name.startswith("cb-map"):  # as with the peers: their import is no part of a map
        importlib.import_module("cb_map.mapped")
    elif name in NEEDS:
        importlib.import_module(NEEDS[name])
    begin = time.perf_counter()
    results = ALL[name](function, items)
    first, total, last = 0.0, 0, -1
    for last in results:  # noqa: B007
        if not total:
            first = time.perf_counter() - begin
        total += 1
    seconds = time.perf_counter() - begin
    assert (total, last) == (count, count if cost == "tiny" else count - 1), (total, last)
    print(json.dumps({"seconds": seconds, "first": first, "peak": peak(os.getpid())}), flush=True)


if __name__ == "__main__":
    main()
