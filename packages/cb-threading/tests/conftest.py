"""Counts for the faults, waiting without sleeping, and the command in this process."""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

from nginx_on_loopback import Nginx, started
from site_on_loopback import Site

# A suite that runs in the background ignores Ctrl-C, and what it starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Nor may a proxy of the machine's come between.
for _name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
    os.environ.pop(_name, None)
    os.environ.pop(_name.upper(), None)

FULL = os.environ.get("CB_FAULTS") == "full"

settings.register_profile("suite", deadline=None, max_examples=40)
settings.register_profile("full", deadline=None, max_examples=1000)
settings.load_profile("full" if FULL else "suite")


@pytest.fixture(scope="session")
def count() -> Callable[[int, int], int]:
    """The first number in the suite, the second under CB_FAULTS=full."""
    return lambda few, many: many if FULL else few


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


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def cb(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Ran]:
    """Run the command in this process; what its children write counts, too."""
    from cb_threading.__main__ import main

    def run(*arguments: object, stdin: str | bytes = "") -> Ran:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "argv", ["cb-threading", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline=""))
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        captured = capfdbinary.readouterr()
        return Ran(int(left.value.code or 0), captured.out.decode("utf-8", "replace"), captured.err.decode())

    return run


@pytest.fixture
def site() -> Iterator[Site]:
    """A web site on loopback."""
    made = Site()
    yield made
    made.end()


@pytest.fixture(params=["curl", "http"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine, for what both must do."""
    return str(request.param)


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """A real server with TLS and HTTP/2, from the system's package."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("nginx is not installed here (apt-get install nginx-light)")
    with started(program, tmp_path_factory.mktemp("nginx")) as server:
        yield server


collect_ignore = ["nginx_on_loopback.py", "site_on_loopback.py", "stress.py"]
