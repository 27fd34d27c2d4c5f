"""Any handler from one line of text: ``rotating:app.log?max=10MB&keep=5``, ``syslog+tcp://host:514``, ``stderr``."""

from __future__ import annotations

import logging
import logging.handlers as std
import queue
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from cb_logging.errors import ConfigError
from cb_logging.levels import level
from cb_logging.rfc5424 import SyslogHandler
from cb_logging.rotation import Rotation

__all__ = ["HANDLERS", "Kind", "handler"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of handler: how it is written, what it is for, the class behind it."""

    name: str
    example: str
    meaning: str
    made_of: str
    options: tuple[str, ...]
    make: Callable[[SplitResult, dict[str, str]], logging.Handler]


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


def _stream(url: SplitResult, options: dict[str, str]) -> logging.Handler:  # noqa: ARG001 - as all here
    import sys

    return logging.StreamHandler(getattr(sys, url.scheme))


def _file(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    return logging.FileHandler(_place(url), encoding="utf-8", delay="delay" in options)


def _watched(url: SplitResult, options: dict[str, str]) -> logging.Handler:  # noqa: ARG001
    return std.WatchedFileHandler(_place(url), encoding="utf-8")


def _rotating(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    bound = Rotation.parse(options.get("max", "10MB"), options.get("keep", "5"))
    return std.RotatingFileHandler(_place(url), maxBytes=bound.size, backupCount=bound.keep, encoding="utf-8")


def _timed(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    keep, every = _number("keep", options.get("keep", "5")), _number("interval", options.get("interval", "1"))
    when = options.get("when", "midnight").upper()
    if not re.fullmatch("[SMHD]|MIDNIGHT|W[0-6]", when):
        raise ConfigError("when", when, "is no time", ("S", "M", "H", "D", "midnight", "W0-W6"))
    return std.TimedRotatingFileHandler(_place(url), when=when, interval=every, backupCount=keep, encoding="utf-8")


def _socket(url: SplitResult, options: dict[str, str]) -> logging.Handler:  # noqa: ARG001
    kind: type[std.SocketHandler] = std.DatagramHandler if url.scheme.startswith("udp") else std.SocketHandler
    if url.scheme.endswith("+unix"):
        return kind(_place(url), None)
    return kind(*_address(url))


def _smtp(url: SplitResult, options: dict[str, str]) -> logging.Handler:
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


def _syslog(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    facility = options.get("facility", "user")
    if not url.netloc:
        return std.SysLogHandler(_place(url), facility=facility)
    transport = url.scheme.partition("+")[2] or "udp"
    context = None
    if transport == "tls":
        import ssl

        context = ssl.create_default_context(cafile=options.get("ca"))
    default = 6514 if transport == "tls" else 514
    app = options.get("app", "python")
    return SyslogHandler(
        _address(url, default),
        transport=transport,  # type: ignore[arg-type] # the kinds in HANDLERS
        facility=facility,
        app=app,
        context=context,
    )


def _event_log(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    return std.NTEventLogHandler(_place(url), logtype=options.get("log", "Application"))


def _memory(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    capacity = _number("handler", _place(url))
    return _Memory(capacity, level(options.get("flush", "ERROR")), _target(url, options))


def _queue(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    made = _Queue(queue.Queue(_number("size", options.get("size", "0"))))
    made.listener = std.QueueListener(made.queue, _target(url, options), respect_handler_level=True)
    made.listener.start()
    return made


def _http(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    host, port = _address(url, 443 if url.scheme == "https" else 80)
    method = options.pop("method", "POST").upper()
    return std.HTTPHandler(f"{host}:{port}", url.path or "/", method=method, secure=url.scheme == "https")


def _otlp(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    from cb_logging.otlp import OtlpHandler

    target = url._replace(scheme=url.scheme.removeprefix("otlp+"), query="").geturl()
    return OtlpHandler(target, service=options.get("service", "python"))


def _journal(url: SplitResult, options: dict[str, str]) -> logging.Handler:  # noqa: ARG001
    from cb_logging.journal import JournalHandler

    return JournalHandler(_place(url))


def _null(url: SplitResult, options: dict[str, str]) -> logging.Handler:  # noqa: ARG001
    return logging.NullHandler()


def _target(url: SplitResult, options: dict[str, str]) -> logging.Handler:
    if "target" not in options:
        raise ConfigError("handler", url.geturl(), "names no handler behind it (write ?target=…)")
    return handler(options["target"])


class _Memory(std.MemoryHandler):
    """Closes the handler behind it, too; and gives the format to that."""

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802 - logging's name
        if self.target is not None:
            self.target.setFormatter(fmt)

    def close(self) -> None:
        target = self.target
        super().close()
        if target is not None:
            target.close()


class _Queue(std.QueueHandler):
    """A queue, and the thread that empties it."""

    listener: std.QueueListener | None = None

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


def _kinds() -> list[Kind]:
    every: list[tuple[str, str, str, str, tuple[str, ...], Any]] = [
        ("stderr", "stderr", "standard error", "StreamHandler", (), _stream),
        ("stdout", "stdout", "standard output", "StreamHandler", (), _stream),
        ("file", "file:app.log", "a file", "FileHandler", ("delay",), _file),
        ("watched", "watched:app.log", "a file that logrotate renames", "WatchedFileHandler", (), _watched),
        (
            "rotating",
            "rotating:app.log?max=10MB&keep=5",
            "a file of bounded size, one process",
            "RotatingFileHandler",
            ("max", "keep"),
            _rotating,
        ),
        (
            "timed",
            "timed:app.log?when=midnight&keep=7",
            "a file a day, one process",
            "TimedRotatingFileHandler",
            ("when", "interval", "keep"),
            _timed,
        ),
        ("tcp", "tcp://host:9020", "pickled records over TCP", "SocketHandler", (), _socket),
        ("tcp+unix", "tcp+unix:/run/log.sock", "the same, a Unix socket", "SocketHandler", (), _socket),
        ("udp", "udp://host:9021", "pickled records over UDP", "DatagramHandler", (), _socket),
        ("udp+unix", "udp+unix:/run/log.sock", "the same, a Unix socket", "DatagramHandler", (), _socket),
        (
            "smtp",
            "smtp://user:pw@host:25?from=a@x&to=b@x&subject=log",
            "a mail for each record",
            "SMTPHandler",
            ("from", "to", "subject"),
            _smtp,
        ),
        (
            "smtp+tls",
            "smtp+tls://user:pw@host:587?from=a@x&to=b@x",
            "the same after STARTTLS",
            "SMTPHandler",
            ("from", "to", "subject"),
            _smtp,
        ),
        (
            "syslog",
            "syslog:/dev/log?facility=local0",
            "the syslog of this machine, or RFC 5424 over UDP: syslog://host:514",
            "SysLogHandler",
            ("facility", "app"),
            _syslog,
        ),
        (
            "syslog+tcp",
            "syslog+tcp://host:514?facility=local0&app=shop",
            "RFC 5424, octet counting",
            "SyslogHandler",
            ("facility", "app"),
            _syslog,
        ),
        (
            "syslog+tls",
            "syslog+tls://host:6514?ca=ca.pem",
            "the same over TLS",
            "SyslogHandler",
            ("facility", "app", "ca"),
            _syslog,
        ),
        ("journal", "journal:/run/systemd/journal/socket", "systemd's journal", "JournalHandler", (), _journal),
        (
            "otlp+http",
            "otlp+http://host:4318/v1/logs?service=shop",
            "OpenTelemetry over HTTP",
            "OtlpHandler",
            ("service",),
            _otlp,
        ),
        (
            "otlp+https",
            "otlp+https://host:4318/v1/logs?service=shop",
            "the same over TLS",
            "OtlpHandler",
            ("service",),
            _otlp,
        ),
        (
            "nteventlog",
            "nteventlog:shop?log=Application",
            "the event log of Windows (needs pywin32)",
            "NTEventLogHandler",
            ("log",),
            _event_log,
        ),
        (
            "memory",
            "memory:1000?flush=ERROR&target=file:app.log",
            "keeps records until one is bad",
            "MemoryHandler",
            ("flush", "target"),
            _memory,
        ),
        ("queue", "queue:?target=file:app.log", "a thread does the work", "QueueHandler", ("size", "target"), _queue),
        ("http", "http://host:8000/log?method=POST", "a request for each record", "HTTPHandler", ("method",), _http),
        ("https", "https://host/log?method=POST", "the same over TLS", "HTTPHandler", ("method",), _http),
        ("null", "null:", "nothing: for libraries", "NullHandler", (), _null),
    ]
    return [Kind(*one) for one in every]


HANDLERS: dict[str, Kind] = {kind.name: kind for kind in _kinds()}


def handler(spec: str) -> logging.Handler:
    """Make a handler from a line of text; every kind takes ``level``, too.

    Raises:
        ConfigError: There is no such kind, it lacks something, or has an option that is not there.

    >>> handler("null:?level=INFO")
    <NullHandler (INFO)>
    >>> handler("rotating:app.log?size=3")
    Traceback (most recent call last):
    cb_logging.errors.ConfigError: handler: 'size' is no option of rotating (use one of: max, keep, level)
    """
    url = urlsplit(spec if ":" in spec else f"{spec}:")
    kind = HANDLERS.get(url.scheme)
    if kind is None:
        raise ConfigError("handler", spec, "is no kind of handler", HANDLERS)
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    least = level(options.pop("level", "NOTSET"))
    valid = (*kind.options, "level")
    for name in options:
        if name not in valid:
            raise ConfigError("handler", name, f"is no option of {kind.name}", valid)
    made = kind.make(url, options)
    made.setLevel(least)
    return made
