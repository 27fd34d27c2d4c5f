"""Dask, with real workers in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import work
from cb_map import ItemError, UnpicklableFunction, pmap
from conftest import Done

distributed: Any = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore"),  # theirs, of which there are many
    pytest.mark.xdist_group("dask"),  # one cluster is enough
]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A cluster of two worker processes on loopback."""
    import dask

    dask.config.set({"distributed.worker.daemon": True})
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.parametrize("ordered", [True, False])
def test_dask_gives_every_result(client: Any, ordered: bool) -> None:
    """The same call, on worker processes."""
    results = pmap(work.add_one, range(3000), backend=client, ordered=ordered)
    found = list(results)
    assert (found if ordered else sorted(found)) == list(range(1, 3001))
    pids = set(pmap(work.pid_of, range(100), backend=client, chunk=1))
    assert os.getpid() not in pids


def test_dask_reports_an_items_error(client: Any) -> None:
    """With its place; the others come."""
    found: list[Any] = list(pmap(work.raises, range(200), backend=client, errors="return"))
    assert isinstance(found[50], ItemError)
    assert found[:50] + found[51:] == [x for x in range(200) if x != 50]


def test_dask_is_told_of_functions_that_workers_cannot_load(client: Any) -> None:
    """Once."""
    from test_pmap import FailsToLoad

    with pytest.raises(UnpicklableFunction, match="no_such_module_anywhere"):
        list(pmap(FailsToLoad(), range(10), backend=client))


def test_a_dask_worker_that_is_killed_costs_nothing(client: Any, tmp_path: Path) -> None:
    """In mid-run: what it had is run by another one."""
    flag = str(tmp_path / "flag")
    results = pmap(work.dies_here_once, range(200), [flag] * 200, backend=client)
    assert list(results) == list(range(200))
    assert Path(flag).exists()


def test_a_dask_item_that_hangs_is_given_up(client: Any) -> None:
    """Its worker is restarted, and none that would have come after it is late."""
    found: list[Any] = list(pmap(work.hangs, range(40, 60), backend=client, timeout=3, errors="return"))
    assert isinstance(found[10], ItemError)
    assert isinstance(found[10].__cause__, TimeoutError)
    assert found[:10] + found[11:] == [x for x in range(40, 60) if x != 50]


def test_a_dask_item_that_hangs_in_a_worker_without_a_nanny_is_given_up() -> None:
    """It stays busy, for nobody can end it; the other one goes on."""
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        try:
            found: list[Any] = list(
                pmap(work.hangs_until_left, range(49, 51), backend=client, timeout=2, errors="return")
            )
        finally:
            work.leave.set()
    assert found[0] == 49
    assert isinstance(found[1].__cause__, TimeoutError)


def test_an_abandoned_run_leaves_dask_usable(client: Any) -> None:
    """Its tasks are cancelled."""
    with pmap(work.add_one, iter(int, 1), backend=client) as results:
        assert next(results) == 1
    assert list(pmap(work.add_one, [1, 2], backend=client)) == [2, 3]


def test_the_command_takes_a_dask_scheduler(client: Any, cli: Callable[..., Done]) -> None:
    """By its address."""
    address = client.scheduler.address
    done = cli("apply", "-e", "x + 1", "--backend", f"dask:{address}", stdin="1\n2\n3\n")
    assert done.stdout == b"2\n3\n4\n"
