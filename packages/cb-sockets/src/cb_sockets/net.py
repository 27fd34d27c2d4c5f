"""Addresses, and the sockets that stand at them: TCP over IPv4 and IPv6, TLS, and Unix sockets."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cb_sockets.errors import AddressError, ConnectFailed, TimeoutExceeded

__all__ = [
    "Address",
    "address_of",
    "client_context",
    "describe",
    "listen",
    "open_connection",
    "server_context",
    "unix_name",
    "why_not_connected",
]


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect or listen: `host` and `port`, or the `path` of a Unix socket (``@name``: abstract, Linux).

    >>> Address.parse("tls://[::1]:443")
    Address(host='::1', port=443, path='', tls=True)
    >>> str(Address.parse("localhost:80"))
    'tcp://localhost:80'
    """

    host: str = ""
    port: int = 0
    path: str = ""
    tls: bool = False

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``[tcp://]HOST:PORT``, ``tls://HOST:PORT`` or ``unix:PATH``; an IPv6 host stands in brackets.

        Raises `AddressError` for anything else.
        """
        if text.startswith("unix:"):
            path = text[5:].removeprefix("//")
            if not path:
                raise AddressError(f"address {text!r} has no path (use unix:/run/x.sock)")
            return cls(path=path)
        scheme, separator, rest = text.rpartition("://")
        host, colon, port = rest.rpartition(":")
        if (separator and scheme not in ("tcp", "tls")) or not colon or (":" in host and host[:1] + host[-1:] != "[]"):
            raise AddressError(
                f"cannot read address {text!r} (use HOST:PORT, [IPV6]:PORT, tls://HOST:PORT or unix:PATH)"
            )
        if not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise AddressError(f"address {text!r}: port {port!r} is not a number from 0 to 65535")
        return cls(host.removeprefix("[").removesuffix("]"), int(port), "", scheme == "tls")

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.tls else 'tcp'}://{host}:{self.port}"


def address_of(value: str | tuple[str, int] | Address) -> Address:
    """An `Address` from any of the forms that the public functions take."""
    if isinstance(value, Address):
        return value
    if isinstance(value, str):
        return Address.parse(value)
    if not 0 <= value[1] < 65536:
        raise AddressError(f"address {value!r}: port {value[1]} is not a number from 0 to 65535")
    return Address(value[0], value[1])


def describe(error: OSError) -> str:
    """An OS error as words, without its number and without the traceback's noise."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def unix_name(path: str) -> str:
    """The name that the socket calls take: a leading @ means Linux's abstract names."""
    return "\0" + path[1:] if path.startswith("@") else path


def open_connection(
    address: Address, *, timeout: float | None, tls: ssl.SSLContext | None, server_hostname: str | None
) -> socket.socket:
    """A connected socket, TLS handshake done. Tries every address the name has.

    Raises `ConnectFailed` or `TimeoutExceeded` (`timeout` in seconds, for each step).
    """
    sock: socket.socket | None = None
    try:
        if address.path:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(timeout)
            sock.connect(unix_name(address.path))
        else:
            sock = socket.create_connection((address.host, address.port), timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            name = server_hostname or address.host or None
            # A peer that vanishes without TLS's own goodbye is an error: the end may have been cut off.
            sock = tls.wrap_socket(sock, server_hostname=name, suppress_ragged_eofs=False)
        return sock
    except (OSError, ValueError) as error:  # ssl reports a bad server name as ValueError
        if sock is not None:
            sock.close()
        if isinstance(error, TimeoutError):
            raise TimeoutExceeded(f"{address}: no connection within {timeout} s") from error
        raise ConnectFailed(f"{address}: {why_not_connected(error)}") from error


def why_not_connected(error: OSError | ValueError) -> str:
    """What a failed connect or TLS handshake tells, and what to do about it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message} (give its authority with --ca or an SSLContext)"
    if isinstance(error, ssl.SSLError):
        return f"TLS handshake failed: {error.reason or error} (does the server speak TLS here?)"
    if isinstance(error, (ConnectionRefusedError, FileNotFoundError)):
        return f"{describe(error)} (is the server running, and is this its address?)"
    return describe(error) if isinstance(error, OSError) else str(error)


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening, non-blocking socket, and the address it got."""

    sock: socket.socket
    address: Address
    _file: tuple[int, int] | None = None

    def close(self) -> None:
        """Stop listening. A Unix socket's file goes too, unless a successor has put its own there."""
        self.sock.close()
        with contextlib.suppress(FileNotFoundError):
            if self._file is not None and _file_id(self.address.path) == self._file:
                Path(self.address.path).unlink()


def listen(address: Address, *, backlog: int = 4096, reuse_port: bool = False, tls: bool = False) -> Listener:
    """Listen. Port 0 takes a free one; an empty host means every IPv4 interface, ``[::]`` IPv6 too.

    A Unix socket file that nobody answers on any more is replaced; one that is in use is not. `backlog` is the
    queue of connections not accepted yet, cut down by the system's own limit; it limits nothing else.
    Raises `AddressError`.
    """
    try:
        if address.path:
            sock = _bind(socket.AF_UNIX, unix_name(_free_path(address.path)), backlog)
            return Listener(sock, address, None if address.path.startswith("@") else _file_id(address.path))
        options = [(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)]
        if reuse_port:
            options.append((socket.SOL_SOCKET, socket.SO_REUSEPORT, 1))
        # Accepted sockets inherit it. Replies are joined before they are written: nothing is left to wait for.
        options.append((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1))
        family, _, _, _, target = socket.getaddrinfo(
            address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = _bind(family, target, backlog, options)
        bound = sock.getsockname()
        return Listener(sock, Address(bound[0], bound[1], tls=tls))
    except UnicodeError as error:
        raise AddressError(f"cannot listen on {address}: no such host name") from error
    except OSError as error:
        hint = {
            errno.EADDRINUSE: " (another program listens there: choose another port, or 0 for a free one)",
            errno.EACCES: " (ports below 1024 need privileges: choose a higher one)",
        }.get(error.errno or 0, "")
        raise AddressError(f"cannot listen on {address}: {describe(error)}{hint}") from error


def _bind(family: int, target: Any, backlog: int, options: Sequence[tuple[int, int, int]] = ()) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        for level, name, value in options:
            sock.setsockopt(level, name, value)
        sock.bind(target)
        sock.listen(backlog)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _free_path(path: str) -> str:
    """Remove a socket file whose server is gone."""
    with contextlib.suppress(FileNotFoundError):
        if not path.startswith("@") and Path(path).is_socket():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(1)
                try:
                    probe.connect(path)
                except ConnectionRefusedError:
                    Path(path).unlink()
    return path


def _file_id(path: str) -> tuple[int, int]:
    status = Path(path).stat()
    return status.st_dev, status.st_ino


def client_context(*, ca: str | None = None, verify: bool = True) -> ssl.SSLContext:
    """TLS for a client: TLS 1.2 or newer, certificate and host name verified against `ca` or the system's store."""
    context = ssl.create_default_context(cafile=ca)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def server_context(certificate: str, key: str | None = None, *, client_ca: str | None = None) -> ssl.SSLContext:
    """TLS for a server, from PEM files. With `client_ca`, only clients that show a certificate of it get in."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
