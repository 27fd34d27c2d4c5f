"""The handler and the formatter: `logging.Handler` and `logging.Formatter` like any others, and usable as such."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence

from cb_logging.errors import ConfigError
from cb_logging.fields import current
from cb_logging.json_form import JsonForm
from cb_logging.redact import Redactor
from cb_logging.rotation import RotatingSink, Rotation
from cb_logging.sinks import FileSink, Sink, StreamSink
from cb_logging.spool import Spool
from cb_logging.template import FORMATS, Template
from cb_logging.text import text_of

__all__ = ["Formatter", "Output", "output"]

_COLORS = {10: "\x1b[2m", 30: "\x1b[33m", 40: "\x1b[31m", 50: "\x1b[1;31m"}


class Formatter(logging.Formatter):
    """Writes records by a template or as JSON, safe to read back and without secrets.

    Args:
        format: ``book``, ``basic``, ``color`` (book's, with the level's colour), ``json``, or a ``%`` format.
        datefmt: As `time.strftime` takes it.
        fields: Names of context fields that the format uses.
        redact: Hide secrets; a list of keys hides those, too, and ``pii`` e-mail addresses and long numbers.

    Raises:
        FormatError: Here, not at the first record.

    In `logging.config.dictConfig`: ``{"()": "cb_logging.Formatter", "format": "json"}``.
    """

    redactor: Redactor | None
    color: bool

    def __init__(
        self,
        format: str = "book",  # noqa: A002 - as basicConfig calls it
        *,
        datefmt: str | None = None,
        fields: Iterable[str] = (),
        redact: bool | Sequence[str] = True,
    ) -> None:
        super().__init__()
        if format not in FORMATS and "%" not in format:
            raise ConfigError("format", format, "is no format", (*FORMATS, "a format with % fields"))
        text = FORMATS.get(format, format)
        self.form: Template | JsonForm = Template(text, datefmt=datefmt, fields=fields) if text else JsonForm()
        self.redactor = Redactor(() if redact is True else redact) if redact else None
        self.color = format == "color"

    def format(self, record: logging.LogRecord) -> str:
        """The record as it is written, without the last line end."""
        if isinstance(self.form, JsonForm):
            return self.form.render(record, self.redactor)
        fields = {**current.get(), **record.__dict__} if self.form.fields else {}
        shown = {name: self.field(name, fields[name]) for name in self.form.fields if name in fields}
        text = self.form.render(record, self.redactor or str, shown)
        color = _COLORS.get(record.levelno, "") if self.color else ""
        return f"{color}{text}\x1b[0m" if color else text

    def field(self, name: str, value: object) -> str:
        """A context field as the line shows it, but for control characters."""
        return text_of(value) if self.redactor is None else self.redactor.field(name, value)


class Output(logging.Handler):
    """Writes records to a sink, and never raises into the program: what fails is counted, and said once on stderr.

    Attributes:
        failures: Records that could not be written.
    """

    sink: Sink
    failures: int

    def __init__(self, sink: Sink, formatter: logging.Formatter | None = None) -> None:
        super().__init__()
        self.sink = sink
        self.setFormatter(formatter or Formatter())
        self.failures = 0
        self._second = -1
        self._said = threading.Lock()

    def __repr__(self) -> str:
        return f"<Output {self.sink.name} ({logging.getLevelName(self.level)})>"

    def emit(self, record: logging.LogRecord) -> None:
        try:
            data = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
            self.tick(int(record.created))
            self.sink.write(data)
        except Exception as error:  # noqa: BLE001 - the program goes on, whatever its log does
            self.failed(error)

    def tick(self, seconds: int) -> None:
        """Let the sink look after its file, once a second."""
        if seconds != self._second:
            self.sink.tick(seconds)
            self._second = seconds

    def failed(self, error: Exception) -> None:
        """Count a record that was lost; say so if it is the first."""
        self.failures += 1
        if not self._said.acquire(blocking=False):
            return
        what = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
        # Where stderr is gone as well there is nobody to tell; the counter knows.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            line = f"cb-logging: {self.sink.name}: {what} (records are lost until this is mended; they are counted)\n"
            (sys.stderr or sys.__stderr__).write(line)  # type: ignore[union-attr]

    def flush(self) -> None:
        self._try(self.sink.flush)

    def close(self) -> None:
        self._try(self.sink.close)
        super().close()

    def _try(self, what: Callable[[], None]) -> None:
        try:
            what()
        except OSError as error:
            self.failed(error)


def output(
    to: str | os.PathLike[str],
    *,
    rotate: str | int | None = None,
    keep: int | str = 5,
    compress: str = "",
    spool: bool = False,
) -> Output:
    """Make a handler of this package's: ``stderr``, ``stdout``, or a file, which may rotate and have a spool.

    In `logging.config.dictConfig`: ``{"()": "cb_logging.output", "to": "app.log", "rotate": "10 MB"}``.
    """
    if to in {"stderr", "stdout"}:
        return Output(StreamSink(str(to)))
    sink = RotatingSink(to, Rotation.parse(rotate, keep, compress)) if rotate else FileSink(to)
    return Output(Spool(sink) if spool else sink)
