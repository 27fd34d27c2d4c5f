"""Nothing is lost under contention: on the free-threaded Python that PYTHON_FT names, else with a quick GIL.

For the last two tests that Python must have this package, pytest, pytest-run-parallel, pytest-timeout and hypothesis.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cb_threading
import pytest
from stress import STEPS, THREADS

FREE_THREADED = os.environ.get("PYTHON_FT")
HERE = Path(__file__).parent
LOCKS = ["test_locks.py", "test_timers.py", "test_workers.py"]
TOOLKIT = [*LOCKS, "test_recipes.py", "test_hosts.py"]
QUICK = "import sys, pytest; sys.setswitchinterval(1e-6); sys.exit(pytest.main(sys.argv[1:]))"


@pytest.mark.faults
def test_nothing_is_lost_under_contention() -> None:
    """No update, no transaction torn, never too many inside, no thread with another's value, no timer forgotten."""
    python = FREE_THREADED or sys.executable
    environment = {**os.environ, "PYTHONPATH": str(Path(cb_threading.__file__).parent.parent)}
    command = [python, str(HERE / "stress.py")]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=110, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    if FREE_THREADED:
        assert found["gil"] is False
    assert found["updates"] == THREADS * STEPS
    assert found["torn"] == 0
    assert max(found["most"]) <= 3
    assert found["entered"] == [THREADS * STEPS // 10] * 2
    assert found["writes"] == THREADS * STEPS // 10
    assert found["own"] == [STEPS] * THREADS
    assert found["timers"] == 400


@pytest.mark.long
@pytest.mark.parametrize(
    ("python", "names"),
    [
        pytest.param(sys.executable, LOCKS, id="this"),
        pytest.param(
            FREE_THREADED,
            TOOLKIT,
            marks=pytest.mark.skipif(not FREE_THREADED, reason="PYTHON_FT names no free-threaded Python"),
            id="free-threaded",
        ),
    ],
)
def test_the_toolkits_tests_hold_with_four_threads_in_each(python: str, names: list[str]) -> None:
    """Locks, limiter, repository, timers, workers, schedule: nothing that they have in common gets mixed up."""
    options = ["--parallel-threads=4", "-pno:cacheprovider", "-pno:randomly", "-q"]
    command = [python, "-c", QUICK, *options, *(str(HERE / name) for name in names)]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        command, cwd=HERE.parent, env=unmeasured, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    parallel = re.search(r"Collected (\d+) items to run in parallel", done.stdout)
    assert parallel
    assert int(parallel[1]) >= 30


@pytest.mark.skipif(not FREE_THREADED, reason="PYTHON_FT names no free-threaded Python")
def test_the_free_threaded_python_is_one() -> None:
    """And importing the toolkit does not switch its lock on again."""
    asked = "import sys, cb_threading as cb; cb.Limiter, cb.Repository, cb.RWLock; print(sys._is_gil_enabled())"
    done = subprocess.run([str(FREE_THREADED), "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
