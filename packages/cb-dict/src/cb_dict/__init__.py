"""Nested documents by path: read, write, merge and compare dicts, and edit JSON, YAML and TOML files in place."""

from __future__ import annotations

from cb_dict.copying import deepcopy
from cb_dict.diffing import Op, diff
from cb_dict.document import Document, dump, edit, load, skim
from cb_dict.errors import (
    CbDictError,
    ConflictError,
    EditRefused,
    LimitError,
    MissingExtra,
    ParseError,
    PathError,
    PathSyntaxError,
    TypeMismatch,
)
from cb_dict.flat import flatten, unflatten
from cb_dict.merging import merge, merge_into, merge_patch
from cb_dict.patching import patch
from cb_dict.path import EVERY, Path, path
from cb_dict.reading import MISSING, Getter, get, getter, has, items, keys, length, values
from cb_dict.same import same
from cb_dict.writing import add, delete, set_

__version__ = "0.1.0"
__all__ = [
    "EVERY",
    "MISSING",
    "CbDictError",
    "ConflictError",
    "Document",
    "EditRefused",
    "Getter",
    "LimitError",
    "MissingExtra",
    "Op",
    "ParseError",
    "Path",
    "PathError",
    "PathSyntaxError",
    "TypeMismatch",
    "__version__",
    "add",
    "deepcopy",
    "delete",
    "diff",
    "dump",
    "edit",
    "flatten",
    "get",
    "getter",
    "has",
    "items",
    "keys",
    "length",
    "load",
    "merge",
    "merge_into",
    "merge_patch",
    "patch",
    "path",
    "same",
    "set_",
    "skim",
    "unflatten",
    "values",
]
