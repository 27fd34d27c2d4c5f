"""Real servers on free ports of loopback, each for as long as it is wanted: PostgreSQL, Redis, HAProxy."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE = 60


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], object], what: str) -> None:
    """Return as soon as *condition* holds; fail when it does not in time."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.02)  # between two looks, not instead of one


def listens(port: int) -> bool:
    """Whether somebody answers there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(*line: str, port: int, stop: int = signal.SIGTERM) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until it listens, and stop it afterwards; what it said is shown if it does not."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(line, stdout=said, stderr=said, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            until(
                lambda: process.poll() is not None or listens(port),
                f"{line[0]} on port {port}",
            )
            assert process.poll() is None, os.pread(said.fileno(), 10_000, 0).decode()
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(stop)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(30)


def postgresql_binary(name: str) -> str | None:
    """The newest of Debian's, which are not on PATH, or else the one that is."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else shutil.which(name)


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL with an empty database; gives its address."""
    initdb, server = postgresql_binary("initdb"), postgresql_binary("postgres")
    assert initdb
    assert server
    folder = Path(tempfile.mkdtemp(prefix="riddles-pg-", dir="/tmp"))  # where another user may go
    as_other: list[str] = []
    if os.getuid() == 0:  # it refuses to run as root
        other = pwd.getpwnam("nobody")
        shutil.chown(folder, other.pw_uid, other.pw_gid)
        as_other = ["setpriv", f"--reuid={other.pw_uid}", f"--regid={other.pw_gid}", "--clear-groups"]
    try:
        data, port = str(folder / "data"), free_port()
        make = [*as_other, initdb, "-D", data, "-U", "ada", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run(make, check=True, capture_output=True, cwd=folder)
        flags = ["-h", "127.0.0.1", "-k", str(folder), "-p", str(port), "-c", "fsync=off", "-c", "max_connections=50"]
        with running(*as_other, server, "-D", data, *flags, port=port, stop=signal.SIGINT):
            yield f"postgres://ada@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A Redis that keeps nothing; gives its address."""
    port = free_port()
    flags = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder))
    with running("redis-server", *flags, port=port):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def haproxy(folder: Path, ports: list[int]) -> Iterator[str]:
    """An HAProxy before the servers on *ports*, which asks each whether it is well; gives its address."""
    port = free_port()
    servers = "\n".join(f"  server s{n} 127.0.0.1:{one} check inter 200ms fall 1" for n, one in enumerate(ports))
    config = folder / "haproxy.cfg"
    config.write_text(
        f"""
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout check 30s
  option redispatch
frontend all
  bind 127.0.0.1:{port}
  default_backend sites
backend sites
  balance roundrobin
  option httpchk GET /healthz/
  http-check send hdr Host localhost
{servers}
""",
        encoding="ascii",
    )
    program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program
    with running(program, "-db", "-f", str(config), port=port):
        yield f"http://127.0.0.1:{port}"


def pytest_again(url: str, *files: str) -> subprocess.CompletedProcess[str]:
    """Run some of the tests again, on the database at *url*."""
    environment = os.environ | {"CB_RIDDLES_TEST_DATABASE": url}
    for name in [name for name in environment if name.startswith(("PYTEST_", "COV_"))]:
        del environment[name]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files],
        cwd=Path(__file__).parent.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
