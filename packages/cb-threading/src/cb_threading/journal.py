"""The journal of a folder: JSON Lines that are only ever added to. What it says of a file holds, or can be checked.

A line is written *before* the file gets its name, and says the file's size and time: a crash between the two is seen,
because there is no file of that size and time, and where there is a doubt the hash decides. So a file under its final
name is always in the journal, and nothing that was finished is fetched again.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cb_threading.errors import StoreError
from cb_threading.names import RESERVED

__all__ = ["Journal", "Part", "Record", "journals", "read_journals"]


@dataclass(frozen=True, slots=True)
class Record:
    """A file that was saved."""

    url: str
    path: str
    size: int
    sha256: str
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Part:
    """A file of which the beginning is there: under what name, and which version of the page it is of."""

    url: str
    path: str
    name: str
    etag: str


class Journal:
    """The journal open for adding, locked against another process."""

    def __init__(self, folder: Path, label: str = "") -> None:
        self.path: Path = folder / RESERVED / (f"journal-{label}.jsonl" if label else "journal.jsonl")
        self._lock = threading.Lock()
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise StoreError(
                f"{folder}: another fetch is at work there (wait for its end, or use another folder)"
            ) from None
        self._end_a_torn_line()

    def _end_a_torn_line(self) -> None:
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            self.add(b"\n")

    def add(self, lines: bytes, *, sync: bool = False) -> None:
        """Append whole lines."""
        with self._lock:
            view = memoryview(lines)
            while view:
                view = view[os.write(self._descriptor, view) :]
            if sync:
                os.fsync(self._descriptor)

    def close(self) -> None:
        """Give the lock back. What a thread that was left behind would add is an error to it."""
        with self._lock:
            os.close(self._descriptor)
            self._descriptor = -1


def journals(folder: Path) -> list[Path]:
    """The journals of a folder: one, or one for each part of a list that a cluster fetched."""
    return sorted((folder / RESERVED).glob("journal*.jsonl"))


def read_journals(folder: Path) -> tuple[dict[str, Record], dict[str, Part]]:
    """Return the last word about each file of a folder, and what was begun, by path."""
    records: dict[str, Record] = {}
    parts: dict[str, Part] = {}
    for journal in journals(folder):
        more, begun = _read(journal)
        parts |= begun
        for path, record in more.items():
            if path not in records or records[path].mtime_ns < record.mtime_ns:
                records[path] = record
    return records, parts


def _read(path: Path) -> tuple[dict[str, Record], dict[str, Part]]:
    """What one journal says; its last word counts. A torn line is passed over."""
    records: dict[str, Record] = {}
    parts: dict[str, Part] = {}
    for line in _objects(path):
        try:
            if "part" in line:
                part = Part(str(line["url"]), str(line["path"]), str(line["part"]), str(line["etag"]))
                parts[part.path] = part
            elif line.get("state") == "saved":
                digest, size = str(line.get("sha256", "")), int(line.get("size", 0))
                record = Record(str(line["url"]), str(line["path"]), size, digest, int(line["mtime_ns"]))
                records[record.path] = record
        except (KeyError, TypeError, ValueError):  # half a line that is JSON all the same: the file is fetched again
            continue
    return records, parts


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            try:
                value = json.loads(line)
            except ValueError:  # torn by a crash: what it would have said did not happen, or is found out again
                continue
            if isinstance(value, dict):
                yield value
