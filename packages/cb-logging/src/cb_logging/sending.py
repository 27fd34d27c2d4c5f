"""Records for handlers that send more of them than a formatter's text: fields, call sites, the whole object."""

from __future__ import annotations

import copy
import logging

from cb_logging.fields import current
from cb_logging.json_form import RESERVED
from cb_logging.redact import Redactor
from cb_logging.template import message_of, traceback_of

__all__ = ["fields_of", "prepared", "redactor_of"]


def redactor_of(handler: logging.Handler) -> Redactor | None:
    """What hides secrets in what a handler sends: its formatter's, if that has one."""
    found = getattr(handler.formatter, "redactor", None)
    return found if isinstance(found, Redactor) else None


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What a record has beside a record's own attributes: ``extra``, the context."""
    return {str(key): value for key, value in record.__dict__.items() if key not in RESERVED}


def prepared(record: logging.LogRecord, redactor: Redactor | None) -> logging.LogRecord:
    """A copy with the context's fields and without secrets: message, fields, traceback, stack.

    ``exc_info`` stays: what sends the exception itself has to hide what is in it.
    """
    made = copy.copy(record)
    fields = {**current.get(), **fields_of(record)}
    if redactor is not None:
        made.msg, made.args = redactor(message_of(record)), None
        made.stack_info = None
        made.exc_text = redactor(traceback_of(made)) or None
        made.stack_info = redactor(record.stack_info) if record.stack_info else None
        fields = {key: redactor.value({key: value})[key] for key, value in fields.items()}
    made.__dict__.update(fields)
    return made
