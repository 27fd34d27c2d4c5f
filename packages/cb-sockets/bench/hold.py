"""The client process of memory.py: opens connections, has one 64-byte message echoed on each, and holds them.

Told on stdin how many connections there shall be in all, it opens the missing ones and prints a JSON line: how many are
open, how many seconds it took, and the first error if there was one. It ends when stdin does.
"""

from __future__ import annotations

import json
import resource
import socket
import struct
import sys
import time

MESSAGE = (64).to_bytes(4, "big") + bytes(range(64))
PER_SOURCE = 20_000
RESET = struct.pack("ii", 1, 0)


def open_one(port: int, index: int) -> socket.socket:
    """One connection with an echo behind it; beyond 20,000 they come from further loopback addresses."""
    source = (f"127.0.0.{1 + index // PER_SOURCE}", 0) if index >= PER_SOURCE else None
    sock = socket.create_connection(("127.0.0.1", port), 10, source)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)  # leave no TIME_WAIT behind: the next server comes
    sock.sendall(MESSAGE)
    reply = b""
    while len(reply) < len(MESSAGE):
        data = sock.recv(len(MESSAGE) - len(reply))
        if not data:
            raise ConnectionError("closed by the server")
        reply += data
    if reply != MESSAGE:
        raise ConnectionError("the echo was wrong")
    return sock


def main() -> None:
    """Open as many as stdin says, line by line."""
    port = int(sys.argv[1])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    held: list[socket.socket] = []
    for line in sys.stdin:
        begin, error = time.perf_counter(), ""
        try:
            while len(held) < int(line):
                held.append(open_one(port, len(held)))
        except OSError as failure:
            error = str(failure)
        print(json.dumps({"open": len(held), "seconds": time.perf_counter() - begin, "error": error}), flush=True)


if __name__ == "__main__":
    main()
