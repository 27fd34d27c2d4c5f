"""The tests of flights, tasks and the cache once more, each run by four threads at the same time.

The environment variable PYTHON_FT may name a free-threaded Python in which this package and its test group are
installed: they are then run on that, too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FREE_THREADED = os.environ.get("PYTHON_FT")
HERE = Path(__file__).parent


@pytest.mark.long
@pytest.mark.parametrize(
    "python",
    [
        pytest.param(sys.executable, id="this"),
        pytest.param(
            FREE_THREADED,
            marks=pytest.mark.skipif(not FREE_THREADED, reason="PYTHON_FT names no free-threaded Python"),
            id="free-threaded",
        ),
    ],
)
def test_every_test_holds_with_four_threads_in_it(python: str) -> None:
    """No flight, no count and no entry is mixed up with those of another thread that does the same."""
    # The threads of a test have one clock between them, and would set it for each other. A child that is forked among
    # them gets whatever locks they hold, pytest's and coverage's too, and nobody who lets go of them.
    options = ["--parallel-threads=4", "--override-ini=thread_unsafe_fixtures=clock", "-pno:cacheprovider", "-q"]
    options += ["-k", "not forked_child"]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    tests = [str(HERE / name) for name in ("test_flights.py", "test_tasks.py", "test_cached.py")]
    done = subprocess.run(
        [python, "-m", "pytest", *options, *tests],
        cwd=HERE.parent,
        env=unmeasured,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    parallel = re.search(r"Collected (\d+) items to run in parallel", done.stdout)
    assert parallel
    assert int(parallel[1]) >= 50


@pytest.mark.skipif(not FREE_THREADED, reason="PYTHON_FT names no free-threaded Python")
def test_the_free_threaded_python_is_one() -> None:
    """And importing the package does not switch its lock on again."""
    asked = "import sys, cb_decorators.stores.sqlite; print(sys._is_gil_enabled())"
    done = subprocess.run([str(FREE_THREADED), "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
