"""A list on a Dask cluster with worker processes: each host on exactly one worker."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cb_threading import FetchError, Job, Policy, StoreError, fetch, verify
from cb_threading.dask import fetch_on_dask, shares
from cb_threading.journal import Journal
from site_on_loopback import Site, page, stall, status
from test_fetch import files

distributed: Any = pytest.importorskip("distributed")

pytestmark = [
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


@pytest.fixture
def sites() -> Iterator[list[Site]]:
    """Six hosts, of which both workers get some (by their hashes: as good as always)."""
    made = [Site() for _ in range(6)]
    yield made
    for site in made:
        site.end()


def test_hosts_are_shared_out() -> None:
    """All jobs of a host are in one share, whoever asks; no job is lost."""
    jobs = [Job(f"http://h{number % 50}/{number}") for number in range(500)]
    lists = shares(jobs, 4)
    assert sorted(job.url for share in lists for job in share) == sorted(job.url for job in jobs)
    hosts = [{job.url.split("/")[2] for job in share} for share in lists]
    assert sum(len(one) for one in hosts) == 50
    assert all(hosts)
    assert lists == shares(jobs, 4)


def test_politeness_holds_across_the_cluster(client: Any, sites: list[Site], tmp_path: Path) -> None:
    """One transfer at a time with each host, from all workers together; ``verify`` puts the journals together."""
    urls = [site.url(f"/{number}") for number in range(10) for site in sites]
    policy = Policy(per_host=1, robots=False)
    results = list(fetch_on_dask(urls, str(tmp_path), client.scheduler.address, policy=policy, names="host"))
    assert [result.state for result in results] == ["saved"] * 60
    assert [site.most for site in sites] == [1] * 6
    assert len(files(tmp_path)) == 60
    checked = list(verify(tmp_path))
    assert [check.state for check in checked] == ["ok"] * 60
    again = fetch_on_dask(urls, str(tmp_path), client.scheduler.address, policy=policy, names="host", resume=True)
    assert {result.state for result in again} == {"kept"}
    here = fetch(urls, tmp_path, policy=policy, names="host", resume=True)
    assert here.count("kept") == 60


def test_the_command_takes_a_scheduler(client: Any, sites: list[Site], tmp_path: Path, cb: Callable[..., Any]) -> None:
    """By its address; results and status are those of a fetch on one machine."""
    sites[0].routes["/gone"] = status(404)
    urls = [sites[0].url("/gone"), *(site.url(f"/{number}") for number, site in enumerate(sites))]
    ran = cb("fetch", *urls, "-o", tmp_path, "--dask", client.scheduler.address, "--no-robots")
    assert ran.status == 1, ran.err
    states = [json.loads(line)["state"] for line in ran.out.splitlines()]
    assert sorted(states) == ["failed", *["saved"] * 6]


def test_stopping_stops_the_workers(client: Any, tmp_path: Path, eventually: Callable[..., None]) -> None:
    """Whoever leaves off reading leaves no transfer behind: the worker's journal can be opened again."""
    made: list[Site] = []
    while not made or not all(shares([Job(site.url("/")) for site in made], 2)):
        made.append(Site())
    slow, quick = shares([Job(site.url("/")) for site in made], 2)
    for site in made:
        if site.url("/") in {job.url for job in slow}:
            site.routes["/"] = stall(page("/", 50_000), 10)
    try:
        jobs = [*slow, *quick]
        policy = Policy(robots=False)
        running = fetch_on_dask(jobs, str(tmp_path), client.scheduler.address, policy=policy, names="host")
        assert next(running).state == "saved"
        running.close()
        eventually(lambda: _is_free(tmp_path, "0"), "the worker to stop")
        assert len(files(tmp_path)) == len(quick)
    finally:
        for site in made:
            site.end()


def test_workers_that_die_cost_no_result(
    client: Any, sites: list[Site], tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """Killed when their shares are done, but not yet read: what they had saved is kept and told again."""
    urls = [site.url(f"/{number}") for number in range(5) for site in sites]
    running = fetch_on_dask(urls, str(tmp_path), client.scheduler.address, policy=Policy(robots=False), names="host")
    results = [next(running)]
    scheduler = client.cluster.scheduler
    eventually(lambda: [task.state for task in scheduler.tasks.values()].count("memory") == 2, "both shares")
    before = set(scheduler.workers)
    for worker in client.cluster.workers.values():
        os.kill(worker.pid, signal.SIGKILL)
    eventually(lambda: not before & set(scheduler.workers), "the scheduler to miss them")
    results.extend(running)
    eventually(lambda: len(scheduler.workers) == 2, "both workers for the next test")
    assert sorted(result.url for result in results) == sorted(urls)
    assert {result.state for result in results} == {"saved", "kept"}
    assert sum(asked.path != "/robots.txt" for site in sites for asked in site.asked) == len(urls)


def _is_free(folder: Path, label: str) -> bool:
    try:
        Journal(folder, label).close()
    except StoreError:
        return False
    return True


def test_what_a_worker_cannot_do_is_said(client: Any, tmp_path: Path) -> None:
    """A folder that cannot be made is the fetch's error."""
    (tmp_path / "file").write_text("")
    with pytest.raises(FetchError, match="file"):
        list(fetch_on_dask(["http://127.0.0.1:1/"], str(tmp_path / "file"), client.scheduler.address))


def test_an_address_that_is_none_is_wrong_usage(tmp_path: Path, cb: Callable[..., Any]) -> None:
    """And said so, before anything is asked for."""
    ran = cb("fetch", "http://127.0.0.1:1/", "-o", tmp_path, "--dask", "nonsense")
    assert ran.status == 2
    assert ran.err == "cb-threading: nonsense is not the address of a scheduler (tcp://HOST:8786)\n"
