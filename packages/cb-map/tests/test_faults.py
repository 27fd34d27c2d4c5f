"""Kills and interrupts, with real processes: nothing lost, nothing hung, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import work
from cb_map import ItemError, WorkerDied, pmap
from conftest import FULL

pytestmark = pytest.mark.faults
ROUNDS = 30 if FULL else 2


@pytest.mark.parametrize("chunk", ["auto", 1, 16])
@pytest.mark.parametrize("ordered", [True, False])
def test_an_item_that_kills_its_worker_is_the_only_one_lost(chunk: Any, ordered: bool) -> None:
    """It ends as its own error; 199 of 200 come."""
    for _ in range(ROUNDS):
        results = pmap(
            work.dies, range(200), backend="process", workers=2, chunk=chunk, ordered=ordered, errors="return"
        )
        found: list[Any] = list(results)
        failures = [one for one in found if isinstance(one, ItemError)]
        assert sorted(one for one in found if not isinstance(one, ItemError)) == [x for x in range(200) if x != 50]
        assert [failure.args_ for failure in failures] == [(50,)]
        assert isinstance(failures[0].__cause__, WorkerDied)
        assert "SIGKILL" in str(failures[0])
        stats = results.stats()
        assert (stats.pulled, stats.done, stats.failed) == (200, 199, 1)


@pytest.mark.parametrize("chunk", ["auto", 1, 16])
def test_a_worker_that_is_killed_once_costs_nothing(tmp_path: Path, chunk: Any) -> None:
    """As the system does when memory is short: its items run again."""
    for turn in range(ROUNDS):
        flag = str(tmp_path / str(turn))
        results = pmap(work.dies_here_once, range(200), [flag] * 200, backend="process", workers=2, chunk=chunk)
        assert list(results) == list(range(200))
        assert results.stats().retried >= 1


def test_a_worker_that_is_killed_while_idle_costs_nothing() -> None:
    """The pipe ends before anything is in it."""
    with pmap(work.pid_of, iter(range(1000)), backend="process", workers=1, chunk=1, buffer=1) as results:
        pid = next(results)
        os.kill(pid, signal.SIGKILL)
        others = list(results)
    assert len(others) == 999
    assert pid not in others[5:]


def test_an_executor_whose_worker_is_killed_is_said_and_does_not_hang() -> None:
    """It cannot be mended from outside; the error names what can."""
    says = pytest.raises(RuntimeError, match=r"executor.*backend='process' replaces workers")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool, says:
        list(pmap(work.dies, range(200), backend=pool, errors="skip"))


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


PROGRAM = """
import os, sys, threading
from cb_map import pmap
import work

def tells(x):
    os.write(1, b"%d\\n" % os.getpid())
    threading.Event().wait()

if __name__ == "__main__":
    list(pmap(tells, range(10), backend="process", workers=2, chunk=1))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_worker_outlives_its_program(how: signal.Signals, tmp_path: Path) -> None:
    """Killed, interrupted or ended, while its workers are in items that never return."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    for _ in range(ROUNDS):
        with subprocess.Popen(
            [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            assert process.stdout is not None
            pids = [int(process.stdout.readline()) for _ in range(2)]
            assert all(map(alive, pids))
            os.kill(process.pid, how)
            # The pipe ends when the last process that can write into it has ended: this would wait for ever.
            assert process.stdout.read() == b""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_file_is_the_old_one_or_the_new_one(how: signal.Signals, tmp_path: Path) -> None:
    """Whenever the command is killed or interrupted that replaces it; interrupted, it leaves nothing beside."""
    # Not measured: an interrupt in the middle of bookkeeping of coverage leaves a lock of its own locked for ever.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}
    target = tmp_path / "x.jsonl"
    old = ('{"a":1,"b":"' + "x" * 100 + '"}\n') * 5_000
    new = '{"a":1}\n' * 5_000
    seen = set()
    for turn in range(5 * ROUNDS):
        target.write_text(old)
        command = [sys.executable, "-m", "cb_map", "apply", "-e", "{'a': x['a']}", "--in-place", "x.jsonl"]
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(0.1 * turn / ROUNDS)
            except subprocess.TimeoutExpired:
                process.send_signal(how)
        content = target.read_text()
        assert content in {old, new}
        seen.add(content == new)
        partials = list(tmp_path.glob(".*.partial"))
        assert how == signal.SIGKILL or not partials
        for partial in partials:
            partial.unlink()
    assert False in seen


def test_ctrl_c_ends_the_command_with_a_line(tmp_path: Path, cli: Callable[..., Any]) -> None:
    """Status 130, and no worker behind."""
    command = [sys.executable, "-m", "cb_map", "apply", "-j", "2", "-e", "__import__('os').write(2, b'on\\n') and x"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"1\n")
        process.stdin.flush()
        assert process.stderr.readline() == b"on\n"
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=60)
    assert process.returncode == 130
    assert words == b"cb-map: interrupted; no file was replaced that was not finished\n"
