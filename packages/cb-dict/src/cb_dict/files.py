"""Files that are replaced whole or not at all, by one writer at a time.

The lock is on the file itself: whoever gets it looks whether the name still means that file, since the writer before
may have put another one there. So only one holds the lock of the file that the name means, and the temporary sibling,
whose name is always the same, is its own; what a killed writer left there is removed by the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import stat
from collections.abc import Iterable, Iterator
from typing import Any, Final

from cb_dict.errors import EditRefused

__all__ = ["contents", "contents_of", "locked", "replaced"]

_MAPPED: Final = 16 << 20
_AT_ONCE: Final = getattr(mmap, "MAP_POPULATE", 0)  # a skim looks at every page: one call instead of a fault for each


def contents(file: int) -> Any:
    """The bytes of an open file; from 16 MB on as a mapping, of which only what is looked at takes memory."""
    size = os.fstat(file).st_size
    if size >= _MAPPED:
        return mmap.mmap(file, 0, flags=mmap.MAP_SHARED | _AT_ONCE, prot=mmap.PROT_READ)
    with os.fdopen(os.dup(file), "rb") as stream:
        return stream.read()


def contents_of(name: str) -> Any:
    """The bytes of the file of that name, in the same way."""
    file = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return contents(file)
    except OSError as error:  # a directory
        error.filename = name
        raise
    finally:
        os.close(file)


@contextlib.contextmanager
def locked(name: str) -> Iterator[tuple[int, str]]:
    """The file that *name* means, open and locked against other writers, and its name with links followed."""
    real = os.path.realpath(name)
    while True:
        file = os.open(real, os.O_RDONLY | os.O_CLOEXEC)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise EditRefused(f"{name}: not a regular file (write to a file, or leave --in-place out)")
            if not found.st_mode & 0o222 or not os.access(real, os.W_OK):
                raise EditRefused(f"{name}: the file is read-only (chmod u+w it)")
            if found.st_nlink > 1:
                raise EditRefused(f"{name}: it has {found.st_nlink} names (hard links), and only one would be replaced")
            fcntl.flock(file, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), os.stat(real)):
                    yield file, real
                    return
        finally:
            os.close(file)


def replaced(file: int, real: str, new: Iterable[bytes | memoryview], before: os.stat_result) -> None:
    """Put *new* where the locked *file* is: a sibling is written and synced, and takes its name.

    Mode, owner and extended attributes stay. Raises ``EditRefused`` when the file is not as it was *before*.
    """
    folder, base = os.path.split(real)
    sibling = f"{folder}/.{base}.cb-dict.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(sibling)
    target = os.open(sibling, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            for piece in new:
                _write(target, piece)
            now = os.fstat(file)
            if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise EditRefused(f"{real}: another program changed it meanwhile, nothing was written (try again)")
            made = os.fstat(target)
            if (made.st_uid, made.st_gid) != (now.st_uid, now.st_gid):
                os.fchown(target, now.st_uid, now.st_gid)
            os.fchmod(target, stat.S_IMODE(now.st_mode))
            _copy_attributes(file, target)
            os.fsync(target)
        finally:
            os.close(target)
        os.replace(sibling, real)  # noqa: PTH105  # beside os.open
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(sibling)
        raise
    parent = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _write(file: int, piece: bytes | memoryview) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(file, view[: 64 << 20]) :]


def _copy_attributes(source: int, target: int) -> None:
    if not hasattr(os, "listxattr"):  # pragma: no cover  # macOS
        return
    for name in os.listxattr(source):
        with contextlib.suppress(PermissionError):  # security attributes are the system's to give
            os.setxattr(target, name, os.getxattr(source, name))
