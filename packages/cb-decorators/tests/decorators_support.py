"""What the tests share: a clock that stands, threads, a real Redis server, and waiting until something has happened."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import forked
import redis
from cb_decorators.stores.redis import RedisStore
from cb_decorators.stores.sqlite import SQLiteStore

FULL = os.environ.get("CB_FAULTS") == "full"
"""Whether faults are injected at full count."""


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Return as soon as *condition* holds; fail when it does not in time."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(0.001)


def in_threads(count: int, work: Callable[[], object]) -> list[threading.Thread]:
    """Start *count* threads that do the same."""
    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    """See all threads end."""
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a thread hangs"


class Server:
    """A redis-server on a free port of loopback, with its files in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port, socket_timeout=5)
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, on the same port each time."""
        line = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self.folder),
        ]
        self.process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
        until(self.answers)

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    def stop(self) -> None:
        """Kill it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.client.connection_pool.disconnect()


def open_store(name: str, **options: object) -> SQLiteStore | RedisStore:
    """Open the store that a path, or a URL, names."""
    kind = RedisStore if name.startswith("redis://") else SQLiteStore
    return kind(name, **options)  # type: ignore[arg-type]


def command(*arguments: str, text: str = "", both: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the command; with *both*, what it says goes with what it prints, as on a terminal."""
    done = forked.run("cb_decorators", arguments, data=text.encode(), both=both)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
