"""A list of URLs on the machines of a Dask cluster (extra ``dask``), each host on exactly one of them.

So what is polite on one machine is polite on all together. Each share of the list is one `Fetch` with a journal of its
own; the folder must be one that all machines see. A redirect to a host of another share is asked by both of them.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator, Iterable
from contextlib import suppress
from typing import Any

from cb_threading.errors import BadInput, FetchError
from cb_threading.fetching import Fetch
from cb_threading.names import Names, host_key
from cb_threading.plan import Job, plan
from cb_threading.policy import Policy
from cb_threading.results import Result

__all__ = ["fetch_on_dask", "shares"]


def shares(jobs: Iterable[Job], count: int) -> list[list[Job]]:
    """Share jobs out into *count* lists, by their hosts: the same host is always in the same list.

    >>> [len(share) for share in shares([Job("http://a/1"), Job("http://a/2")], 2)]
    [2, 0]
    """
    lists: list[list[Job]] = [[] for _ in range(count)]
    for job in jobs:
        digest = hashlib.sha256(host_key(job.url).encode()).digest()
        lists[int.from_bytes(digest[:8]) % count].append(job)
    return lists


def _fetch_share(jobs: list[Job], out: str, policy: Policy, label: str, signal: str, options: dict[str, Any]) -> Any:
    """Runs on a worker: one share, stopped when the cluster's event of the name *signal* is set.

    Dask runs it again elsewhere when the worker dies: then what was saved until then is kept.
    """
    from distributed import Event, get_client

    client = get_client()
    begun = Event(f"{signal}-{label}", client=client)  # type: ignore[no-untyped-call]
    if begun.is_set():  # type: ignore[no-untyped-call]
        options = {**options, "resume": True}
    begun.set()  # type: ignore[no-untyped-call]
    stop = threading.Event()
    cancelled = Event(signal, client=client)  # type: ignore[no-untyped-call]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            if cancelled.is_set():  # type: ignore[no-untyped-call]
                stop.set()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    results: list[Result] = []
    try:
        with suppress(KeyboardInterrupt), Fetch(jobs, out, policy=policy, label=label, stop=stop, **options) as running:
            results.extend(running)
    finally:
        ended.set()
        watcher.join()
    return results


def fetch_on_dask(
    urls: Iterable[str | Job],
    out: str,
    scheduler: str,
    *,
    policy: Policy | None = None,
    names: Names = "path",
    resume: bool = False,
    force: bool = False,
) -> Generator[Result, None, None]:
    """Fetch on a cluster and yield the results, a share at a time. Arguments as for `Fetch`.

    Args:
        urls: URLs or jobs.
        out: A folder that every worker sees under this name.
        scheduler: Its address, ``tcp://host:8786``.
        policy: How to fetch; its limits hold for each host, ``jobs`` for each worker.
        names: How files are named.
        resume: Keep what earlier runs saved, on whatever number of machines.
        force: Replace files that are there and not from here.

    Raises:
        FetchError: The cluster cannot be reached, or has lost a share for good.
    """
    try:
        from distributed import Client, Event, as_completed
    except ImportError as error:
        raise BadInput("dask is not installed (pip install 'cb-threading[dask]')") from error
    jobs = plan(urls, names=names)
    try:
        client: Any = Client(scheduler, timeout=10, set_as_default=False)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise BadInput(f"{scheduler} is not the address of a scheduler (tcp://HOST:8786)") from error
    except OSError as error:
        raise FetchError(f"{scheduler}: no scheduler answers there ({type(error).__name__})") from error
    with client:
        count = len(client.nthreads()) or 1
        signal = f"cb-threading-{hashlib.sha256(out.encode()).hexdigest()[:16]}-{id(jobs)}"
        cancelled: Any = Event(signal, client=client)  # type: ignore[no-untyped-call]
        options = {"resume": resume, "force": force}
        futures = [
            client.submit(_fetch_share, share, out, policy or Policy(), f"{number}", signal, options, pure=False)
            for number, share in enumerate(shares(jobs, count))
            if share
        ]
        try:
            for future in as_completed(futures, loop=client.loop):  # type: ignore[no-untyped-call]
                yield from _came(future)
        except BaseException:
            cancelled.set()
            raise


def _came(future: Any) -> list[Result]:
    try:  # not its status: that of results whose worker has died since is "lost" while they are made again
        results: list[Result] = future.result()
    except FetchError:
        raise
    except Exception as error:
        raise FetchError(f"the cluster has lost a share: {error!r}") from error
    return results
