"""systemd's journal: its native protocol over a socket, and its export format for ``systemd-journal-remote``."""

from __future__ import annotations

import logging
import re
import socket

from cb_logging.sending import fields_of, prepared, redactor_of
from cb_logging.template import message_of, traceback_of
from cb_logging.text import text_of

__all__ = ["JournalHandler", "journal_entry"]

_PRIORITIES = ((50, 2), (40, 3), (30, 4), (20, 6))


def journal_entry(record: logging.LogRecord) -> bytes:
    """The record in the journal's export format, and its native protocol's: fields, binary-safe, then an empty line.

    (systemd.io/JOURNAL_EXPORT_FORMATS.) The time is ``__REALTIME_TIMESTAMP``.
    """
    text = "\n".join(part for part in (message_of(record), traceback_of(record)) if part)
    fields: dict[str, object] = {
        "__REALTIME_TIMESTAMP": int(record.created * 1e6),
        "MESSAGE": text,
        "PRIORITY": next((value for least, value in _PRIORITIES if record.levelno >= least), 7),
        "LOGGER": record.name,
        "THREAD_NAME": record.threadName,
        "CODE_FILE": record.pathname,
        "CODE_LINE": record.lineno,
        "CODE_FUNC": record.funcName,
        "SYSLOG_PID": record.process,
    }
    fields |= {_name(key): value for key, value in fields_of(record).items()}
    return b"".join(_field(name, text_of(value)) for name, value in fields.items()) + b"\n"


def _name(text: str) -> str:
    """Capital letters, digits and _; not _ first, which is the journal's own."""
    return re.sub(r"[^A-Z0-9_]", "_", text.upper()).lstrip("_0123456789")[:64] or "FIELD"


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "backslashreplace")
    if value.isprintable():
        return b"%b=%b\n" % (name.encode(), data)
    return b"%b\n%b%b\n" % (name.encode(), len(data).to_bytes(8, "little"), data)


class JournalHandler(logging.Handler):
    """Sends records to a journal's socket, by default this machine's."""

    path: str

    def __init__(self, path: str = "/run/systemd/journal/socket") -> None:
        super().__init__()
        self.path = path
        self._socket: socket.socket | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            entry = journal_entry(prepared(record, redactor_of(self)))
            # The time is the journal's own to set here; the first line is ours of the export format.
            self._socket.sendto(entry.partition(b"\n")[2][:-1], self.path)
        except Exception:  # noqa: BLE001 - as all handlers of the standard library do
            self.handleError(record)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        super().close()
