"""Several processes over one store: one run for all of them, whoever is killed."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from cb_decorators.shared import call_of
from decorators_support import FULL, open_store

WORKER = Path(__file__).with_name("shared_worker.py")


class Worker:
    """A child process that does one thing at a line on its stdin."""

    def __init__(self, place: str, log: Path, *arguments: str) -> None:
        line = [sys.executable, str(WORKER), place, str(log), *arguments]
        self.process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.says() == "ready"

    def go(self) -> None:
        """Let it begin, or go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def says(self) -> str:
        """The first word of its next line; empty where it has ended."""
        assert self.process.stdout is not None
        return (self.process.stdout.readline().split() or [""])[0]

    def end(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def workers(place: str, log: Path, count: int, *arguments: str) -> Iterator[list[Worker]]:
    """Start *count* of them, ready to begin."""
    started: list[Worker] = []
    try:
        for _ in range(count):
            started.append(Worker(place, log, *arguments))  # noqa: PERF401 - those that did start are ended
        yield started
    finally:
        for one in started:
            one.end()


@pytest.mark.faults
def test_one_run_for_all_processes(place: str, tmp_path: Path) -> None:
    """Every process wants every key, at once, in its own order: each is run once. 16 processes at full count."""
    keys, log = [f"key{number}" for number in range(10)], tmp_path / "log"
    with contextlib.ExitStack() as stack:
        every = [
            stack.enter_context(workers(place, log, 1, *random.sample(keys, 10)))[0] for _ in range(16 if FULL else 4)
        ]
        for one in every:
            one.go()
        for one in every:
            assert sorted(one.says() for _ in keys) == sorted(key * 2 for key in keys)
    assert Counter(log.read_text().split()) == Counter(keys)


@pytest.mark.faults
def test_a_killed_owner_is_followed_by_another(place: str, tmp_path: Path) -> None:
    """Kill -9 in the middle of a run: the lease ends, another process runs it; two runs, not three."""
    for number in range(20 if FULL else 1):
        key, log = f"key{number}", tmp_path / f"log{number}"
        with open_store(place, lock_ttl=0.5) as store:
            assert store.claim("shared_worker.run", call_of(key), "killed").state == "claimed"
        with workers(place, log, 3, key) as every:
            for one in every:
                one.go()
            assert [one.says() for one in every] == [key * 2] * 3
        assert log.read_text() == f"{key}\n"


@pytest.mark.faults
def test_kill_9_while_it_runs(place: str, tmp_path: Path) -> None:
    """The owner is killed while its function runs and its lease is renewed; whoever waited takes over."""
    log = tmp_path / "log"
    with workers(place, log, 2, "hang") as (owner, other):
        owner.go()
        assert owner.says() == "running"
        other.go()
        owner.process.kill()
        assert other.says() == "running"
    assert log.read_text().split() == ["hang", "hang"]


@pytest.mark.faults
def test_what_was_published_survives_kill_9(place: str, tmp_path: Path) -> None:
    """Killed at random moments while it writes: every result that a caller had is there, whole."""
    for _ in range(50 if FULL else 2):
        with workers(place, tmp_path / "log", 1, "hammer", "100000") as (one,):
            one.go()
            for _ in range(random.randrange(1, 30)):
                last = int(one.says())
            one.process.kill()
        with open_store(place) as store:
            for value in range(last + 1):
                claim = store.claim("shared_worker.number", call_of(value), "reader")
                assert (claim.state, claim.value) == ("found", f"[{','.join([str(value)] * 2000)}]".encode())


@pytest.mark.faults
def test_crossing_keys_of_two_processes_finish(place: str, tmp_path: Path) -> None:
    """Each is inside of the run that the other one needs."""
    with (
        workers(place, tmp_path / "log", 1, "cross-a-b") as (one,),
        workers(place, tmp_path / "log", 1, "cross-b-a") as (two,),
    ):
        for worker in (one, two):
            worker.go()
            assert worker.says() == "running"
        for worker in (one, two):
            worker.go()
            worker.go()
        answers = [worker.says() for worker in (one, two, one, two)]
    assert "cross-a-b" * 2 in answers
    assert "cross-b-a" * 2 in answers
