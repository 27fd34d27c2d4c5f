"""A batch on a real cluster."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cb_subprocess import CommandError, JobLogError, read_joblog
from cb_subprocess.dask import batch_on_dask
from distributed import LocalCluster

pytestmark = pytest.mark.filterwarnings("default")  # the cluster's own


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    """Two workers, processes of their own."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", local_directory=tmp_path, scheduler_port=0
    ) as made:
        yield made


def test_with_a_worker_killed(cluster: LocalCluster, tmp_path: Path) -> None:
    """All results come, though a job kills its worker in mid-run; the log has them; resumed, nothing is run again."""
    once = tmp_path / "once"
    script = 'if [ "$0" = 3 ] && mkdir "$1" 2>/dev/null; then kill -9 $PPID; fi; echo "$0"'
    jobs = [["sh", "-c", script, str(number), str(once)] for number in range(1, 9)]
    log = tmp_path / "log"
    address = cluster.scheduler_address
    results = {job.seq: job for job in batch_on_dask(jobs, address, joblog=log, ahead=4)}
    assert once.exists()
    assert {seq: job.stdout for seq, job in results.items()} == {n: f"{n}\n" for n in range(1, 9)}
    assert set(read_joblog(log)) == set(range(1, 9))
    assert list(batch_on_dask(jobs, address, joblog=log, resume="all")) == []
    failing = [["false"], ["no-such-program"], ["sleep", "60"], ["/etc/passwd"], ["sh", "-c", "kill -9 $$"]]
    ended = {job.seq: job for job in batch_on_dask(failing, address, timeout=1, retries=1, joblog=tmp_path / "log2")}
    assert [(ended[seq].code, ended[seq].tries, ended[seq].timed_out) for seq in range(1, 6)] == [
        (1, 2, False),
        (127, 2, False),
        (-15, 2, True),
        (126, 2, False),
        (-9, 2, False),
    ]
    with pytest.raises(JobLogError, match="job 1 was false"):
        list(batch_on_dask([["true"]], address, joblog=tmp_path / "log2", resume="failed"))


def test_results_that_die_with_their_worker(cluster: LocalCluster, tmp_path: Path) -> None:
    """Done, but not yet read when all workers are killed: the jobs are run again, and every result comes once."""
    runs = tmp_path / "runs"
    jobs = [["sh", "-c", 'echo "$0" >> "$1"; echo "$0"', str(number), str(runs)] for number in range(1, 9)]
    results = batch_on_dask(jobs, cluster.scheduler_address)
    first = next(results)
    tasks = cluster.scheduler.tasks
    while [task.state for task in tasks.values()].count("memory") < 7:
        time.sleep(0.01)
    before = set(cluster.scheduler.workers)
    for worker in cluster.workers.values():
        os.kill(worker.pid, signal.SIGKILL)
    while before & set(cluster.scheduler.workers):
        time.sleep(0.01)
    assert sorted(job.stdout for job in [first, *results]) == [f"{number}\n" for number in range(1, 9)]
    assert len(runs.read_text().split()) > 8


def test_no_cluster(cb: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a scheduler there, or without dask, one line says so."""
    monkeypatch.setattr("cb_subprocess.dask.CONNECT_SECONDS", 1)
    with pytest.raises(CommandError, match="no scheduler answers"):
        list(batch_on_dask([["true"]], "tcp://127.0.0.1:1"))
    monkeypatch.setitem(sys.modules, "distributed", None)
    ran = cb("batch", "--engine", "dask", "--scheduler", "tcp://127.0.0.1:1", "echo", ":::", "a")
    assert (ran.status, ran.err) == (102, "cb-subprocess: dask is not installed (pip install 'cb-subprocess[dask]')\n")
