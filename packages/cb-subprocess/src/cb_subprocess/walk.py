"""Add up what folders hold. Also the program of the processes that help with it: it needs nothing but built-ins and os.

A folder is opened, not followed, and its entries are looked at from there: the system looks up one name each, not the
whole path. Cost: one stat an entry; memory: the folders still to be read, and the files that have several names.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, TypeAlias

    Links: TypeAlias = dict[tuple[int, int], tuple[int, int, int]]
    Folders: TypeAlias = list[tuple[bytes, int]]
    Sums: TypeAlias = tuple[dict[int, int], dict[int, int], Links, list[tuple[bytes, str]], int, int, Folders]

_KIND, _FOLDER = 0o170000, 0o040000
_LONGEST = 4_000  # bytes of a path: the system takes 4,095


class Walk:
    """Sums of blocks of 512 bytes and of lengths, for each owner; an owner is the number of what a folder belongs to.

    ``stack`` are the folders to be read; ``device`` is the file system to stay on, or None; ``links`` are the files
    with several names, counted once, by the reader of the sums.
    """

    def __init__(self, stack: Folders, device: int | None, links: Links | None = None) -> None:
        self.stack: Folders = stack
        self.device: int | None = device
        self.blocks: dict[int, int] = {}
        self.lengths: dict[int, int] = {}
        self.links: Links = {} if links is None else links
        self.errors: list[tuple[bytes, str]] = []
        self.files: int = 0
        self.folders: int = 0

    def add(self, path: bytes, owner: int) -> None:
        """Count one path itself."""
        try:
            status = os.lstat(path)
        except OSError as error:
            self.errors.append((path, str(error.strerror)))
            return
        if self.device is not None and status.st_dev != self.device:
            return
        if status.st_mode & _KIND == _FOLDER:
            self.folders += 1
            self.stack.append((path, owner))
        else:
            self.files += 1
            if status.st_nlink > 1:
                self.links.setdefault((status.st_dev, status.st_ino), (status.st_blocks, status.st_size, owner))
                return
        self._sum(owner, status.st_blocks, status.st_size)

    def folder(self) -> None:
        """Read the folder on top of the stack."""
        stack, device, links, errors = self.stack, self.device, self.links, self.errors
        path, owner = stack.pop()
        before = len(stack)
        blocks = length = files = 0
        try:
            fd = _opened(path)
        except OSError as error:
            errors.append((path, str(error.strerror)))
            return
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except OSError as error:
                        errors.append((_inside(path, entry.name), str(error.strerror)))
                        continue
                    if device is not None and status.st_dev != device:
                        continue
                    if status.st_mode & _KIND == _FOLDER:
                        stack.append((_inside(path, entry.name), owner))
                    else:
                        files += 1
                        if status.st_nlink > 1:
                            key = (status.st_dev, status.st_ino)
                            links.setdefault(key, (status.st_blocks, status.st_size, owner))
                            continue
                    blocks += status.st_blocks
                    length += status.st_size
        except OSError as error:  # pragma: no cover  # a disk that fails in the middle of a folder
            errors.append((path, str(error.strerror)))
        finally:
            os.close(fd)
        self.files += files
        self.folders += len(stack) - before
        self._sum(owner, blocks, length)

    def run(self, most: float = float("inf")) -> None:
        """Read folders until none is left, or so many files were counted."""
        until = self.files + most
        while self.stack and self.files < until:
            self.folder()

    def sums(self) -> Sums:
        """What crosses a pipe; the folders that are left are the last of it."""
        return self.blocks, self.lengths, self.links, self.errors, self.files, self.folders, self.stack

    def merge(self, other: Sums) -> None:
        """Add what another walk has found."""
        blocks, lengths, links, errors, files, folders, left = other
        for owner, value in blocks.items():
            self._sum(owner, value, lengths[owner])
        for key, found in links.items():
            self.links.setdefault(key, found)
        self.errors += errors
        self.files += files
        self.folders += folders
        self.stack += left

    def _sum(self, owner: int, blocks: int, length: int) -> None:
        self.blocks[owner] = self.blocks.get(owner, 0) + blocks
        self.lengths[owner] = self.lengths.get(owner, 0) + length


def _opened(path: bytes) -> int:
    """Open a folder; a path longer than the system takes, part by part."""
    flags, above = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, None
    try:
        while len(path) > _LONGEST:
            cut = path.rindex(b"/", 0, _LONGEST)
            below = os.open(path[:cut], flags, dir_fd=above)
            if above is not None:
                os.close(above)
            path, above = path[cut + 1 :], below
        return os.open(path, flags, dir_fd=above)
    finally:
        if above is not None:
            os.close(above)


def _inside(folder: bytes, name: str) -> bytes:
    return folder + (b"" if folder.endswith(b"/") else b"/") + os.fsencode(name)


def serve(source: IO[bytes], target: IO[bytes]) -> None:
    """Walk what comes, a part at a time, and give back the sums and what is left, until nothing comes any more."""
    while True:
        try:
            stack, device, most = marshal.load(source)  # noqa: S302  # from ourselves
        except EOFError:
            return
        walk = Walk(stack, device)
        walk.run(most)
        target.write(marshal.dumps(walk.sums()))
        target.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
