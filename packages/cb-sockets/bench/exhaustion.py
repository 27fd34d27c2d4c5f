"""Running out of file descriptors: what a server does at the limit, and afterwards.

A server that may have 64 open files gets 200 clients that connect and stay. Its CPU time over three seconds is the
price of waiting. Then the first 150 leave, and each of the 50 that have waited asks for an echo: a good server answers
them all, as it has room again.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from children import Child, ChildFailed, start_server
from contenders import Contender

from house.tables import Table

FILES, CLIENTS, LEAVING = 64, 200, 150
_WATCH_SECONDS = 3.0
_CONNECT_SECONDS = 3.0
_ANSWER_SECONDS = 5.0
_MESSAGE = (64).to_bytes(4, "big") + bytes(range(64))


@dataclass(frozen=True, slots=True)
class Exhausted:
    """What one server did. `cpu`: share of a core; `served`: of the clients that waited."""

    server: str
    cpu: float
    served: int
    waiting: int
    log_lines: int
    log_bytes: int
    error: str = ""


@contextlib.contextmanager
def clients(port: int) -> Iterator[list[socket.socket]]:
    """Clients in the order in which they connected; those the server's queue had no room for come last."""
    every: list[socket.socket] = []
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        for _ in range(CLIENTS):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
            selector.register(sock, selectors.EVENT_WRITE)
            if selector.select(0.01):
                selector.unregister(sock)
                every.append(sock)
        deadline = time.monotonic() + _CONNECT_SECONDS
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(0.1):
                selector.unregister(key.fileobj)
                every.append(key.fileobj)  # type: ignore[arg-type]
        every += [key.fileobj for key in selector.get_map().values()]  # type: ignore[misc]
        yield every


def ask(sockets: Sequence[socket.socket]) -> int:
    """Send a message on each; how many get it back."""
    served = 0
    with selectors.DefaultSelector() as selector:
        for sock in sockets:
            with contextlib.suppress(OSError):  # closed by the server: not served
                sock.send(_MESSAGE)
                selector.register(sock, selectors.EVENT_READ, bytearray())
        deadline = time.monotonic() + _ANSWER_SECONDS
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(0.1):
                try:
                    data = key.fileobj.recv(4096)  # type: ignore[union-attr]
                except OSError:
                    data = b""
                key.data.extend(data)
                if not data or len(key.data) >= len(_MESSAGE):
                    served += key.data == _MESSAGE
                    selector.unregister(key.fileobj)
    return served


def measure(contender: Contender) -> Exhausted:
    """One server."""
    with start_server(contender.command(files=FILES)) as server, clients(server.port) as every:
        time.sleep(0.3)
        before, begin = cpu(server), time.monotonic()
        time.sleep(_WATCH_SECONDS)
        share = (cpu(server) - before) / (time.monotonic() - begin)
        for sock in every[:LEAVING]:
            sock.close()
        staying = every[LEAVING:]
        served = ask(staying)
        lines, size = server.log_size()
        error = "" if server.alive() else "the server ended"
        return Exhausted(contender.name, share, served, len(staying), lines, size, error)


def cpu(server: Child) -> float:
    """CPU seconds so far; raises ChildFailed where it has died of it."""
    try:
        if server.alive():
            return server.cpu_seconds()
    except OSError:
        pass  # gone between the two calls: the same answer
    raise ChildFailed("the server ended at the limit")


def run(contenders: Sequence[Contender], say: Callable[[str], None]) -> list[Exhausted]:
    """Every Python server: the C one, a limit of speed, does nothing about this."""
    found = []
    for contender in contenders:
        if contender.program:
            continue
        say(f"descriptors exhausted: {contender.name}")
        try:
            found.append(measure(contender))
        except (ChildFailed, OSError) as error:
            found.append(Exhausted(contender.name, 0, 0, CLIENTS - LEAVING, 0, 0, str(error)))
    return found


def table(found: Sequence[Exhausted]) -> Table:
    """One line a server."""
    rows = [
        [
            one.server,
            "" if one.error else f"{one.cpu:.1%}",
            f"{one.served}/{one.waiting}",
            f"{one.log_lines:,}",
            f"{one.log_bytes:,}",
            one.error,
        ]
        for one in found
    ]
    columns = ["server", "CPU at the limit", "waiting clients served after", "log lines", "log bytes", "error"]
    return Table(f"Out of descriptors: {FILES} open files, {CLIENTS} clients stay, {LEAVING} leave", columns, rows)
