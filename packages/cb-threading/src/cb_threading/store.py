"""The folder: a name in it is only ever a complete file.

Bodies are written in ``.cb-threading/parts`` and renamed, after the journal has been told (see `journal`). Small bodies
wait in memory until they are complete; a longer one goes to its part file as it comes, and if the server gave a strong
validator (RFC 9110, 8.8.1) the part outlives us, so that the next run asks for the rest only.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cb_threading.errors import Collision, StoreError
from cb_threading.journal import Journal, Part, Record, read_journals
from cb_threading.names import RESERVED
from cb_threading.plan import Job, file_key
from cb_threading.results import Result

__all__ = ["PartFile", "Store", "problem"]

_WRITE = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC


class PartFile:
    """A body on its way to the disk, with its hash so far."""

    def __init__(self, path: Path, *, hashed: bool, goes_on: bool = False) -> None:
        self.path: str = str(path)
        self._hash: Any = hashlib.sha256() if hashed else None
        if hashed and goes_on:  # after what is there, which is read for the hash
            with path.open("rb") as file:
                self._hash = hashlib.file_digest(file, "sha256")
        try:
            self._descriptor = os.open(path, _WRITE | (os.O_APPEND if goes_on else os.O_TRUNC), 0o666)
        except OSError as error:
            raise problem(path, error) from error
        self.size: int = os.fstat(self._descriptor).st_size

    def write(self, data: bytes) -> None:
        """Append *data*."""
        self.size += len(data)
        if self._hash is not None:
            self._hash.update(data)
        try:
            _write_all(self._descriptor, data)
        except OSError as error:
            raise problem(Path(self.path), error) from error

    def finish(self, *, sync: bool) -> tuple[str, int]:
        """Close the file; return its SHA-256, if wanted, and its time."""
        if sync:
            os.fsync(self._descriptor)
        mtime = os.fstat(self._descriptor).st_mtime_ns
        self.close()
        return self._hash.hexdigest() if self._hash is not None else "", mtime

    def close(self) -> None:
        """Close the file, complete or not. Can be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Store:
    """A folder that is being filled by one fetch.

    Raises:
        StoreError: It cannot be written, or another fetch is at work there.
    """

    def __init__(self, folder: Path, *, label: str = "", hashed: bool = True, sync: bool = False) -> None:
        self.folder: Path = folder
        self.hashed: bool = hashed
        self._label = label
        self._sync = sync
        self._parts = folder / RESERVED / "parts"
        self._folders: set[str] = {""}
        self._numbers = itertools.count()
        try:
            self._parts.mkdir(parents=True, exist_ok=True)
            self.journal: Journal = Journal(folder, label)
        except StoreError:
            raise
        except OSError as error:
            raise problem(folder, error) from error

    def begin(self, jobs: Sequence[Job], *, resume: bool, force: bool) -> tuple[list[Record], dict[str, Part]]:
        """Look at what is there: return what need not be fetched again, and of what a part can be gone on with.

        Raises:
            Collision: A file is in the way that is not from an earlier fetch here.
        """
        records, parts = read_journals(self.folder)
        there = set(os.listdir(self._parts)) if resume else set()  # noqa: PTH208 - names are all that is wanted
        begun = ((job, parts[job.path]) for job in jobs if job.path in parts)
        usable = {
            job.path: part for job, part in begun if part.url == job.url and part.name == self.part_name(job) in there
        }
        self._sweep({part.name for part in usable.values()})
        kept: list[Record] = []
        tops = {file_key(name) for name in os.listdir(self.folder)}  # noqa: PTH208 - names are all that is wanted
        for job in jobs:
            record = records.get(job.path)
            if resume and record and record.url == job.url and self._is_there(record, job.sha256):
                kept.append(record)
            elif (
                not (force or record)
                and file_key(job.path.partition("/")[0]) in tops  # the system need not be asked about each of a list
                and os.path.lexists(self.folder / job.path)
            ):
                raise Collision(f"{self.folder / job.path} is there, and not from here (--force replaces it)")
        return kept, usable

    def _sweep(self, wanted: set[str]) -> None:
        """Remove what an earlier run left behind and nobody can use."""
        for name in os.listdir(self._parts):  # noqa: PTH208 - names are all that is wanted
            if name.startswith(f"{self._label}-") and name not in wanted:
                (self._parts / name).unlink()

    def _is_there(self, record: Record, expected: str) -> bool:
        path = self.folder / record.path
        try:
            found = path.stat()
        except OSError:
            return False
        if found.st_size != record.size or (expected and expected != record.sha256):
            return False
        return found.st_mtime_ns == record.mtime_ns or (record.sha256 != "" and digest_of(path) == record.sha256)

    def part_name(self, job: Job) -> str:
        """The name of a job's part file: the same in each run."""
        return f"{self._label}-{hashlib.sha256(job.path.encode()).hexdigest()[:32]}"

    def start_part(self, job: Job) -> PartFile:
        """A new part file."""
        return PartFile(self._parts / self.part_name(job), hashed=self.hashed)

    def resume_part(self, job: Job) -> PartFile:
        """The job's part file, to be gone on with."""
        return PartFile(self._parts / self.part_name(job), hashed=self.hashed, goes_on=True)

    def part_size(self, job: Job) -> int:
        """How many bytes of the job's body are there."""
        try:
            return (self._parts / self.part_name(job)).stat().st_size
        except FileNotFoundError:
            return 0

    def note_part(self, job: Job, etag: str) -> None:
        """Tell the journal that a part can be gone on with."""
        fields = {"part": self.part_name(job), "url": job.url, "path": job.path, "etag": etag}
        self.journal.add(json.dumps(fields).encode() + b"\n")

    def drop_part(self, job: Job) -> None:
        """Remove what is there of a job's body."""
        with suppress(FileNotFoundError):
            (self._parts / self.part_name(job)).unlink()

    def write(self, body: bytes) -> tuple[str, str, int]:
        """Write a whole body to a new part file; return its path, the SHA-256 if wanted, and the file's time."""
        path = f"{self._parts}/{self._label}-{next(self._numbers)}"
        descriptor = os.open(path, _WRITE | os.O_TRUNC, 0o666)
        try:
            _write_all(descriptor, body)
            if self._sync:
                os.fsync(descriptor)
            mtime = os.fstat(descriptor).st_mtime_ns
        finally:
            os.close(descriptor)
        return path, hashlib.sha256(body).hexdigest() if self.hashed else "", mtime

    def remove(self, path: str) -> None:
        """Remove a part file that is not what it should be."""
        os.unlink(path)

    def publish(self, finished: Sequence[tuple[Result, str, int]]) -> None:
        """Give files their names: first all are told to the journal, in one write, then they are renamed."""
        lines = [f'{result.json()[:-1]},"mtime_ns":{mtime}}}\n' for result, _, mtime in finished]
        self.journal.add("".join(lines).encode(), sync=self._sync)
        for result, source, _ in finished:
            self._make_folder(result.path.rpartition("/")[0])
            os.replace(source, f"{self.folder}/{result.path}")  # noqa: PTH105 - the call that the promise is about
            if self._sync:
                self._sync_folder((self.folder / result.path).parent)

    def _make_folder(self, folder: str) -> None:
        if folder not in self._folders:
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)

    @staticmethod
    def _sync_folder(folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Let another fetch work here."""
        self.journal.close()


def problem(place: Path, error: OSError) -> StoreError:
    """Say what is wrong with the disk."""
    if isinstance(error, StoreError):
        return error
    return StoreError(f"{error.filename or place}: {error.strerror} (no file is half-written)")


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def digest_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
