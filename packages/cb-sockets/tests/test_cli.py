"""The command, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys

import cb_sockets


def test_version() -> None:
    """``--version`` prints the package's version and nothing else."""
    run = subprocess.run([sys.executable, "-m", "cb_sockets", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"cb-sockets, version {cb_sockets.__version__}\n"
