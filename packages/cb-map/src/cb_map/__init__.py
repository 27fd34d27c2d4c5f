"""One lazy, ordered, bounded map from a list to a cluster, and record transforms that lose nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cb_map.aio import AsyncMapped, apmap
    from cb_map.engine import Stats
    from cb_map.errors import (
        BadRecord,
        Incomparable,
        ItemError,
        LengthMismatch,
        MapError,
        MissingField,
        UnpicklableFunction,
        WorkerDied,
    )
    from cb_map.joins import attach, latest
    from cb_map.lazy import imap, map_list
    from cb_map.mapped import Mapped, pmap
    from cb_map.transforms import compose, omit, pick, redact, rename, through

__version__ = "0.1.0"
__all__ = [
    "AsyncMapped",
    "BadRecord",
    "Incomparable",
    "ItemError",
    "LengthMismatch",
    "MapError",
    "Mapped",
    "MissingField",
    "Stats",
    "UnpicklableFunction",
    "WorkerDied",
    "__version__",
    "apmap",
    "attach",
    "compose",
    "imap",
    "latest",
    "map_list",
    "omit",
    "pick",
    "pmap",
    "redact",
    "rename",
    "through",
]

_HOMES = {
    "aio": "AsyncMapped apmap",
    "engine": "Stats",
    "errors": "BadRecord Incomparable ItemError LengthMismatch MapError MissingField UnpicklableFunction WorkerDied",
    "joins": "attach latest",
    "lazy": "imap map_list",
    "mapped": "Mapped pmap",
    "transforms": "compose omit pick redact rename through",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import what is used, when it is used: the command answers at once, and needs no asyncio."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
