"""Several worker processes on one port, through SO_REUSEPORT: the kernel spreads new connections over them.

The parent holds the port, starts workers again that die, and passes SIGTERM and SIGINT on. Each worker holds the
reading end of a pipe whose writing end only the parent has: where the parent is killed, the pipe ends, and its
workers drain by themselves.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

from cb_sockets.errors import AddressError
from cb_sockets.net import Address, describe

__all__ = ["reserve", "supervise", "watch_lifeline"]

log = logging.getLogger("cb_sockets")

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


def supervise(command: Sequence[str], count: int, lifeline: Callable[[int], list[str]]) -> int:
    """Run `count` workers, started by `command` plus ``lifeline(fd)``, until a signal. Returns the signal's number."""
    reading, writing = os.pipe()
    got: list[int] = []
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        got.append(number)
        stop.set()

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    workers: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        # A session of its own: the terminal's Ctrl-C comes once, from here.
        return subprocess.Popen([*command, *lifeline(reading)], pass_fds=[reading], start_new_session=True)

    try:
        workers = [start() for _ in range(count)]
        while not stop.wait(0.2):
            for index, worker in enumerate(workers):
                if worker.poll() is not None:
                    log.warning("worker %d ended with status %d; started again", worker.pid, worker.returncode)
                    time.sleep(_PAUSE)
                    workers[index] = start()
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            worker.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        os.close(writing)
        os.close(reading)
    return got[0]


def watch_lifeline(fd: int, drain: Callable[[], object]) -> None:
    """Call `drain` when the parent is gone: the pipe `fd` ends."""

    def wait() -> None:
        while os.read(fd, 1):
            continue
        drain()

    threading.Thread(target=wait, daemon=True).start()


def own_command(arguments: Sequence[str]) -> list[str]:
    """The command line that starts this command again, with other arguments."""
    return [sys.executable, "-m", "cb_sockets", *arguments]
