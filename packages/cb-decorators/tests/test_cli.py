"""The command, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys

import cb_decorators


def test_version() -> None:
    """``--version`` prints the package's version and nothing else."""
    command = [sys.executable, "-m", "cb_decorators", "--version"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == f"cb-decorators, version {cb_decorators.__version__}\n"
