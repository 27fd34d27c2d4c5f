"""What makes the handlers of `cb_logging.handlers`: each takes a line of text as a URL, and its options.

Where the standard library's handler would send more of a record than its text, or leave the one behind it open, a
subclass does not.
"""

from __future__ import annotations

import importlib.util
import logging
import logging.handlers as std
import queue
import re
from typing import Any
from urllib.parse import SplitResult, unquote

from cb_logging.errors import ConfigError
from cb_logging.levels import level
from cb_logging.rfc5424 import SyslogHandler
from cb_logging.rotation import Rotation
from cb_logging.sending import prepared, redactor_of
from cb_logging.template import message_of

__all__ = [
    "event_log", "file", "http", "journal", "memory", "null", "otlp", "pickled", "queued", "rotating", "smtp", "stream",
    "syslog", "timed", "watched",
]  # fmt: skip


def _place(url: SplitResult) -> str:
    """A path: what stands behind the scheme."""
    place = unquote(url.netloc + url.path)
    if not place:
        raise ConfigError("handler", url.geturl(), "names no path")
    return place


def _address(url: SplitResult, default: int | None = None) -> tuple[str, int]:
    try:
        port = url.port or default
    except ValueError:
        port = None
    if not url.hostname or not port:
        raise ConfigError("handler", url.geturl(), "names no host and port (write //host:port)")
    return url.hostname, port


def _number(field: str, text: str) -> int:
    if not text.isdecimal():
        raise ConfigError(field, text, "is no number")
    return int(text)


def stream(url: SplitResult, options: dict[str, str]) -> logging.Handler:  # noqa: ARG001 - as all here
    """A stream of the program."""
    import sys

    return logging.StreamHandler(getattr(sys, url.scheme))


def file(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    """A file."""
    return logging.FileHandler(_place(url), encoding="utf-8", delay="delay" in options)


def watched(url: SplitResult, options: dict[str, str]) -> logging.Handler:  # noqa: ARG001
    """A file that others rename."""
    return std.WatchedFileHandler(_place(url), encoding="utf-8")


def rotating(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    """A file of bounded size."""
    bound = Rotation.parse(options.get("max", "10MB"), options.get("keep", "5"))
    return std.RotatingFileHandler(_place(url), maxBytes=bound.size, backupCount=bound.keep, encoding="utf-8")


def timed(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    """A file for each time."""
    keep, every = _number("keep", options.get("keep", "5")), _number("interval", options.get("interval", "1"))
    when = options.get("when", "midnight").upper()
    if not re.fullmatch("[SMHD]|MIDNIGHT|W[0-6]", when):
        raise ConfigError("when", when, "is no time", ("S", "M", "H", "D", "midnight", "W0-W6"))
    return std.TimedRotatingFileHandler(_place(url), when=when, interval=every, backupCount=keep, encoding="utf-8")


def pickled(url: SplitResult, options: dict[str, str]) -> logging.Handler:  # noqa: ARG001
    """Pickled records, over TCP, UDP or a Unix socket."""
    kind: type[std.SocketHandler] = _Datagram if url.scheme.startswith("udp") else _Socket
    if url.scheme.endswith("+unix"):
        return kind(_place(url), None)
    return kind(*_address(url))


def smtp(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    """Mails."""
    if not {"from", "to"} <= options.keys():
        raise ConfigError("handler", url.geturl(), "names no sender and receiver (write ?from=…&to=…)")
    user = (unquote(url.username), unquote(url.password or "")) if url.username else None
    return std.SMTPHandler(
        _address(url, 25),
        options["from"],
        options["to"].split(","),
        options.get("subject", "log"),
        credentials=user,
        secure=() if url.scheme == "smtp+tls" else None,
    )


def syslog(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    """Syslog: this machine's, or another's by RFC 5424."""
    facility = options.get("facility", "user")
    if not url.netloc and url.scheme == "syslog":
        return std.SysLogHandler(_place(url), facility=facility)
    transport = url.scheme.partition("+")[2] or "udp"
    context = None
    if transport == "tls":
        import ssl

        try:
            context = ssl.create_default_context(cafile=options.get("ca"))
        except OSError as error:
            raise ConfigError("ca", options["ca"], f"is no file of certificates: {error.strerror}") from error
    default = 6514 if transport == "tls" else 514
    app = options.get("app", "python")
    return SyslogHandler(
        _address(url, default),
        transport=transport,  # type: ignore[arg-type] # the kinds in HANDLERS
        facility=facility,
        app=app,
        context=context,
    )


def event_log(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    """Windows' event log."""
    if importlib.util.find_spec("win32evtlogutil") is None:
        raise ConfigError("handler", url.geturl(), "needs Windows and pywin32")
    return std.NTEventLogHandler(_place(url), logtype=options.get("log", "Application"))  # pragma: no cover - Windows


def memory(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    """A buffer before another handler."""
    capacity = _number("handler", _place(url))
    return _Memory(capacity, level(options.get("flush", "ERROR")), _target(url, options))


def queued(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    """A queue and a thread before another handler."""
    made = _Queue(queue.Queue(_number("size", options.get("size", "0"))))
    made.listener = std.QueueListener(made.queue, _target(url, options), respect_handler_level=True)
    made.listener.start()
    return made


def http(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    """Requests."""
    host, port = _address(url, 443 if url.scheme == "https" else 80)
    method = options.pop("method", "POST").upper()
    return _Http(f"{host}:{port}", url.path or "/", method=method, secure=url.scheme == "https")


def otlp(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    """OpenTelemetry over HTTP."""
    from cb_logging.otlp import OtlpHandler

    target = url._replace(scheme=url.scheme.removeprefix("otlp+"), query="").geturl()
    return OtlpHandler(target, service=options.get("service", "python"))


def journal(url: SplitResult, options: dict[str, str]) -> logging.Handler:  # noqa: ARG001
    """Systemd's journal."""
    from cb_logging.journal import JournalHandler

    return JournalHandler(_place(url))


def null(url: SplitResult, options: dict[str, str]) -> logging.Handler:  # noqa: ARG001
    """Nothing."""
    return logging.NullHandler()


def _target(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    if "target" not in options:
        raise ConfigError("handler", url.geturl(), "names no handler behind it (write ?target=…)")
    from cb_logging.handlers import handler

    return handler(options["target"])


class _Socket(std.SocketHandler):
    """Sends records without their secrets."""

    def makePickle(self, record: logging.LogRecord) -> bytes:  # noqa: N802 - logging's name
        return super().makePickle(prepared(record, redactor_of(self)))


class _Datagram(_Socket, std.DatagramHandler):
    """The same over UDP."""


class _Http(std.HTTPHandler):
    """Sends records without their secrets."""

    def mapLogRecord(self, record: logging.LogRecord) -> dict[str, Any]:  # noqa: N802 - logging's name
        made = prepared(record, redactor_of(self))
        made.exc_info = None
        return super().mapLogRecord(made)


class _Memory(std.MemoryHandler):
    """Closes the handler behind it, too; and gives the format to that. The context is the call's."""

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(prepared(record, None))

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802 - logging's name
        if self.target is not None:
            self.target.setFormatter(fmt)

    def close(self) -> None:
        target = self.target
        super().close()
        if target is not None:
            target.close()


class _Queue(std.QueueHandler):
    """A queue, and the thread that empties it. Message and context are the call's, and a traceback stays one."""

    listener: std.QueueListener | None = None

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        made = prepared(record, None)
        made.msg, made.args = message_of(record), None
        return made

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802 - logging's name
        """The format is the handler's behind the queue."""
        if self.listener is not None:
            for one in self.listener.handlers:
                one.setFormatter(fmt)

    def close(self) -> None:
        if self.listener is not None:
            listener, self.listener = self.listener, None
            listener.stop()
            for one in listener.handlers:
                one.close()
        super().close()
