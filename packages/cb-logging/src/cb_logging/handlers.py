"""Any handler from one line of text: ``rotating:app.log?max=10MB&keep=5``, ``syslog+tcp://host:514``, ``stderr``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

from cb_logging import making as make
from cb_logging.errors import ConfigError
from cb_logging.levels import level

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


_KINDS = (
    Kind("stderr", "stderr", "standard error", "StreamHandler", (), make.stream),
    Kind("stdout", "stdout", "standard output", "StreamHandler", (), make.stream),
    Kind("file", "file:app.log", "a file", "FileHandler", ("delay",), make.file),
    Kind("watched", "watched:app.log", "a file that logrotate renames", "WatchedFileHandler", (), make.watched),
    Kind("rotating", "rotating:app.log?max=10MB&keep=5", "a file of bounded size, one process",
         "RotatingFileHandler", ("max", "keep"), make.rotating),
    Kind("timed", "timed:app.log?when=midnight&keep=7", "a file a day, one process",
         "TimedRotatingFileHandler", ("when", "interval", "keep"), make.timed),
    Kind("tcp", "tcp://host:9020", "pickled records over TCP", "SocketHandler", (), make.pickled),
    Kind("tcp+unix", "tcp+unix:/run/log.sock", "the same, a Unix socket", "SocketHandler", (), make.pickled),
    Kind("udp", "udp://host:9021", "pickled records over UDP", "DatagramHandler", (), make.pickled),
    Kind("udp+unix", "udp+unix:/run/log.sock", "the same, a Unix socket", "DatagramHandler", (), make.pickled),
    Kind("smtp", "smtp://user:pw@host:25?from=a@x&to=b@x&subject=log", "a mail for each record",
         "SMTPHandler", ("from", "to", "subject"), make.smtp),
    Kind("smtp+tls", "smtp+tls://user:pw@host:587?from=a@x&to=b@x", "the same after STARTTLS",
         "SMTPHandler", ("from", "to", "subject"), make.smtp),
    Kind("syslog", "syslog:/dev/log?facility=local0", "the syslog of this machine, or RFC 5424 over UDP: syslog://host:514",
         "SysLogHandler", ("facility", "app"), make.syslog),
    Kind("syslog+tcp", "syslog+tcp://host:514?facility=local0&app=shop", "RFC 5424, octet counting",
         "SyslogHandler", ("facility", "app"), make.syslog),
    Kind("syslog+tls", "syslog+tls://host:6514?ca=ca.pem", "the same over TLS",
         "SyslogHandler", ("facility", "app", "ca"), make.syslog),
    Kind("journal", "journal:/run/systemd/journal/socket", "systemd's journal", "JournalHandler", (), make.journal),
    Kind("otlp+http", "otlp+http://host:4318/v1/logs?service=shop", "OpenTelemetry over HTTP",
         "OtlpHandler", ("service",), make.otlp),
    Kind("otlp+https", "otlp+https://host:4318/v1/logs?service=shop", "the same over TLS",
         "OtlpHandler", ("service",), make.otlp),
    Kind("nteventlog", "nteventlog:shop?log=Application", "the event log of Windows (needs pywin32)",
         "NTEventLogHandler", ("log",), make.event_log),
    Kind("memory", "memory:1000?flush=ERROR&target=file:app.log", "keeps records until one is bad",
         "MemoryHandler", ("flush", "target"), make.memory),
    Kind("queue", "queue:?target=file:app.log", "a thread does the work",
         "QueueHandler", ("size", "target"), make.queued),
    Kind("http", "http://host:8000/log?method=POST", "a request for each record",
         "HTTPHandler", ("method",), make.http),
    Kind("https", "https://host/log?method=POST", "the same over TLS", "HTTPHandler", ("method",), make.http),
    Kind("null", "null:", "nothing: for libraries", "NullHandler", (), make.null),
)  # fmt: skip

HANDLERS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}


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
        raise ConfigError("handler", spec, "is no kind of handler, nor the path of a file with ./ before it", HANDLERS)
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    least = level(options.pop("level", "NOTSET"))
    valid = (*kind.options, "level")
    for name in options:
        if name not in valid:
            raise ConfigError("handler", name, f"is no option of {kind.name}", valid)
    made = kind.make(url, options)
    made.setLevel(least)
    return made
