"""A copy of the SQLite database, taken while the site goes on."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from cb_riddles.errors import Refused


def copy(database: str, target: Path, *, force: bool) -> int:
    """Copy the *database* to *target* (0600), whole or not at all; return its size in bytes.

    Raises:
        Refused: The target is there already and not *force*, or cannot be written.
    """
    if target.exists() and not force:
        raise Refused(f"{target} is there already (another name, or --force)")
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise Refused(f"{target}: {error.strerror}") from error
    os.close(handle)
    whole = Path(name)
    try:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(whole)) as copied:
            source.backup(copied, pages=1000)  # in steps: who wants to write waits for one of them
            copied.execute("PRAGMA journal_mode=DELETE")  # one file, and nothing beside it
        with whole.open("rb") as file:
            os.fsync(file.fileno())
        size = whole.stat().st_size
        whole.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise Refused(f"{target}: {error}") from error
    finally:
        whole.unlink(missing_ok=True)
    return size
