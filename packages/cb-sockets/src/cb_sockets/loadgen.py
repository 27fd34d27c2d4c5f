"""A closed-loop load generator: every connection keeps `depth` messages on their way to an echo server.

One thread over the poller; what it measures is the server as long as the server is the slower of the two. Latency is
from a message's write to its reply, so that with `depth` above 1 it holds the wait behind the others.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from dataclasses import asdict, dataclass

from cb_sockets.decoders import Decoder
from cb_sockets.errors import FramingError, PeerClosed, TimeoutExceeded
from cb_sockets.framing import Framing
from cb_sockets.net import Address, describe, open_connection
from cb_sockets.poller import READ, WRITE, Poller, new_poller
from cb_sockets.transport import Outgoing, receive, receive_records

__all__ = ["Result", "run_load"]


@dataclass(frozen=True, slots=True)
class Result:
    """What a run measured. Rates are per second and one way; latencies in microseconds."""

    address: str
    size: int
    connections: int
    depth: int
    seconds: float
    messages: int
    messages_per_s: float
    megabytes_per_s: float
    p50_us: float
    p99_us: float
    max_us: float

    def as_dict(self) -> dict[str, object]:
        """The fields by name, for JSON."""
        return asdict(self)


class _Load:
    __slots__ = ("decoder", "mask", "out", "sent_at", "sock")

    def __init__(self, sock: socket.socket, decoder: Decoder) -> None:
        self.sock = sock
        self.decoder = decoder
        self.out = Outgoing(())
        self.sent_at: deque[float] = deque()
        self.mask = READ


def run_load(
    address: Address,
    framing: Framing,
    *,
    size: int = 64,
    connections: int = 10,
    depth: int = 1,
    seconds: float = 2.0,
    tls: ssl.SSLContext | None = None,
) -> Result:
    """Load an echo server for `seconds` after a tenth of that as warm-up. Every reply is compared with what was sent.

    Raises `ConnectFailed`; `PeerClosed`, also where a reply is not the message; `FramingError`; `TimeoutExceeded` where
    no reply came at all.
    """
    message = bytes(97 + index % 26 for index in range(size))
    batch = framing.encode_many([message] * depth)
    one = framing.encode(message)
    poller = new_poller()
    loads: dict[int, _Load] = {}
    latencies: list[float] = []
    try:
        for _ in range(connections):
            sock = open_connection(address, timeout=10, tls=tls, server_hostname=None)
            sock.setblocking(False)
            loads[sock.fileno()] = load = _Load(sock, framing.decoder())
            poller.register(sock.fileno(), READ)
            load.out.add([batch])
        start = time.perf_counter()
        begin = start + seconds / 10
        end = begin + seconds
        for load in loads.values():
            load.sent_at.extend([start] * depth)
            _write(poller, load, address)
        now = start
        while now < end:
            for fd, mask in poller.poll(min(1.0, max(0.0, end - now))):
                load = loads[fd]
                if mask & WRITE:
                    _write(poller, load, address)
                if not mask & ~WRITE:
                    continue
                replies = _receive(load, address)
                now = time.perf_counter()
                for reply in replies:
                    if reply != message:
                        raise PeerClosed(
                            f"{address}: a reply is not the message sent (is it an echo server?)", clean=False
                        )
                    if begin <= now < end:
                        latencies.append(now - load.sent_at.popleft())
                    else:
                        load.sent_at.popleft()
                if replies:
                    load.out.add([one * len(replies)])
                    load.sent_at.extend([now] * len(replies))
                    _write(poller, load, address)
            now = time.perf_counter()
    finally:
        for load in loads.values():
            load.sock.close()
        poller.close()
    if not latencies:
        raise TimeoutExceeded(f"{address}: no reply in {seconds} s (is it an echo server, with the same framing?)")
    latencies.sort()
    return Result(
        address=str(address),
        size=size,
        connections=connections,
        depth=depth,
        seconds=seconds,
        messages=len(latencies),
        messages_per_s=len(latencies) / seconds,
        megabytes_per_s=len(latencies) * size / seconds / 1e6,
        p50_us=_at(latencies, 0.5),
        p99_us=_at(latencies, 0.99),
        max_us=_at(latencies, 1.0),
    )


def _at(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] * 1e6


def _receive(load: _Load, address: Address) -> list[bytes]:
    read = receive_records if isinstance(load.sock, ssl.SSLSocket) else receive
    try:
        replies = read(load.sock, load.decoder)
    except BlockingIOError:
        return []
    except FramingError as error:
        raise FramingError(f"{address}: {error} (does the server use the same framing?)") from error
    except OSError as error:
        raise _lost(address, error) from error
    if replies is None:
        raise PeerClosed(f"{address}: the server closed a connection under load", clean=False)
    return replies


def _lost(address: Address, error: OSError) -> PeerClosed:
    return PeerClosed(f"{address}: connection lost: {describe(error)}", clean=False)


def _write(poller: Poller, load: _Load, address: Address) -> None:
    out = load.out
    try:
        while out.size and out.write(load.sock):
            continue
    except OSError as error:
        raise _lost(address, error) from error
    mask = READ | WRITE if out.size else READ
    if mask != load.mask:
        load.mask = mask
        poller.modify(load.sock.fileno(), mask)
