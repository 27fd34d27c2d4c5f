"""The command, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys

import cb_subprocess


def test_version() -> None:
    """``--version`` prints the package's version and nothing else."""
    command = [sys.executable, "-m", "cb_subprocess", "--version"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == f"cb-subprocess, version {cb_subprocess.__version__}\n"
