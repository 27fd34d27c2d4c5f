"""Trust a delimited file that somebody else made: detect, check, convert, read, write, append, summarize, split."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cb_csv.append import Appender, append_dicts, append_rows
    from cb_csv.checking import check
    from cb_csv.converting import Converted, OnFault, convert
    from cb_csv.detecting import Detection, detect
    from cb_csv.dialect import RFC4180, Dialect, Quoting
    from cb_csv.enter import prompt_dicts, prompt_rows
    from cb_csv.errors import CsvError, DialectError, EncodingUnknown, FaultError, HeaderMismatch, LockTimeout
    from cb_csv.fault import CODES, Fault
    from cb_csv.handoff import open_clean, to_arrow, to_polars
    from cb_csv.rows import Duplicates, Ragged, read_cells, read_dicts, read_rows
    from cb_csv.sink import Writable
    from cb_csv.source import Readable
    from cb_csv.split import split_into, split_points
    from cb_csv.stats import ColumnStats, summarize
    from cb_csv.typed import read_as
    from cb_csv.write import write_dicts, write_rows

__version__ = "0.1.0"

__all__ = [
    "CODES",
    "RFC4180",
    "Appender",
    "ColumnStats",
    "Converted",
    "CsvError",
    "Detection",
    "Dialect",
    "DialectError",
    "Duplicates",
    "EncodingUnknown",
    "Fault",
    "FaultError",
    "HeaderMismatch",
    "LockTimeout",
    "OnFault",
    "Quoting",
    "Ragged",
    "Readable",
    "Writable",
    "append_dicts",
    "append_rows",
    "check",
    "convert",
    "detect",
    "open_clean",
    "prompt_dicts",
    "prompt_rows",
    "read_as",
    "read_cells",
    "read_dicts",
    "read_rows",
    "split_into",
    "split_points",
    "summarize",
    "to_arrow",
    "to_polars",
    "write_dicts",
    "write_rows",
]

_HOMES = {
    "append": "Appender append_dicts append_rows",
    "checking": "check",
    "converting": "Converted OnFault convert",
    "detecting": "Detection detect",
    "dialect": "RFC4180 Dialect Quoting",
    "enter": "prompt_dicts prompt_rows",
    "errors": "CsvError DialectError EncodingUnknown FaultError HeaderMismatch LockTimeout",
    "fault": "CODES Fault",
    "handoff": "open_clean to_arrow to_polars",
    "rows": "Duplicates Ragged read_cells read_dicts read_rows",
    "sink": "Writable",
    "source": "Readable",
    "split": "split_into split_points",
    "stats": "ColumnStats summarize",
    "typed": "read_as",
    "write": "write_dicts write_rows",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import what is used, when it is used: the command answers at once."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
