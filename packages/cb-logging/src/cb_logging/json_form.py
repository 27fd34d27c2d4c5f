"""Records as JSON lines: the record's own fields, then the context's, then those given as ``extra``."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from cb_logging.fields import current
from cb_logging.redact import Redactor
from cb_logging.template import message_of, traceback_of
from cb_logging.text import text_of

__all__ = ["DUMP", "RESERVED", "JsonForm", "dumps", "plain_keys", "quote"]

quote: Callable[[str], str] = json.encoder.encode_basestring
RESERVED = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_OWN = ("time", "level", "logger", "message", "thread", "module", "line", "exception")


def plain_json(value: Mapping[str, object]) -> str:
    """A dict as JSON by the standard library."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=text_of, skipkeys=True)


orjson_dumps: Callable[..., bytes] | None = None
try:
    import orjson
except ImportError:
    # What `cb_logging.fast` writes to have a dict as JSON; it may raise where `dumps` does more.
    DUMP = "PLAIN_JSON(fields)"
    dumps = plain_json
else:
    orjson_dumps = orjson.dumps
    DUMP = f"ORJSON(fields, TEXT_OF, {orjson.OPT_NON_STR_KEYS}).decode()"

    def dumps(value: Mapping[str, object]) -> str:
        """A dict as JSON, whatever is in it."""
        try:
            return orjson.dumps(value, text_of, orjson.OPT_NON_STR_KEYS).decode()
        except TypeError:  # an integer of more than 64 bits, a surrogate
            return plain_json(value)


class JsonForm:
    """Writes records as objects: ``time level logger message thread module line``, other fields, ``exception``.

    A field of the caller's with one of these names gets a ``_`` behind it.
    """

    needs: frozenset[str] = frozenset(("asctime", "levelname", "name", "message", "threadName", "module", "lineno"))

    def __init__(self) -> None:
        self._seconds: tuple[int, str, str] = (-1, "", "")

    def second(self, seconds: int) -> tuple[str, str]:
        """What stands before and behind the milliseconds of a time."""
        if self._seconds[0] != seconds:
            local = time.localtime(seconds)
            zone = time.strftime("%z", local)
            self._seconds = (seconds, time.strftime("%Y-%m-%dT%H:%M:%S.", local), f"{zone[:3]}:{zone[3:5]}")
        return self._seconds[1:]

    def render(self, record: logging.LogRecord, redactor: Redactor | None = None) -> str:
        """The record as one line, without its end."""
        before, behind = self.second(int(record.created))
        message, more = message_of(record), traceback_of(record)
        if redactor is not None:
            message, more = redactor(message), redactor(more)
        extra = {key: value for key, value in record.__dict__.items() if key not in RESERVED}
        return (
            f'{{"time":"{before}{int(record.msecs):03d}{behind}","level":{quote(record.levelname)}'
            f',"logger":{quote(record.name)},"message":{quote(message)},"thread":{quote(str(record.threadName))}'
            f',"module":{quote(record.module)},"line":{record.lineno}'
            + more_fields({**current.get(), **extra}, redactor)
            + (f',"exception":{quote(more)}}}' if more else "}")
        )


def plain_keys(keys: tuple[object, ...], redactor: Redactor | None) -> bool:
    """Whether fields of these names stand in a record as they are: none is the record's own, or names a secret.

    Raises:
        LookupError: One is an attribute of a record: `Logger.makeRecord` refuses it.
    """
    if not RESERVED.isdisjoint(keys):
        raise LookupError
    return not any(not isinstance(one, str) or one in _OWN or (redactor and redactor.hides(one)) for one in keys)


def more_fields(fields: Mapping[str, Any], redactor: Redactor | None) -> str:
    """Fields to go on with behind others: a comma first, no braces; nothing if there are none."""
    if not fields:
        return ""
    if not fields.keys().isdisjoint(_OWN):
        fields = {f"{key}_" if key in _OWN else key: value for key, value in fields.items()}
    try:
        text = dumps(fields)
    except Exception:  # noqa: BLE001 - a circular value: each that can be shown is shown
        text = plain_json({key: text_of(value) for key, value in fields.items()})
    if redactor is not None and redactor.near(text):
        text = dumps({"": redactor.value(json.loads(text))})[4:-1]
    return "," + text[1:-1] if text != "{}" else ""
