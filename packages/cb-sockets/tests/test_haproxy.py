"""Several servers behind a real HAProxy: the client's address survives, and so does every request a restart."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cb_sockets import Address, LengthPrefixed, SocketsError, connect

Count = Callable[[int, int], int]
FRAMING = LengthPrefixed()


@pytest.fixture
def balancer(haproxy: str, tmp_path: Path) -> Iterator[Callable[..., Address]]:
    """``balancer(first, second)``: HAProxy in front of two servers; the address it listens at."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        started: list[subprocess.Popen[bytes]] = []

        def start(*servers: Address) -> Address:
            variables = {f"CB_SERVER_{n}": f"{server.host}:{server.port}" for n, server in enumerate(servers, 1)}
            with (tmp_path / "haproxy.log").open("wb") as log:
                started.append(
                    subprocess.Popen(
                        [haproxy, "-db", "-f", str(Path(__file__).with_name("haproxy.cfg"))],
                        env={**os.environ, **variables, "CB_FRONT": f"fd@{listener.fileno()}"},
                        pass_fds=[listener.fileno()],
                        stderr=log,
                    )
                )
            return Address("127.0.0.1", listener.getsockname()[1])

        yield start
        for process in started:
            process.terminate()
            process.wait()


class Load:
    """Clients that make request after request until told to stop; each request has a name of its own."""

    def __init__(self, address: Address, *, one_shot: int, persistent: int) -> None:
        self._address = address
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.answered: list[bytes] = []
        self.unanswered: dict[str, list[bytes]] = {"one-shot": [], "persistent": []}
        self.wrong: list[bytes] = []
        self.progress = threading.Semaphore(0)
        kinds = ["one-shot"] * one_shot + ["persistent"] * persistent
        self._threads = [threading.Thread(target=self._run, args=(kind, n)) for n, kind in enumerate(kinds)]
        for thread in self._threads:
            thread.start()

    def _run(self, kind: str, client: int) -> None:
        number = 0
        while not self._stop.is_set():
            name = b"%d-%d" % (client, number)
            try:
                with connect(self._address, FRAMING, timeout=15) as peer:
                    while not self._stop.is_set():
                        name = b"%d-%d" % (client, number)
                        number += 1
                        reply = peer.request(name)
                        with self._lock:
                            (self.answered if reply == b"ok:" + name else self.wrong).append(name)
                        self.progress.release()
                        if kind == "one-shot":
                            break
            except SocketsError:  # no reply
                with self._lock:
                    self.unanswered[kind].append(name)

    def some_more(self, requests: int = 300) -> None:
        """Wait until so many more requests have been answered."""
        for _ in range(requests):
            assert self.progress.acquire(timeout=20), "no request is answered any more"

    def stop(self) -> None:
        """Let each client finish its request."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def test_client_address_survives(kind: str, spawn: Any, balancer: Any, tmp_path: Path) -> None:
    """Behind HAProxy the server knows the client's address, not the balancer's; both servers get their share."""
    servers = [spawn("--kind", kind, "--proxy", "--ledger", str(tmp_path / name)) for name in ("one", "two")]
    address = balancer(*[server.address for server in servers])
    expected = set()
    for number in range(20):
        with connect(address, FRAMING) as peer:
            expected.add(f"{number} 127.0.0.1:{peer.sock.getsockname()[1]}")
            assert peer.request(b"%d" % number) == b"ok:%d" % number
    ledgers = [set((tmp_path / name).read_text().splitlines()) for name in ("one", "two")]
    assert ledgers[0] | ledgers[1] == expected
    assert all(ledgers)


@pytest.mark.long
@pytest.mark.faults
def test_rolling_restart(
    kind: str, spawn: Any, balancer: Any, tmp_path: Path, eventually: Any, stable_address: Any, count: Count
) -> None:
    """Servers restarted one after the other under load: no request is lost, none is handled twice.

    Clients with a connection a request notice nothing at all. Those that keep theirs lose it between two requests,
    and a request that got no reply was not handled.
    """
    ledgers = [tmp_path / name for name in ("one", "two")]
    options = [["--kind", kind, "--proxy", "--ledger", str(ledger), "--listen", stable_address()] for ledger in ledgers]
    servers = [spawn(*option) for option in options]
    address = balancer(*[server.address for server in servers])
    load = Load(address, one_shot=4, persistent=4)
    for _ in range(count(1, 10)):
        for place in (0, 1):
            load.some_more()
            servers[place].terminate()
            assert servers[place].wait() == 0, servers[place].log
            load.some_more()
            before = ledgers[place].stat().st_size
            servers[place] = spawn(*options[place])
            eventually(lambda: ledgers[place].stat().st_size > before, 30)  # noqa: B023  # it gets requests again
    load.some_more()
    load.stop()
    handled = Counter(line.split()[0] for ledger in ledgers for line in ledger.read_bytes().splitlines())
    assert load.wrong == []
    assert [name for name, times in handled.items() if times > 1] == []
    assert set(load.answered) == set(handled)
    assert len(load.answered) == len(handled)
    assert load.unanswered["one-shot"] == []
