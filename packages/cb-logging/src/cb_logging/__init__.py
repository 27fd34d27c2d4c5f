"""Logs set up in one call: cheap, never lost or torn, and read back as records."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cb_logging.attributes import ATTRIBUTES, Attribute
    from cb_logging.contacts import Contacts
    from cb_logging.errors import ConfigError, ContactsError, FormatError, LogError, ReadError
    from cb_logging.fields import ContextFilter, context
    from cb_logging.files import rotated
    from cb_logging.handlers import HANDLERS, handler
    from cb_logging.journal import JournalHandler, journal_entry
    from cb_logging.levels import Level, level
    from cb_logging.otlp import OtlpHandler
    from cb_logging.outputs import Formatter, Output, output
    from cb_logging.reading import read
    from cb_logging.records import Record
    from cb_logging.redact import Redactor
    from cb_logging.rfc5424 import SyslogHandler
    from cb_logging.settings import Setup, setup, setup_dict, setup_env, setup_toml
    from cb_logging.spool import recover
    from cb_logging.stats import Summary, summarise
    from cb_logging.template import BASIC, BOOK, Template

__version__ = "0.1.0"
__all__ = [
    "ATTRIBUTES",
    "BASIC",
    "BOOK",
    "HANDLERS",
    "Attribute",
    "ConfigError",
    "Contacts",
    "ContactsError",
    "ContextFilter",
    "FormatError",
    "Formatter",
    "JournalHandler",
    "Level",
    "LogError",
    "OtlpHandler",
    "Output",
    "ReadError",
    "Record",
    "Redactor",
    "Setup",
    "Summary",
    "SyslogHandler",
    "Template",
    "context",
    "handler",
    "journal_entry",
    "level",
    "output",
    "read",
    "recover",
    "rotated",
    "setup",
    "setup_dict",
    "setup_env",
    "setup_toml",
    "summarise",
]

_HOMES = {
    "attributes": "ATTRIBUTES Attribute",
    "contacts": "Contacts",
    "errors": "ConfigError ContactsError FormatError LogError ReadError",
    "fields": "ContextFilter context",
    "files": "rotated",
    "handlers": "HANDLERS handler",
    "journal": "JournalHandler journal_entry",
    "levels": "Level level",
    "otlp": "OtlpHandler",
    "outputs": "Formatter Output output",
    "reading": "read",
    "records": "Record",
    "redact": "Redactor",
    "rfc5424": "SyslogHandler",
    "settings": "Setup setup setup_dict setup_env setup_toml",
    "spool": "recover",
    "stats": "Summary summarise",
    "template": "BASIC BOOK Template",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import what is used, when it is used: the command answers at once."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
