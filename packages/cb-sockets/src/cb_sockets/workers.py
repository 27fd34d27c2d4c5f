"""Several worker processes on one port, through SO_REUSEPORT: the kernel spreads new connections over them.

The parent holds the port, starts workers again that die, and passes SIGTERM and SIGINT on as SIGTERM. Between
parent and worker there is a socket pair, the lifeline: the worker says through it that it listens, and where the
parent is killed, it ends, and the worker drains by itself.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType

from cb_sockets.errors import AddressError
from cb_sockets.net import Address, describe

__all__ = ["reserve", "supervise", "watch_lifeline"]

log: logging.Logger = logging.getLogger("cb_sockets")

_PAUSE = 1.0


def reserve(address: Address) -> tuple[socket.socket, Address]:
    """Hold a port for the workers without listening on it. Raises `AddressError`."""
    if address.path or not hasattr(socket, "SO_REUSEPORT"):
        raise AddressError(f"{address}: several workers need a TCP port and SO_REUSEPORT (use --workers 1)")
    family, _, _, _, target = socket.getaddrinfo(
        address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(target)
    except OSError as error:
        sock.close()
        raise AddressError(f"cannot listen on {address}: {describe(error)} (choose another port)") from error
    return sock, Address(sock.getsockname()[0], sock.getsockname()[1], tls=address.tls)


class _Worker:
    """A worker process and the parent's end of its lifeline."""

    def __init__(self, command: Sequence[str]) -> None:
        self.line, theirs = socket.socketpair()
        with theirs:
            # A session of its own: the terminal's Ctrl-C comes once, from the parent.
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno())], pass_fds=[theirs.fileno()], start_new_session=True
            )

    def wait_until_ready(self) -> bool:
        """Whether it listens; false where it ended before."""
        return bool(self.line.recv(1))

    def end(self) -> None:
        self.process.wait()
        self.line.close()


def supervise(command: Sequence[str], count: int, ready: Callable[[], None]) -> int:
    """Run `count` workers, each started by `command` and the number of its lifeline's descriptor, until a signal.

    Calls `ready` when all of them listen. Returns the signal's number. Raises `AddressError` where the first workers
    do not come up; they have said why.
    """
    got: list[int] = []
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        got.append(number)
        stop.set()

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    workers = [_Worker(command) for _ in range(count)]
    try:
        if not all([worker.wait_until_ready() for worker in workers]):  # noqa: C419  # wait for each of them
            raise AddressError("the workers did not start")
        ready()
        while not stop.wait(0.2):
            for index, worker in enumerate(workers):
                if worker.process.poll() is not None:
                    log.warning(
                        "worker %d ended with status %d; started again", worker.process.pid, worker.process.returncode
                    )
                    worker.end()
                    stop.wait(_PAUSE)
                    workers[index] = _Worker(command)
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.end()
        for number, handler in previous.items():
            signal.signal(number, handler)
    return got[0]


def watch_lifeline(fd: int, drain: Callable[[], object]) -> None:
    """Tell the parent that we listen, and call `drain` when it is gone."""
    line = socket.socket(fileno=fd)
    line.sendall(b"\1")

    def wait() -> None:
        with line, contextlib.suppress(OSError):
            line.recv(1)  # nothing ever comes but the end
        drain()

    threading.Thread(target=wait, daemon=True).start()


def own_command(arguments: Sequence[str]) -> list[str]:
    """The command line that starts this command again, with other arguments."""
    return [sys.executable, "-m", "cb_sockets", *arguments]
