"""The command, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys

import cb_threading


def test_version() -> None:
    """``--version`` prints the package's version and nothing else."""
    command = [sys.executable, "-m", "cb_threading", "--version"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == f"cb-threading, version {cb_threading.__version__}\n"
