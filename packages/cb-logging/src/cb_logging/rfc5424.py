"""Syslog as RFC 5424 says, framed as RFC 6587 and RFC 5425 say: each record is one message, whatever is in it.

`logging.handlers.SysLogHandler` over TCP ends a message with a NUL and frames nothing: receivers merge and cut them.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import re
import socket
from typing import TYPE_CHECKING, Literal

from cb_logging.errors import ConfigError
from cb_logging.redact import Redactor
from cb_logging.sending import fields_of, prepared, redactor_of
from cb_logging.template import message_of, traceback_of
from cb_logging.text import text_of

if TYPE_CHECKING:
    import ssl

__all__ = ["FACILITIES", "SyslogHandler"]

_NAMES = ["kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"]
FACILITIES = {name: number for number, name in enumerate(_NAMES)} | {f"local{n}": 16 + n for n in range(8)}


def _severity(level: int) -> int:
    return next(value for least, value in ((50, 2), (40, 3), (30, 4), (20, 6), (-1 << 62, 7)) if level >= least)


def _token(text: str, length: int) -> str:
    """A header field: printable ASCII, no blanks; ``-`` for nothing."""
    return re.sub(r"[^!-~]", "_", text)[:length] or "-"


def _value(text: str) -> str:
    return re.sub(r'(["\\\]])', r"\\\1", text)


class SyslogHandler(logging.Handler):
    """Sends records to a syslog server over UDP, TCP with octet counting, or TLS; connects at the first record.

    Args:
        address: Host and port.
        transport: ``udp``, ``tcp`` or ``tls``.
        facility: One of `FACILITIES`.
        app: Name of the program; default the process's script.
        context: For TLS; default `ssl.create_default_context`.
        timeout: Seconds for connecting and for sending.
        redactor: Hides secrets; default the formatter's.

    A send that fails is tried once more on a new connection; then the record goes to `Handler.handleError`.
    """

    address: tuple[str, int]
    transport: str
    timeout: float

    def __init__(
        self,
        address: tuple[str, int],
        *,
        transport: Literal["udp", "tcp", "tls"] = "tcp",
        facility: str = "user",
        app: str = "python",
        context: ssl.SSLContext | None = None,
        timeout: float = 5.0,
        redactor: Redactor | None = None,
    ) -> None:
        if facility not in FACILITIES:
            raise ConfigError("facility", facility, "is no syslog facility", FACILITIES)
        super().__init__()
        self.address, self.transport, self.timeout = address, transport, timeout
        self._facility, self._app = FACILITIES[facility], _token(app, 48)
        self._tls = context
        if transport == "tls" and context is None:
            import ssl

            self._tls = ssl.create_default_context()
        self._host = _token(socket.gethostname(), 255)
        self._redactor = redactor
        self._socket: socket.socket | None = None

    def message(self, record: logging.LogRecord) -> bytes:
        """The record as an RFC 5424 message: call site and ``extra`` are structured data, a traceback is text."""
        record = prepared(record, self._redactor or redactor_of(self))
        time = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="microseconds")
        fields: dict[str, object] = {
            "logger": record.name,
            "thread": record.threadName,
            "module": record.module,
            "line": record.lineno,
        }
        fields |= fields_of(record)
        data = " ".join(f'{_name(key)}="{_value(text_of(value))}"' for key, value in fields.items())
        text = "\n".join(part for part in (message_of(record), traceback_of(record)) if part)
        priority = self._facility * 8 + _severity(record.levelno)
        head = f"<{priority}>1 {time} {self._host} {self._app} {record.process or os.getpid()} - [cb@32473 {data}]"
        return f"{head} \ufeff{text}".encode("utf-8", "backslashreplace")

    def _connect(self) -> socket.socket:
        if self.transport == "udp":
            family, _, _, _, address = socket.getaddrinfo(*self.address, type=socket.SOCK_DGRAM)[0]
            made = socket.socket(family, socket.SOCK_DGRAM)
            made.connect(address)
            return made
        made = socket.create_connection(self.address, self.timeout)
        if self._tls is None or self.transport != "tls":
            return made
        try:
            return self._tls.wrap_socket(made, server_hostname=self.address[0])
        except OSError:
            made.close()
            raise

    def emit(self, record: logging.LogRecord) -> None:
        try:
            data = self.message(record)
            frame = data if self.transport == "udp" else b"%d %b" % (len(data), data)
            try:
                self._send(frame)
            except OSError:  # the server has gone since the last record, and may be back
                self._drop()
                self._send(frame)
        except Exception:  # noqa: BLE001 - as all handlers of the standard library do
            self._drop()
            self.handleError(record)

    def _send(self, frame: bytes) -> None:
        if self._socket is None:
            self._socket = self._connect()
        self._socket.sendall(frame)

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _say_goodbye(self, made: socket.socket) -> None:
        """End our side and wait for the server's end.

        To close with bytes unread, as TLS's session tickets are, resets the connection, and what is on its way is lost.
        """
        with contextlib.suppress(OSError, ValueError):
            made.settimeout(self.timeout)
            if (unwrap := getattr(made, "unwrap", None)) is not None:  # of TLS
                made = unwrap()
            made.shutdown(socket.SHUT_WR)
            made.settimeout(self.timeout)
            while made.recv(1 << 12):
                pass

    def close(self) -> None:
        self.acquire()
        try:
            if self._socket is not None and self.transport != "udp":
                self._say_goodbye(self._socket)
            self._drop()
        finally:
            self.release()
        super().close()


def _name(text: str) -> str:
    return re.sub(r'[^!-~]|[=\]"]', "_", text)[:32]
