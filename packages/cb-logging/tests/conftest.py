"""Logging as it was before after every test; the command, in this process or its own; counts for the faults."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cb_logging import fast
from hypothesis import settings

# A suite that runs in the background ignores Ctrl-C, and what it starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

FULL = os.environ.get("CB_FAULTS") == "full"

settings.register_profile("suite", deadline=None, max_examples=60, derandomize=True)
settings.register_profile("full", deadline=None, max_examples=2000)
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


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A test may leave a set-up open."""
    root = logging.root
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook
    yield
    fast.uninstall()
    for one in root.handlers:
        if one not in handlers:
            one.close()
    root.handlers[:], sys.excepthook = handlers, hooks
    root.setLevel(level)
    logging.captureWarnings(False)


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def cb(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Ran]:
    """Run the command in this process."""
    from cb_logging.__main__ import main

    def run(*arguments: object, stdin: str | bytes = "") -> Ran:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "argv", ["cb-logging", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline=""))
        capsysbinary.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsysbinary.readouterr()
        return Ran(int(left.value.code or 0), captured.out.decode(), captured.err.decode())

    return run


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python code in a process of its own, in the test's folder, to its end."""

    def run(code: str, *arguments: object, name: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
        what = ["-c", code]
        if name:
            (tmp_path / name).write_text(code)
            what = [name]
        command = [sys.executable, *what, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False, **options)

    return run


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait for something that another process or thread does, with a bound, and say what did not come."""

    def wait(what: Callable[[], object], words: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not what():
            if time.monotonic() > end:
                pytest.fail(f"waited {seconds} s in vain: {words}")
            time.sleep(0.005)

    return wait
