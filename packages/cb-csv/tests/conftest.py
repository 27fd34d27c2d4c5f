"""The command, run in this process or as one of its own; counts for the faults."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings

FULL = os.environ.get("CB_FAULTS") == "full"

settings.register_profile("suite", deadline=None, max_examples=60, derandomize=True)
settings.register_profile("full", deadline=None, max_examples=5000)
settings.load_profile("full" if FULL else "suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Full counts take their time."""
    for item in items:
        if FULL and item.get_closest_marker("faults"):
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture
def count() -> Callable[[int, int], int]:
    """The first number in the suite, the second under CB_FAULTS=full."""
    return lambda few, many: many if FULL else few


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def cb(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Ran]:
    """Run the command in this process."""
    from cb_csv.cli import main

    def run(*arguments: object, stdin: str | bytes = "") -> Ran:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "argv", ["cb-csv", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline=""))
        capsysbinary.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsysbinary.readouterr()
        return Ran(int(left.value.code or 0), captured.out.decode(), captured.err.decode())

    return run


@pytest.fixture
def process() -> Callable[..., subprocess.Popen[bytes]]:
    """Start Python code, or the command, as a process of its own."""

    def start(*arguments: object, code: str = "", **options: Any) -> subprocess.Popen[bytes]:
        what = ["-c", code] if code else ["-m", "cb_csv"]
        return subprocess.Popen([sys.executable, *what, *map(str, arguments)], **options)

    return start
