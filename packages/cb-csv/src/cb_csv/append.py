"""Adding rows to a file that others read, and add to, at the same time.

What holds, also when a process is killed at any moment: the file has its old rows and then whole batches; no batch is
torn, glued to a row, or there twice; a batch is there for good when its call has returned.

- One appender at a time: ``flock`` on the file itself.
- The file is seen to end well before anything is written: outside of quotes, with a line end (one is added).
- A batch is one ``write``. The kernel may be stopped by a signal between two pages of it, so before a batch that
  touches more than one, the file's length and the batch go into a journal beside it, and the next appender that finds
  a journal takes back what it finds written of that batch.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from cb_csv.detecting import detect_bytes
from cb_csv.dialect import RFC4180, Dialect
from cb_csv.encoding import is_utf8, without_bom
from cb_csv.errors import CsvError, HeaderMismatch, LockTimeout
from cb_csv.opening import opened
from cb_csv.rows import read_rows
from cb_csv.sink import sync_folder
from cb_csv.source import SAMPLE, compressor
from cb_csv.write import encode_rows

__all__ = ["Appender", "append_dicts", "append_rows"]

_PAGE = 4096
_READ = 1 << 20
_PAUSE = 0.002


class Appender:
    """Adds batches to one file; a context manager. Several may work on one file, in any number of processes.

    Args:
        path: The file. It must not be compressed.
        fieldnames: Its columns. A file that is there must have them, in any order; a new one gets them as its header.
        dialect: Of the file; that of a file that is there is detected by default.
        encoding: Of the file; detected likewise.
        create: Make the file if it is not there.
        lock_timeout: Seconds to wait for other appenders.
        durable: ``fsync`` before a call returns.

    Raises:
        HeaderMismatch: The file has other columns.
        LockTimeout: Others have held the file for too long.
        CsvError: The file ends within quotes, or is compressed.
        FileNotFoundError: It is not there, and not to be made.

    Cost: opening reads the file once, about 0.3 s a GB; a batch then costs its own length, and what others added.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fieldnames: Sequence[str] | None = None,
        *,
        dialect: Dialect | None = None,
        encoding: str | None = None,
        create: bool = True,
        lock_timeout: float = 10.0,
        durable: bool = True,
    ) -> None:
        self.path: Path = Path(os.path.realpath(path))
        if compressor(self.path.name):
            raise CsvError(f"{path}: cannot append to a compressed file (decompress it first)")
        self._name = os.fspath(path)
        self._journal = self.path.with_name(f".{self.path.name}.append")
        self._timeout, self._durable, self._create = lock_timeout, durable, create
        self._asked = dialect, encoding
        self.columns: list[str] = list(fieldnames or ())
        """The columns in the file's order; empty if it has no header that is known."""
        self._descriptor = -1
        self._forget()
        try:
            with self._locked():
                pass
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def rows(self, rows: Iterable[Iterable[object]]) -> int:
        """Add the rows as one batch; all of them, or none. Returns their number.

        Raises:
            HeaderMismatch: A row has another number of fields than the file.
        """
        batch = [list(row) for row in rows]
        with self._locked() as dialect:
            for row in batch:
                if self._width not in (0, len(row)):
                    known = self.columns or [f"column {number}" for number in range(1, self._width + 1)]
                    raise HeaderMismatch(known, [str(value) for value in row], self._name)
            if batch:
                self._write(b"".join(encode_rows(batch, dialect)))
        return len(batch)

    def dicts(self, dicts: Iterable[Mapping[str, object]]) -> int:
        """Add the dicts as one batch, in the file's order of columns; all of them, or none. Returns their number.

        Raises:
            HeaderMismatch: A dict has other keys than the file has columns.
        """
        batch = list(dicts)
        if not batch:
            return 0
        if not self.columns:
            self._name_columns(list(batch[0]))
        for one in batch:
            if len(one) != len(self.columns) or any(column not in one for column in self.columns):
                raise HeaderMismatch(self.columns, list(one), self._name)
        return self.rows([one[column] for column in self.columns] for one in batch)

    def _forget(self) -> None:
        """What is known of the file is no longer so, or was never."""
        self._dialect, self._encoding = self._asked
        self._width = len(self.columns)
        self._ready = False
        self._seen = 0  # bytes that have been looked at for quotes
        self._odd = 0

    def _name_columns(self, names: list[str]) -> None:
        """Take the names of the first dict: for the header of a new file, or to be compared with that of the file."""
        self.columns = names
        self._forget()
        with self._locked():
            pass

    @contextmanager
    def _locked(self) -> Iterator[Dialect]:
        """Hold the file as the only appender, mended and looked at up to its end."""
        self._lock()
        try:
            self._take_back()
            if not self._ready:
                self._look()
                self._ready = True
            assert self._dialect is not None
            self._look_at_end(self._dialect)
            yield self._dialect
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _lock(self) -> None:
        end = time.monotonic() + self._timeout
        while True:
            if self._descriptor < 0:
                flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | (os.O_CREAT if self._create else 0)
                self._descriptor = os.open(self.path, flags, 0o666)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise LockTimeout(
                        f"{self._name}: locked by another process for {self._timeout:g} s (try again, or wait longer)"
                    ) from None
                time.sleep(_PAUSE)
                continue
            try:
                if os.path.samestat(os.fstat(self._descriptor), os.stat(self.path)):
                    return
            except FileNotFoundError:
                pass
            self.close()  # the file was replaced meanwhile: look at the new one
            self._forget()

    def _take_back(self) -> None:
        """Undo a batch whose writer was killed. What is not the beginning of that batch is not ours: it stays."""
        try:
            head, _, batch = self._journal.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return
        numbers = [int(number) for number in head.split()]
        if numbers[1:] == [len(batch)]:  # otherwise killed before a byte of the batch was written
            size = numbers[0]
            tail = os.pread(self._descriptor, len(batch) + 1, size)
            if tail and batch.startswith(tail):
                os.truncate(self._descriptor, size)
                if self._durable:
                    os.fsync(self._descriptor)
                self._forget()
        self._journal.unlink()

    def _look(self) -> None:
        """Learn the file's dialect, encoding and columns, or give it those that it shall have."""
        sample = os.pread(self._descriptor, SAMPLE, 0)
        if not sample:
            self._dialect = self._dialect or RFC4180
            self._encoding = self._encoding or "utf-8"
            if self.columns:
                self._write(b"".join(encode_rows([self.columns], self._dialect)))
            return
        found = detect_bytes(sample, complete=len(sample) < SAMPLE)
        self._encoding = self._encoding or without_bom(sample)[0] or found.encoding
        skip = found.preamble if self._dialect is None else 0
        self._dialect = self._dialect or found.dialect
        header = next(read_rows(self.path, self._dialect, encoding=self._encoding, strict=False, skip=skip), [])
        self._width = len(header)
        if self.columns:
            if sorted(header) != sorted(self.columns):
                raise HeaderMismatch(header, self.columns, self._name)
            self.columns = header

    def _look_at_end(self, dialect: Dialect) -> None:
        """See that the file ends outside of quotes and with a line end; add that if it is missing."""
        size = os.fstat(self._descriptor).st_size
        if size < self._seen:
            self._seen = self._odd = 0
        quote = self._encoded(dialect.quotechar or "") if dialect.reads_quotes else b""
        escaped = self._encoded(dialect.escapechar + (dialect.quotechar or "")) if dialect.escapechar else b""
        while self._seen < size:
            data = os.pread(self._descriptor, _READ, self._seen)
            if quote:
                self._odd ^= (data.count(quote) + (data.count(escaped) if escaped else 0)) & 1
            self._seen += len(data)
        if self._odd and not self._ends_well(dialect):
            raise CsvError(f"{self._name}: ends within quotes that nothing closes (cb-csv check shows where)")
        self._odd = 0
        newline = self._encoded(dialect.newline)
        tail = os.pread(self._descriptor, len(newline), max(0, size - len(newline)))
        if size and tail != newline and not tail.endswith(self._encoded("\n")):
            self._write(dialect.newline.encode())

    def _ends_well(self, dialect: Dialect) -> bool:
        """Whether a file with an odd number of quotes has them as text, not around a field that goes on."""
        with opened(self.path, dialect, self._encoding, columns=0) as walker:
            last = [fault.code for piece in walker for fault in piece.faults]
        return "unterminated-quote" not in last

    def _encoded(self, text: str) -> bytes:
        return text.encode(self._encoding or "utf-8")

    def _write(self, data: bytes) -> None:
        """One batch: written whole, or taken back."""
        if not is_utf8(self._encoding or "utf-8"):
            data = self._encoded(data.decode())
        size = os.fstat(self._descriptor).st_size
        journal = size // _PAGE != (size + len(data) - 1) // _PAGE
        try:
            if journal:
                self._keep(size, data)
            self._write_whole(self._descriptor, data)
            if self._durable:
                os.fsync(self._descriptor)
                if size == 0:
                    sync_folder(self.path.parent)
        except BaseException:
            os.truncate(self._descriptor, size)
            raise
        finally:
            if journal:
                self._journal.unlink(missing_ok=True)
        self._seen = size + len(data)

    def _write_whole(self, descriptor: int, data: bytes) -> None:
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, "no space left for the whole batch (nothing was added)", self._name)

    def _keep(self, size: int, data: bytes) -> None:
        """Note the file's length before a batch, and the batch."""
        descriptor = os.open(self._journal, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            self._write_whole(descriptor, b"%d %d\n" % (size, len(data)) + data)
            if self._durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append_rows(
    path: str | os.PathLike[str],
    rows: Iterable[Iterable[object]],
    *,
    fieldnames: Sequence[str] | None = None,
    dialect: Dialect | None = None,
    encoding: str | None = None,
    create: bool = True,
    lock_timeout: float = 10.0,
    durable: bool = True,
) -> int:
    """Add rows to a file as one batch: all of them or none, whoever else adds to it. Returns their number.

    The arguments, errors and costs are those of `Appender`, which is quicker for many batches.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "log.csv")
    ...     _ = append_rows(file, [["09:00", "up"]], fieldnames=["time", "state"])
    ...     _ = append_rows(file, [["09:05", "down"]])
    ...     file.read_bytes()
    b'time,state\\r\\n09:00,up\\r\\n09:05,down\\r\\n'
    """
    with Appender(
        path,
        fieldnames,
        dialect=dialect,
        encoding=encoding,
        create=create,
        lock_timeout=lock_timeout,
        durable=durable,
    ) as appender:
        return appender.rows(rows)


def append_dicts(
    path: str | os.PathLike[str],
    dicts: Iterable[Mapping[str, object]],
    *,
    fieldnames: Sequence[str] | None = None,
    dialect: Dialect | None = None,
    encoding: str | None = None,
    create: bool = True,
    lock_timeout: float = 10.0,
    durable: bool = True,
) -> int:
    """Add dicts to a file as one batch, in the file's order of columns, whatever order they have. Returns their number.

    A file that is not there gets the first dict's keys, or *fieldnames*, as its header. The rest is as for
    `append_rows`.

    Raises:
        HeaderMismatch: A dict has other keys than the file has columns. Nothing was written.
    """
    batch = list(dicts)
    columns = fieldnames if fieldnames is not None else list(batch[0]) if batch else None
    with Appender(
        path,
        columns,
        dialect=dialect,
        encoding=encoding,
        create=create,
        lock_timeout=lock_timeout,
        durable=durable,
    ) as appender:
        return appender.dicts(batch)
