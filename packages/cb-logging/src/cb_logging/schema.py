"""What the lines of a log look like: a template, JSON objects, or just lines; told, or found out by reading some."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from cb_logging.errors import ConfigError
from cb_logging.levels import level
from cb_logging.template import BASIC, BOOK, FORMATS, Template

__all__ = ["JsonSchema", "PlainSchema", "Schema", "detect", "schema_of"]

Fields = Mapping[str, Any]
_YEAR_5000 = 95_617_584_000  # a number above counts milliseconds, or is no time
_KNOWN = (
    BOOK,
    "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
    "%(asctime)s %(levelname)s %(name)s: %(message)s",
    "%(asctime)s [%(levelname)s] %(name)s: %(message)s",
    "%(asctime)s - %(levelname)s - %(message)s",
    "%(asctime)s %(levelname)s %(message)s",
    "%(asctime)s %(message)s",
    BASIC,
    "%(levelname)s %(message)s",
)
_CANONICAL = {
    "levelname": ("level", "levelname", "severity", "lvl", "log.level"),
    "name": ("logger", "name", "logger_name"),
    "threadName": ("thread", "threadName", "thread_name"),
    "lineno": ("line", "lineno"),
    "message": ("message", "msg", "event"),
    "asctime": ("time", "timestamp", "ts", "@timestamp", "asctime"),
}


class Schema(Protocol):
    """How to read a line."""

    @property
    def head(self) -> re.Pattern[bytes]:
        """Matches where a record begins."""

    def needles(self, least: int) -> list[bytes] | None:
        """What a line holds if it is of that level or above; None if that cannot be searched for."""

    def parse(self, line: bytes) -> Fields | None:
        """Its fields, by the record attributes' names."""

    def level_of(self, fields: Fields) -> int:
        """Its level, 0 if it has none."""

    def time_of(self, fields: Fields) -> float | None:
        """Its time, in seconds since 1970."""


class JsonSchema:
    """A JSON object on each line, with the usual names for level, time, logger and so on."""

    head: re.Pattern[bytes] = re.compile(rb"\{")

    def needles(self, least: int) -> list[bytes]:
        names = [
            name for name in ("DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL", "FATAL") if level(name) >= least
        ]
        return [f'"{form}"'.encode() for name in names for form in (name, name.lower())]

    def parse(self, line: bytes) -> Fields | None:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict):
            return None
        for ours, theirs in _CANONICAL.items():
            for name in theirs:
                if name in found:
                    found[ours] = found.pop(name)
                    break
        return found

    def level_of(self, fields: Fields) -> int:
        value = fields.get("levelname", 0)
        try:
            return level(value) if isinstance(value, (str, int)) else 0
        except ConfigError:
            return 0

    def time_of(self, fields: Fields) -> float | None:
        import datetime as dt

        value = fields.get("asctime")
        if isinstance(value, (int, float)):
            seconds = value / 1000 if abs(value) > _YEAR_5000 else float(value)
            return seconds if abs(seconds) <= _YEAR_5000 else None
        try:
            return dt.datetime.fromisoformat(str(value)).timestamp()
        except (ValueError, OverflowError):
            return None


class PlainSchema:
    """Lines of which nothing is known: each is a record, and its message."""

    head: re.Pattern[bytes] = re.compile(rb"")

    def needles(self, least: int) -> None:  # noqa: ARG002 - the protocol's
        return None

    def parse(self, line: bytes) -> Fields:
        return {"message": line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")}

    def level_of(self, fields: Fields) -> int:  # noqa: ARG002
        return 0

    def time_of(self, fields: Fields) -> None:  # noqa: ARG002
        return None


class TemplateSchema:
    """A `Template`, as a schema."""

    template: Template
    head: re.Pattern[bytes]
    needles: Callable[[int], list[bytes] | None]
    parse: Callable[[bytes], Fields | None]
    time_of: Callable[[Fields], float | None]

    def __init__(self, template: Template) -> None:
        self.template = template
        self.head = template.head
        self.needles = template.needles
        self.parse = template.parse
        self.time_of = template.time_of
        first = template.pieces[0]
        self._stamped = first.name == "asctime" and not first.padded and template.datefmt is None

    def time_of_record(self, raw: bytes) -> float | None:
        """The time of a record, without taking all of its first line apart."""
        if self._stamped:
            return self.time_of({"asctime": raw[:23].decode()})
        return self.time_of(self.parse(raw.partition(b"\n")[0]) or {})

    def level_of(self, fields: Fields) -> int:
        if "levelname" in fields:
            return self.template.level_of(str(fields["levelname"]).encode())
        number = fields.get("levelno", 0)
        return number if isinstance(number, int) else 0


def schema_of(format: str | Template | Schema, *, datefmt: str | None = None) -> Schema | None:  # noqa: A002
    """The schema that a name, a ``%`` format or a template says; None for ``auto``.

    Raises:
        ConfigError: It is none of these.
    """
    if isinstance(format, Template):
        return TemplateSchema(format)
    if not isinstance(format, str):
        return format
    if format == "auto":
        return None
    if format in {"json", "plain"}:
        return JsonSchema() if format == "json" else PlainSchema()
    if format not in FORMATS and "%" not in format:
        raise ConfigError("format", format, "is no format", ("auto", "plain", *FORMATS, "a format with % fields"))
    return TemplateSchema(Template(FORMATS.get(format, format), datefmt=datefmt))


def detect(sample: bytes, formats: Iterable[str] = _KNOWN) -> Schema:
    """Find out how a log is written: the format that reads most of its lines, the more telling one of two.

    >>> detect(b"WARNING:root:Watch out!\\nERROR:root:Oh NO!\\n").parse(b"ERROR:root:Oh NO!")["levelname"]
    'ERROR'
    """
    lines = sample.splitlines()[:200]
    if not lines:
        return PlainSchema()
    if sum(line.startswith(b"{") and line.endswith(b"}") for line in lines) * 2 >= len(lines):
        return JsonSchema()
    best: Template | None = None
    most = 0
    for text in formats:
        template = Template(text)
        reads = sum(template.head.match(line) is not None for line in lines)
        if reads > most:
            best, most = template, reads
        if reads >= 0.9 * len(lines):  # the rest are tracebacks
            break
    return TemplateSchema(best) if best is not None else PlainSchema()
