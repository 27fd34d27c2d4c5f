"""The command run in this process; counts for the faults; what is left of processes and descriptors."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

# A suite that runs in the background ignores Ctrl-C, and what it starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

FULL = os.environ.get("CB_FAULTS") == "full"

settings.register_profile("suite", deadline=None, max_examples=40)
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


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def cb(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Ran]:
    """Run the command in this process; what its children write to its descriptors counts, too."""
    from cb_subprocess.cli import main

    def run(*arguments: object, stdin: str | bytes = "") -> Ran:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "argv", ["cb-subprocess", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline=""))
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        captured = capfdbinary.readouterr()
        return Ran(int(left.value.code or 0), captured.out.decode("utf-8", "replace"), captured.err.decode())

    return run


# The same test with other values may run beside this one: its processes carry another number.
os.environ["CB_SUBPROCESS_TESTS"] = str(os.getpid())
_TOLD, _OURS = b"CB_SUBPROCESS_TESTS=", f"CB_SUBPROCESS_TESTS={os.getpid()}\0".encode()


def _alive(mark: str) -> list[int]:
    """Processes, zombies not counted, that have `mark` in their arguments or environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            state = (folder / "stat").read_bytes().rpartition(b")")[2].split()[0]
            environment = (folder / "environ").read_bytes()
            text = (folder / "cmdline").read_bytes() + environment
        except OSError:
            continue
        of_another = _TOLD in environment and _OURS not in environment
        if state not in b"ZX" and mark.encode() in text and not of_another:
            found.append(int(folder.name))
    return found


@pytest.fixture(scope="session")
def alive() -> Callable[[str], list[int]]:
    """``alive(mark)``: the processes that run with `mark` in their arguments or environment."""
    return _alive


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    """``eventually(condition, what)``: look every 5 ms until it holds; for what has no event to wait on."""

    def wait(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
            pause.wait(0.005)

    return wait


collect_ignore = ["batch_program.py"]  # a program: its arguments are not pytest's
