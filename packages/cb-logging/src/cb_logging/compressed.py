"""gzip and zstd, both ways. zstd is the standard library's from Python 3.14, before that the extra ``zstd``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from cb_logging.errors import ConfigError

__all__ = ["SUFFIXES", "open_packed", "zstd"]

SUFFIXES = {"gz": ".gz", "zst": ".zst"}


def open_packed(path: Path, kind: str, mode: Literal["rb", "wb"] = "rb") -> BinaryIO:
    """Open a file that is compressed as *kind*, one of `SUFFIXES`.

    Raises:
        ConfigError: Before Python 3.14 zstd needs ``pip install 'cb-logging[zstd]'``.
    """
    if kind != "gz":
        return cast("BinaryIO", zstd().open(path, mode))
    import gzip

    return cast("BinaryIO", gzip.open(path, mode))


def zstd() -> Any:
    """The module, or what to do to have it."""
    try:
        return importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    except ImportError:
        raise ConfigError("compress", "zst", "is not there (pip install 'cb-logging[zstd]')") from None
