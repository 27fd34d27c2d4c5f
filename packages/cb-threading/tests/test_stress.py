"""Nothing is lost under contention: on the free-threaded Python that PYTHON_FT names, else with a quick GIL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cb_threading
import pytest
from stress import STEPS, THREADS


@pytest.mark.faults
def test_nothing_is_lost_under_contention() -> None:
    """No update, no transaction torn, never too many inside, no thread with another's value, no timer forgotten."""
    python = os.environ.get("PYTHON_FT") or sys.executable
    environment = {**os.environ, "PYTHONPATH": str(Path(cb_threading.__file__).parent.parent)}
    command = [python, str(Path(__file__).parent / "stress.py")]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=110, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    if "PYTHON_FT" in os.environ:
        assert found["gil"] is False
    assert found["updates"] == THREADS * STEPS
    assert found["torn"] == 0
    assert max(found["most"]) <= 3
    assert found["entered"] == [THREADS * STEPS // 10] * 2
    assert found["writes"] == THREADS * STEPS // 10
    assert found["own"] == [STEPS] * THREADS
    assert found["timers"] == 400
