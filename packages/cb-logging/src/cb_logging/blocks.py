"""A file's bytes in blocks that begin and end where records do, so memory does not depend on the file's size."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["BLOCK", "GIANT", "blocks", "next_head"]

BLOCK = 1 << 18  # what a processor's cache holds: a block may be looked at more than once
GIANT = 64 << 20  # a record beyond this is given out in parts


def blocks(file: Any, head: re.Pattern[bytes], carry: bytes = b"", size: int = BLOCK) -> Iterator[bytes]:
    """Give a file's bytes out in blocks that begin and end where records do."""
    read = getattr(file, "read1", file.read)  # what is there is enough: somebody may be waiting for it
    while data := read(max(size, len(carry))):  # a record that is larger takes time in proportion to its size
        buffer = carry + data
        cut = _last_head(buffer, head)
        if cut <= 0 and len(buffer) < GIANT:
            carry = buffer
            continue
        cut = cut or len(buffer)
        yield buffer[:cut]
        carry = buffer[cut:]
    if carry:
        yield carry


def _last_head(buffer: bytes, head: re.Pattern[bytes]) -> int:
    """Where the last record begins that the buffer has the beginning of, 0 if there is only one."""
    end = len(buffer)
    while (line := buffer.rfind(b"\n", 0, end) + 1) > 0:
        if head.match(buffer, line) and line < len(buffer):
            return line
        end = line - 1
    return 0


def next_head(fd: int, place: int, head: re.Pattern[bytes]) -> int:
    """Where the first record begins that begins at a place or behind it; the file's size if there is none."""
    if place == 0:
        return 0
    at, carry = place - 1, b""
    while data := os.pread(fd, BLOCK >> 2, at):
        buffer, base = carry + data, at - len(carry)
        start = 0
        while (start := buffer.find(b"\n", start) + 1) > 0:
            if buffer.find(b"\n", start) < 0:  # the line is not here as a whole
                break
            if head.match(buffer, start):
                return base + start
        carry = buffer[max(0, buffer.rfind(b"\n")) :]
        at += len(data)
    return at - len(carry) + 1 if head.match(carry, 1) else at
