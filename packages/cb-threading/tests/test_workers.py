"""Workers keep results and exceptions; groups join their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest
from cb_threading import Worker, WorkerGroup, spawn


def test_a_result_is_kept() -> None:
    """And can be had as often as one likes."""
    worker = spawn(lambda: 7)
    assert worker.result() == worker.result(timeout=0) == 7
    assert worker.exception is None


def test_an_exception_is_kept() -> None:
    """It is raised where the result is asked for, not printed and forgotten."""
    worker = Worker(int, "x", name="broken")
    worker.start()
    with pytest.raises(ValueError, match="invalid literal"):
        worker.result()
    assert isinstance(worker.exception, ValueError)


def test_waiting_for_a_result_has_an_end() -> None:
    """TimeoutError with the thread's name; the worker goes on."""
    go = threading.Event()
    worker = spawn(go.wait)
    with pytest.raises(TimeoutError, match=rf"{worker.name} is still at work after 0.01 s"):
        worker.result(timeout=0.01)
    go.set()
    assert worker.result() is True


def test_a_group_joins_its_own_threads_only() -> None:
    """A foreign thread that never ends does not keep it."""
    go = threading.Event()
    foreign = spawn(go.wait)
    with WorkerGroup(name="mine") as group:
        worker = group.start(sum, [1, 2])
    assert worker.name == "mine-1"
    assert not worker.is_alive()
    assert foreign.is_alive()
    go.set()
    foreign.join()


def test_a_group_raises_what_its_workers_raised() -> None:
    """All of it, in one group; the others' results are kept."""
    with pytest.raises(ExceptionGroup, match="1 of 2 workers failed") as caught, WorkerGroup() as group:
        good, bad = group.start(int, "1"), group.start(int, "x")
    assert [type(error) for error in caught.value.exceptions] == [ValueError]
    assert good.result() == 1
    assert bad.exception is not None
    statistics = group.statistics()
    assert (statistics.started, statistics.running, statistics.done, statistics.failed) == (2, 0, 1, 1)


def test_a_group_can_keep_what_its_workers_raised() -> None:
    """errors="keep": each worker has its own."""
    with WorkerGroup(errors="keep") as group:
        bad = group.start(int, "x")
    assert isinstance(bad.exception, ValueError)


def test_an_exception_in_the_block_stops_the_workers() -> None:
    """`stop` is set, they are waited for, and the exception goes on."""
    with pytest.raises(RuntimeError, match="enough"), WorkerGroup() as group:  # noqa: PT012 - the block is tested
        worker = group.start(group.stop.wait)
        raise RuntimeError("enough")
    assert worker.result() is True


def test_a_worker_that_does_not_stop_is_left_after_the_grace() -> None:
    """The program goes on without it."""
    go = threading.Event()
    with pytest.raises(RuntimeError, match="enough"), WorkerGroup(grace=0.01) as group:  # noqa: PT012 - the block is tested
        worker = group.start(go.wait)
        raise RuntimeError("enough")
    assert worker.is_alive()
    go.set()
    worker.join()


def test_map_is_ordered_and_bounded() -> None:
    """Four groups of a million objects: four threads, results in the order of the items."""
    lock, inside, most = threading.Lock(), 0, 0
    together = threading.Barrier(4)

    def double(number: int) -> int:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        together.wait(30)
        with lock:
            inside -= 1
        return number * 2

    with WorkerGroup() as group:
        assert group.map(double, iter(range(40)), jobs=4) == list(range(0, 80, 2))
    assert most == 4
    assert group.statistics().started == 4


def test_map_stops_at_the_first_exception() -> None:
    """Items that were not begun are left."""
    seen: list[int] = []

    def work(number: int) -> None:
        seen.append(number)
        raise LookupError(number)

    with WorkerGroup(errors="keep") as group, pytest.raises(LookupError):
        group.map(work, range(1000), jobs=2)
    assert len(seen) <= 2


CTRL_C = """
import sys
from cb_threading import WorkerGroup
with WorkerGroup() as group:
    for _ in range(8):
        group.start(group.stop.wait)
    print("ready", flush=True)
"""


def test_ctrl_c_ends_a_program_whose_group_waits() -> None:
    """Where `ThreadPoolExecutor` is half dead: the join is interrupted, the workers are told, the program ends."""
    with subprocess.Popen(
        [sys.executable, "-c", CTRL_C], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in err
    assert process.returncode == -signal.SIGINT
