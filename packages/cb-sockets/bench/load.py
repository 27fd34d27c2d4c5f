"""The load generator in Python, for where no C compiler is found: the same arguments, checks and JSON as load.c.

    python load.py HOST PORT len4 SIZE CONNS DEPTH SECONDS [--tls] [--spin] [--warmup SECONDS]

Tuned as far as plain Python goes: epoll, replies read into one buffer, requests cut from a prepared ring of frames. It
is slower than load.c, and with fast servers it is itself the limit: compare only figures of the same generator.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import select
import socket
import ssl
import struct
import sys
import time
from collections import deque
from math import frexp

PREFIX = 4
READ_SIZE = 256 * 1024
STALL = 10.0
PATIENCE = 3.0  # for connections without a first answer, before the window begins without it
WAITS = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
RESET = struct.pack("ii", 1, 0)


class Ring:
    """Distinct random frames, one after another and then from the start again: what is sent and what must come back."""

    def __init__(self, size: int) -> None:
        self.frame = size + PREFIX
        frames = min(1024, max(3, 2**21 // self.frame))
        source = random.Random(7)
        prefix = size.to_bytes(PREFIX, "big")
        self.size = frames * self.frame
        once = b"".join(prefix + source.randbytes(size) for _ in range(frames))
        # Doubled where a batch or a read may reach over the end, so that every slice is one piece.
        self.bytes = memoryview(once + once[: min(len(once), READ_SIZE)])


class Connection:
    """One connection: where it is in the ring, and when what is in flight was sent."""

    def __init__(self, sock: socket.socket, start: int) -> None:
        self.sock = sock
        self.write_at = self.read_at = start
        self.to_write = 0
        self.partial = 0
        self.sent_at: deque[float] = deque()
        self.waits = False
        self.answered = False
        self.in_window = False


class Load:
    """A closed loop over `connections` connections with `depth` messages in flight on each."""

    def __init__(self, address: tuple[str, int], size: int, connections: int, depth: int, tls: bool) -> None:
        self.ring = Ring(size)
        self.epoll = select.epoll()
        self.buffer = memoryview(bytearray(READ_SIZE))
        self.connections = {}
        self.unanswered = connections
        self.measuring = False
        self.messages = self.total = self.mismatches = 0
        self.latencies: dict[tuple[int, int], int] = {}
        self.last_progress = time.monotonic()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if tls else None
        if context:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        for index in range(connections):
            sock = socket.create_connection(address, timeout=STALL)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)  # leave no TIME_WAIT behind
            if context:
                sock = context.wrap_socket(sock)
            sock.setblocking(False)
            self.connections[sock.fileno()] = Connection(sock, index * self.ring.frame % self.ring.size)
            self.epoll.register(sock.fileno(), select.EPOLLIN)
        for connection in self.connections.values():
            self.send(connection, depth)

    def send(self, connection: Connection, count: int) -> None:
        """Start `count` more messages."""
        connection.sent_at.extend([time.monotonic()] * count)
        connection.to_write += count * self.ring.frame
        self.pump(connection)

    def pump(self, connection: Connection) -> None:
        """Write as much as the socket takes."""
        while connection.to_write:
            end = min(connection.write_at + connection.to_write, len(self.ring.bytes))
            try:
                sent = connection.sock.send(self.ring.bytes[connection.write_at : end])
            except WAITS:
                break
            connection.to_write -= sent
            connection.write_at = (connection.write_at + sent) % self.ring.size
        if bool(connection.to_write) != connection.waits:
            connection.waits = not connection.waits
            mask = select.EPOLLIN | select.EPOLLOUT if connection.waits else select.EPOLLIN
            self.epoll.modify(connection.sock.fileno(), mask)

    def receive(self, connection: Connection) -> None:
        """Read, compare, count, and send as many messages as were answered."""
        finished = 0
        while True:
            try:
                size = connection.sock.recv_into(self.buffer)
            except WAITS:
                break
            if not size:
                raise ConnectionError("closed by the server")
            finished += self.check(connection, size)
            if not isinstance(connection.sock, ssl.SSLSocket):
                break  # what OpenSSL holds back does not show in epoll; a plain socket's rest does
        if finished:
            self.send(connection, finished)

    def check(self, connection: Connection, size: int) -> int:
        """Compare what came with what was sent; the number of messages it completes."""
        frame, done = self.ring.frame, 0
        while done < size:
            part = min(size - done, len(self.ring.bytes) - connection.read_at)
            if self.buffer[done : done + part] != self.ring.bytes[connection.read_at : connection.read_at + part]:
                self.mismatches += 1
            connection.read_at = (connection.read_at + part) % self.ring.size
            done += part
        finished, connection.partial = divmod(connection.partial + size, frame)
        now = self.last_progress = time.monotonic()
        for _ in range(finished):
            elapsed = now - connection.sent_at.popleft()
            if self.measuring:
                fraction, exponent = frexp(elapsed)
                bucket = exponent, int(fraction * 64)
                self.latencies[bucket] = self.latencies.get(bucket, 0) + 1
        self.total += finished
        if finished and not connection.answered:
            connection.answered = True
            self.unanswered -= 1
        if self.measuring and finished:
            self.messages += finished
            connection.in_window = True
        return finished

    def run(self, warmup: float, seconds: float, spin: bool) -> float:
        """Run until the window is over; its length in seconds."""
        start = time.monotonic() + warmup
        end = float("inf")
        while True:
            events = self.epoll.poll(0 if spin else 0.1)
            now = time.monotonic()
            if not self.measuring and now >= start and (not self.unanswered or now >= start + PATIENCE):
                self.measuring = True
                start, end = now, now + seconds
            if now >= end:
                return now - start
            if now - self.last_progress > STALL:
                raise TimeoutError("no reply for 10 s")
            for fd, mask in events:
                connection = self.connections[fd]
                if mask & ~select.EPOLLOUT:
                    self.receive(connection)
                if mask & select.EPOLLOUT:
                    self.pump(connection)

    def percentile(self, share: float) -> float:
        """Microseconds that this share of the messages did not exceed."""
        wanted, seen = self.messages * share, 0
        for (exponent, step), count in sorted(self.latencies.items()):
            seen += count
            if seen > wanted:
                return (step + 0.5) / 64 * 2.0**exponent * 1e6
        return 0.0


def main() -> int:
    """Run the load that the arguments describe and print its JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("framing", choices=["len4"])
    parser.add_argument("size", type=int)
    parser.add_argument("connections", type=int)
    parser.add_argument("depth", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--spin", action="store_true", help="never sleep: only with a core of its own")
    parser.add_argument("--warmup", type=float, default=0.3)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        load = Load((options.host, options.port), options.size, options.connections, options.depth, options.tls)
        seconds = load.run(options.warmup, options.seconds, options.spin)
    except OSError as error:
        print(f"load: {error}", file=sys.stderr)
        return 1
    rate = load.messages / seconds
    result = {
        "messages": load.messages,
        "seconds": round(seconds, 4),
        "messages_per_second": round(rate, 1),
        "mb_per_second": round(rate * options.size / 1e6, 3),
        "p50_us": round(load.percentile(0.5), 1),
        "p99_us": round(load.percentile(0.99), 1),
        "mismatches": load.mismatches,
        "silent_connections": sum(not connection.in_window for connection in load.connections.values()),
        "total_messages": load.total,
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
