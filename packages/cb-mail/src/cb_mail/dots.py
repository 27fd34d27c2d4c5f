"""Dots at the beginning of lines: doubled on the way, for one alone ends a message (RFC 5321, 4.5.2)."""

from __future__ import annotations

__all__ = ["doubled", "undoubled"]


def doubled(data: bytes, *, begins: bool) -> bytes:
    """Return *data* as it is sent. *begins*: its first octet begins a line."""
    if _dotted(data):
        data = data.replace(b"\r\n.", b"\r\n..")
    return b"." + data if begins and data.startswith(b".") else data


def undoubled(data: bytes) -> bytes:
    """Return what was sent as *data*, which begins with a line."""
    if _dotted(data):
        data = data.replace(b"\r\n.", b"\r\n")
    return data.removeprefix(b".")


def _dotted(data: bytes) -> bool:
    """Whether a line but the first begins with a dot.

    One octet is found fifty times as quickly as three; where dots are rare, as in base64, each is looked at.
    """
    if data.count(b".") * 256 > len(data):
        return b"\r\n." in data
    at = data.find(b".", 2)
    while at >= 0:
        if data[at - 2 : at] == b"\r\n":
            return True
        at = data.find(b".", at + 1)
    return False
