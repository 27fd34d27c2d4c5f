"""A socket as `sending` wants it: bytes out, bytes in, every error of the line a `ConnectError` or a `TLSError`."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Final

from cb_mail.errors import ConnectError, TLSError
from cb_mail.url import Place

__all__ = ["IDLE", "Wire", "client_context", "connect_error", "tls_error"]

IDLE: Final = 10.0
"""Seconds after which a connection is made anew rather than trusted: nobody says when a router forgets one."""
_TOGETHER: Final = 1 << 17  # octets: what is less is copied, to go out in one piece with what is beside it


class Wire:
    """One connection.

    Raises:
        ConnectError: There is nobody, or not in time.
        TLSError: The server cannot prove who it is.
    """

    def __init__(
        self, place: Place, *, timeout: float, source: tuple[str, int] | None, context: ssl.SSLContext | None
    ) -> None:
        self._place = place
        self._used = time.monotonic()
        try:
            if place.path:
                self._socket: socket.socket = socket.socket(socket.AF_UNIX)
                try:
                    self._socket.settimeout(timeout)
                    self._socket.connect(place.path)
                except BaseException:
                    self._socket.close()
                    raise
            else:
                self._socket = socket.create_connection((place.host, place.port), timeout, source)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise connect_error(place, error) from error
        if context:
            self.start_tls(context)

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on in TLS."""
        plain = self._socket
        try:
            self._socket = context.wrap_socket(plain, server_hostname=self._place.host)
        except (OSError, ValueError) as error:
            plain.close()
            raise tls_error(self._place, error) from error

    def check(self) -> None:
        """Raise `ConnectError` where the connection is not to be used again."""
        if time.monotonic() - self._used > IDLE or select.select([self._socket], [], [], 0)[0]:
            raise ConnectError(f"{self._place}: the connection is not there any more")

    def write(self, data: Sequence[bytes]) -> None:
        """Send all of it."""
        self._used = time.monotonic()
        try:
            small: list[bytes] = []
            for one in data:
                if len(one) < _TOGETHER:
                    small.append(one)
                    continue
                self._socket.sendall(b"".join(small))
                self._socket.sendall(one)
                small = []
            if small:
                self._socket.sendall(b"".join(small))
        except OSError as error:
            raise connect_error(self._place, error) from error

    def read(self) -> bytes:
        """Return what came; nothing at the end."""
        try:
            data = self._socket.recv(1 << 16)
        except OSError as error:
            raise connect_error(self._place, error) from error
        self._used = time.monotonic()
        return data

    @property
    def peer_certificate(self) -> bytes | None:
        """The server's certificate (DER), over TLS."""
        return self._socket.getpeercert(binary_form=True) if isinstance(self._socket, ssl.SSLSocket) else None

    @property
    def cipher(self) -> str:
        """Protocol and cipher, over TLS."""
        if not isinstance(self._socket, ssl.SSLSocket) or not (cipher := self._socket.cipher()):
            return ""
        return f"{self._socket.version()} {cipher[0]}"

    def abort(self) -> None:
        """End it from another thread: who waits for the server is told that it closed the connection."""
        with contextlib.suppress(OSError):  # it has ended
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def connect_error(place: Place, error: Exception) -> ConnectError:
    """Return what an error of a socket means to who sends."""
    if isinstance(error, TimeoutError):
        return ConnectError(f"{place}: no answer in time")
    if isinstance(error, ssl.SSLError):
        return tls_error(place, error)
    number = error.errno if isinstance(error, OSError) and not isinstance(error, socket.gaierror) else None
    words = os.strerror(number) if number else str(getattr(error, "strerror", None) or error)
    return ConnectError(f"{place}: {words[:1].lower()}{words[1:]}")


def tls_error(place: Place, error: Exception) -> TLSError:
    """Return what an error of TLS means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return TLSError(f"{place}: the certificate is not good: {error.verify_message}")
    if isinstance(error, TimeoutError):
        return TLSError(f"{place}: no answer in time, to TLS")
    words = error.reason if isinstance(error, ssl.SSLError) and error.reason else str(error)
    return TLSError(f"{place}: no TLS: {words.lower().replace('_', ' ')} (is the port one for TLS?)")


def client_context(given: ssl.SSLContext | None) -> ssl.SSLContext:
    """Return the context to use: by default the system's authorities, names checked, TLS 1.2 at least."""
    return given or ssl.create_default_context()
