"""A record as it was read, and which of them are asked for."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from cb_logging.errors import ReadError
from cb_logging.levels import level as level_of
from cb_logging.schema import Fields, Schema, TemplateSchema

__all__ = ["Query", "Record", "make_query", "moment"]


@dataclass(frozen=True)
class Record:
    """A record as it was read. Its fields are taken apart when one is asked for.

    Attributes:
        raw: Its bytes, all lines of it.
        schema: How it is written.
    """

    raw: bytes
    schema: Schema = field(repr=False)

    @functools.cached_property
    def fields(self) -> Fields:
        """What its first line says, by the record attributes' names."""
        return self.schema.parse(self.raw.partition(b"\n")[0]) or {}

    @property
    def text(self) -> str:
        """All of it, without the last line end."""
        return self.raw.decode("utf-8", "backslashreplace").rstrip("\r\n")

    @property
    def level(self) -> int:
        """Its level's number, 0 if it has none."""
        return self.schema.level_of(self.fields)

    @property
    def levelname(self) -> str:
        """Its level's name."""
        return str(self.fields.get("levelname", ""))

    @property
    def time(self) -> float | None:
        """Seconds since 1970."""
        if isinstance(self.schema, TemplateSchema):
            return self.schema.time_of_record(self.raw)
        return self.schema.time_of(self.fields)

    @property
    def message(self) -> str:
        """Its message."""
        return str(self.fields.get("message", ""))

    @property
    def logger(self) -> str:
        """The logger's name, empty if the format does not have it."""
        return str(self.fields.get("name", ""))

    @property
    def traceback(self) -> str:
        """What stands below its first line."""
        return self.text.partition("\n")[2]


def moment(text: str | float) -> float:
    """Read a time: seconds since 1970, ISO 8601 (``2026-11-23 04:00``), ``04:00`` today, or ``15m`` ago.

    Raises:
        ReadError: It is none of these.
    """
    try:
        found = float(text) if isinstance(text, (int, float)) else _moment(text)
        time.localtime(found)  # what cannot be shown cannot be searched for
    except (ValueError, OverflowError):
        raise ReadError(f"{text!r} is no time (write 2026-11-23 04:00, 04:00, or 15m for 15 minutes ago)") from None
    return found


def _moment(text: str) -> float:
    import datetime as dt

    now = time.time()
    if ago := re.fullmatch(r"(\d+)\s*([smhdw])(?: ago)?", text.strip()):
        return now - int(ago[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[ago[2]]
    if re.fullmatch(r"\d\d?:\d\d(:\d\d)?", text):
        text = text.zfill(8 if text.count(":") == 2 else 5)
        return dt.datetime.combine(dt.datetime.now().astimezone(), dt.time.fromisoformat(text)).timestamp()
    return dt.datetime.fromisoformat(text.replace(",", ".")).timestamp()


@dataclass
class Query:
    """Which records: all that is said must hold.

    Attributes:
        least: Level.
        since, until: Seconds since 1970, the second not included.
        equal: Fields that must have one of these values.
        grep: Must be found in the record's text.
    """

    least: int = 0
    since: float | None = None
    until: float | None = None
    equal: dict[str, frozenset[str]] = field(default_factory=dict)
    grep: re.Pattern[bytes] | None = None

    def keeps(self, record: Record) -> bool:
        """Whether it is one of them."""
        if self.least and record.level < self.least:
            return False
        if self.since is not None or self.until is not None:
            when = record.time
            if when is None or (self.since is not None and when < self.since):
                return False
            if self.until is not None and when >= self.until:
                return False
        for name, wanted in self.equal.items():
            if str(record.fields.get(name, "")) not in wanted:
                return False
        return self.grep is None or self.grep.search(record.raw) is not None

    @property
    def only_level(self) -> bool:
        """Whether nothing but the level counts."""
        return not (self.equal or self.grep) and self.since is None and self.until is None


def make_query(
    level: str | int = 0,
    since: str | float | None = None,
    until: str | float | None = None,
    logger: str | Sequence[str] = (),
    module: str | Sequence[str] = (),
    thread: str | Sequence[str] = (),
    grep: str | None = None,
) -> Query:
    """The `Query` that `read`'s arguments say."""
    fields = {"name": logger, "module": module, "threadName": thread}
    equal = {name: frozenset([some] if isinstance(some, str) else some) for name, some in fields.items() if some}
    try:
        pattern = re.compile(grep.encode("utf-8", "surrogateescape")) if grep else None
    except re.error as error:
        raise ReadError(f"{grep!r} is no expression: {error}") from error
    return Query(
        level_of(level),
        None if since is None else moment(since),
        None if until is None else moment(until),
        equal,
        pattern,
    )
