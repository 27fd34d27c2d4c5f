"""Where output goes: a file that is replaced as a whole or not at all, a stream, stdout; compressed by its suffix."""

# pathlib takes longer to import than a small file to convert.
# ruff: noqa: PTH105, PTH110, PTH118, PTH123

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, BinaryIO, cast

from cb_csv.source import compressor

__all__ = ["Sink", "Writable", "sink", "sync_folder"]

Writable = str | os.PathLike[str] | IO[bytes] | IO[str]
"""What can be written to: a path, ``-`` for stdout, a binary or a text stream."""


class Sink:
    """Takes UTF-8 and writes it in *encoding*."""

    def __init__(
        self, stream: BinaryIO | IO[str], encoding: str, *, descriptor: int | None = None, shared: bool = False
    ) -> None:
        self._stream = stream
        self._text = isinstance(stream, io.TextIOBase)
        self._encoding = None if encoding.lower() in ("utf-8", "utf8", "ascii") or self._text else encoding
        self.descriptor: int | None = descriptor
        """Of a plain file, which others may write parts of."""
        self.shared: bool = shared or descriptor is not None
        """Whether other processes can write to it, too."""
        self.written: int = 0

    def encoded(self, data: bytes) -> bytes:
        """As it will lie in the file.

        Raises:
            UnicodeEncodeError: The encoding has no such character.
        """
        return data.decode("utf-8", "surrogateescape").encode(self._encoding) if self._encoding else data

    def write(self, data: bytes) -> None:
        """Write all of it."""
        data = self.encoded(data)
        self.write_encoded([data])

    def write_encoded(self, pieces: list[bytes]) -> None:
        """Write what `encoded` gave."""
        for piece in pieces:
            if self._text:
                cast("IO[str]", self._stream).write(piece.decode("utf-8", "surrogateescape"))
            else:
                view = memoryview(piece)
                while view:
                    view = view[cast("BinaryIO", self._stream).write(view) :]
            self.written += len(piece)

    def flush(self) -> None:
        """Hold nothing back."""
        self._stream.flush()

    def move_to(self, written: int) -> None:
        """Go on behind what other processes wrote."""
        if self.descriptor is not None:
            os.lseek(self.descriptor, written, os.SEEK_SET)
        self.written = written


@contextmanager
def sink(dst: Writable, encoding: str = "utf-8", *, durable: bool = True) -> Iterator[Sink]:
    """Open *dst*. A path gets its new contents when the block ends well, and keeps the old ones otherwise.

    Args:
        dst: A path (links are followed, the mode of the file is kept), ``-``, or a stream, which stays open.
        encoding: Of the output; a BOM is written for ``utf-8-sig``, ``utf-16`` and ``utf-32``.
        durable: Have it on the disk, not only in the system's memory, before the old contents go.
    """
    if not isinstance(dst, (str, os.PathLike)):
        yield _begun(Sink(cast("BinaryIO", dst), _codec(encoding)), encoding)
        return
    if dst == "-":
        yield _begun(Sink(sys.stdout.buffer, _codec(encoding), shared=_is_file(sys.stdout)), encoding)
        sys.stdout.buffer.flush()
        return
    target = os.path.realpath(dst)
    folder, name = os.path.split(target)
    mode = os.stat(target).st_mode if os.path.exists(target) else None
    if mode is not None and not stat.S_ISREG(mode):  # a FIFO, /dev/null: nothing to replace
        with open(target, "wb") as stream:
            yield _begun(Sink(stream, _codec(encoding)), encoding)
        return
    open_compressed = compressor(name)
    partial = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.partial")
    try:
        try:
            plain = open(partial, "xb", buffering=0)  # noqa: SIM115 - closed below
        except OSError as error:
            error.filename = os.fspath(dst)
            raise
        with plain:
            if open_compressed:
                with open_compressed(plain, "wb") as stream:
                    yield _begun(Sink(stream, _codec(encoding)), encoding)
            else:
                yield _begun(Sink(cast("BinaryIO", plain), _codec(encoding), descriptor=plain.fileno()), encoding)
            if mode is not None:
                os.fchmod(plain.fileno(), stat.S_IMODE(mode))
            if durable:
                os.fsync(plain.fileno())
        os.replace(partial, target)
        if durable:
            sync_folder(folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(partial)
        raise


def _codec(encoding: str) -> str:
    """The codec for what follows the byte order mark."""
    name = encoding.lower().replace("_", "-")
    marked = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
    return marked.get(name, name)


def _begun(one: Sink, encoding: str) -> Sink:
    """With the byte order mark written that the encoding asks for."""
    if _codec(encoding) != encoding.lower().replace("_", "-"):
        one.write("\ufeff".encode())
    else:
        "".encode(encoding)
    return one


def _is_file(stream: IO[str]) -> bool:
    try:
        return stream.fileno() >= 0
    except (OSError, ValueError):  # captured, closed
        return False


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Have a new name in a folder on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
