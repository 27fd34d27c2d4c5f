"""Files that are whole or not there: a temporary sibling that takes the name when all is written and on the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from typing import BinaryIO, TextIO


@contextlib.contextmanager
def replacing(name: str) -> Iterator[BinaryIO]:
    """A stream that becomes the file *name* at the end, or nothing where an error comes. Mode and links are kept."""
    from pathlib import Path  # stdin to stdout does not need it

    target = Path(name).resolve()
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        try:
            stream = partial.open("xb")
        except OSError as error:
            error.filename = name  # and not the sibling's, which nobody has heard of
            raise
        with stream:
            if target.exists():
                partial.chmod(stat.S_IMODE(target.stat().st_mode))
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(target)
        _sync_folder(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def _sync_folder(folder: os.PathLike[str]) -> None:
    """Put the new name on the disk as well, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _standard(name: str) -> BinaryIO:
    text: TextIO | None = getattr(sys, name)
    if text is None:
        raise OSError(errno.EBADF, "is closed (name a file)", name)
    return text.buffer


@contextlib.contextmanager
def source(name: str) -> Iterator[BinaryIO]:
    """The file *name*, or stdin for ``-``."""
    if name == "-":
        yield _standard("stdin")
        return
    with open(name, "rb", buffering=0) as stream:  # noqa: PTH123  # pathlib takes longer than a small file
        yield stream


@contextlib.contextmanager
def target(name: str) -> Iterator[BinaryIO]:
    """The file *name*, replaced when all went well, or stdout for ``-``."""
    if name == "-":
        stream = _standard("stdout")
        yield stream
        stream.flush()
        return
    with replacing(name) as stream:
        yield stream
