"""Close a listener without losing a connection.

Between the last ``accept`` and ``close`` the kernel may complete one more handshake; ``close`` then resets a client
that believes itself connected. On Linux a socket filter ends that: it drops packets that open a connection (SYN
without ACK) and lets all others pass, so that handshakes under way complete, can be accepted, and no new one begins.
The client of a dropped SYN asks again a second later and is refused, or answered by whoever listens there then.
A Unix socket has no handshake: shut for reading, it refuses whoever comes, and hands out those in its queue.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import sys

__all__ = ["stop_handshakes"]

_SO_ATTACH_FILTER = 26
# Classic BPF over the TCP header: load the flags byte, keep SYN and ACK, drop where only SYN is set.
_PROGRAM = (
    (0x30, 0, 0, 13),  # A = flags
    (0x54, 0, 0, 0x12),  # A &= SYN | ACK
    (0x15, 0, 1, 0x02),  # if A == SYN
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # else pass
)


def stop_handshakes(listener: socket.socket) -> bool:
    """Let no new connection begin; those in the queue, or on their way into it, can be accepted still.

    True where some may be on their way, so that the listener should stay open for a moment more.
    """
    if sys.platform != "linux":
        return False
    if listener.family == socket.AF_UNIX:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RD)
        return False
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in _PROGRAM)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HL", len(_PROGRAM), ctypes.addressof(buffer))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError:  # a sandbox that forbids it: the window stays, as narrow as it can be
        return False
    return True
