"""Is everything still there? What the journal says of a folder's files, against the files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal

from cb_threading.errors import BadInput
from cb_threading.journal import Record, journals, read_journals
from cb_threading.store import digest_of
from cb_threading.workers import WorkerGroup

__all__ = ["Check", "verify"]


@dataclass(frozen=True, slots=True)
class Check:
    """A file of the journal: as it was saved, changed since, not there, or (saved without a hash) of the same size."""

    path: str
    url: str
    state: Literal["ok", "changed", "missing", "unhashed"]


def verify(folder: str | PathLike[str], *, jobs: int | None = None) -> Iterator[Check]:
    """Hash the files that fetches saved in *folder*, *jobs* at a time, and compare; in the order of their paths.

    Raises:
        BadInput: Nothing was ever fetched there.
    """
    root = Path(folder)
    records, _ = read_journals(root)
    if not journals(root):
        raise BadInput(f"{root}: nothing was fetched there (no .cb-threading/journal.jsonl)")
    with WorkerGroup(name="verify") as group:
        wanted = [records[path] for path in sorted(records)]
        yield from group.map(lambda record: _check(root, record), wanted, jobs=jobs or os.cpu_count() or 1)


def _check(root: Path, record: Record) -> Check:
    path = root / record.path
    try:
        same = path.stat().st_size == record.size
        if same and record.sha256:
            same = digest_of(path) == record.sha256
    except FileNotFoundError:
        return Check(record.path, record.url, "missing")
    return Check(record.path, record.url, "changed" if not same else "ok" if record.sha256 else "unhashed")
