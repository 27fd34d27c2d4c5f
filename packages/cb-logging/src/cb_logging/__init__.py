"""Logs set up in one call: cheap, never lost or torn, and read back as records."""

from __future__ import annotations

from cb_logging.attributes import ATTRIBUTES, Attribute
from cb_logging.contacts import Contacts
from cb_logging.context import ContextFilter, context
from cb_logging.errors import ConfigError, ContactsError, FormatError, LogError, ReadError
from cb_logging.handlers import HANDLERS, handler
from cb_logging.journal import JournalHandler, journal_entry
from cb_logging.levels import Level, level
from cb_logging.otlp import OtlpHandler
from cb_logging.output import Formatter, Output, output
from cb_logging.reading import Record, read
from cb_logging.redact import Redactor
from cb_logging.rfc5424 import SyslogHandler
from cb_logging.rotation import rotated
from cb_logging.setup import Setup, setup, setup_dict, setup_env, setup_toml
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
