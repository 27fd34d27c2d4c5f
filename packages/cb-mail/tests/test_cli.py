"""The command, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys

import cb_mail


def test_version() -> None:
    """``--version`` prints the package's version and nothing else."""
    command = [sys.executable, "-m", "cb_mail", "--version"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == f"cb-mail, version {cb_mail.__version__}\n"
