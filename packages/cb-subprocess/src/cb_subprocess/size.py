"""How much room files take: what ``du`` says, as numbers, with what could not be read.

Disk use counts a file with several names once, and the holes of sparse files not at all; apparent size is the length of
all, folders included, as GNU du 9.1 has it. Nothing is followed. A large tree is shared with processes on the other
processors: this file runs as their program, and needs nothing but the standard library. Cost: one lstat an entry;
memory: the folders still to be read, and the files that have several names.
"""

from __future__ import annotations

import marshal
import os
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from typing import IO, TypeAlias

__all__ = ["Entry", "Size", "size"]

_Links: TypeAlias = "dict[tuple[int, int], tuple[int, int, int]]"
_Sums: TypeAlias = "tuple[dict[int, int], dict[int, int], _Links, list[tuple[bytes, str]], int, int]"
_SHARE_AT = 3_000  # entries, after which other processors are asked


@dataclass(frozen=True, slots=True)
class Entry:
    """One of those that lie directly in a folder that was asked for: what it takes with all that is in it."""

    path: str
    disk: int
    apparent: int


@dataclass(frozen=True, slots=True)
class Size:
    """Room in bytes: on ``disk``, and ``apparent``; how many files and folders; what could not be read, and why.

    ``entries`` are those directly in what was asked for, largest first; what their sum is short of is the folders' own.
    """

    disk: int
    apparent: int
    files: int
    folders: int
    errors: tuple[str, ...]
    entries: tuple[Entry, ...]


@dataclass
class _Walk:
    """Add up folders, each for the entry that it belongs to."""

    stack: list[tuple[bytes, int]]
    device: int | None
    disk: dict[int, int] = field(default_factory=dict)
    apparent: dict[int, int] = field(default_factory=dict)
    links: _Links = field(default_factory=dict)
    errors: list[tuple[bytes, str]] = field(default_factory=list)
    files: int = 0
    folders: int = 0

    def add(self, path: bytes, owner: int) -> None:
        """Count one path itself."""
        try:
            self._count(os.lstat(path), path, owner)
        except OSError as error:
            self.errors.append((path, str(error.strerror)))

    def _count(self, status: os.stat_result, path: bytes, owner: int) -> None:
        if self.device is not None and status.st_dev != self.device:
            return
        if stat.S_ISDIR(status.st_mode):
            self.folders += 1
            self.stack.append((path, owner))
        else:
            self.files += 1
            if status.st_nlink > 1:
                self.links.setdefault((status.st_dev, status.st_ino), (status.st_blocks, status.st_size, owner))
                return
        self.disk[owner] = self.disk.get(owner, 0) + status.st_blocks * 512
        self.apparent[owner] = self.apparent.get(owner, 0) + status.st_size

    def run(self, most: float = float("inf")) -> bool:
        """Read folders until none is left, or so many entries were counted; return whether none is left."""
        stack, device, links = self.stack, self.device, self.links
        is_folder = stat.S_ISDIR
        while stack:
            if self.files > most:
                return False
            path, owner = stack.pop()
            blocks = length = files = 0
            try:
                with os.scandir(path) as entries:
                    for entry in entries:
                        try:
                            status = entry.stat(follow_symlinks=False)
                        except OSError as error:
                            self.errors.append((entry.path, str(error.strerror)))
                            continue
                        if device is not None and status.st_dev != device:
                            continue
                        if is_folder(status.st_mode):
                            self.folders += 1
                            stack.append((entry.path, owner))
                        else:
                            files += 1
                            if status.st_nlink > 1:
                                key = (status.st_dev, status.st_ino)
                                links.setdefault(key, (status.st_blocks, status.st_size, owner))
                                continue
                        blocks += status.st_blocks
                        length += status.st_size
            except OSError as error:
                self.errors.append((path, str(error.strerror)))
            self.files += files
            self.disk[owner] = self.disk.get(owner, 0) + blocks * 512
            self.apparent[owner] = self.apparent.get(owner, 0) + length
        return True

    def share(self) -> None:
        """Let processes on the other processors read their part of the folders that are left."""
        helpers = []
        count = len(os.sched_getaffinity(0))
        parts, self.stack[:] = [self.stack[part::count] for part in range(1, count)], self.stack[::count]
        for part in filter(None, parts):
            helper = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            helpers.append(helper)
            assert helper.stdin is not None
            helper.stdin.write(marshal.dumps((part, self.device)))
            helper.stdin.close()
        try:
            self.run()
            for helper in helpers:
                assert helper.stdout is not None
                self.merge(marshal.loads(helper.stdout.read()))  # noqa: S302  # from ourselves
        finally:
            for helper in helpers:
                helper.kill()
                helper.stdout.close()  # type: ignore[union-attr]  # it is a pipe
                helper.wait()

    def merge(self, other: _Sums) -> None:
        """Add what another walk has found."""
        disk, apparent, links, errors, files, folders = other
        for mine, theirs in ((self.disk, disk), (self.apparent, apparent)):
            for owner, value in theirs.items():
                mine[owner] = mine.get(owner, 0) + value
        self.links = {**links, **self.links}
        self.errors += errors
        self.files += files
        self.folders += folders

    def result(self) -> _Sums:
        """What crosses a pipe."""
        return self.disk, self.apparent, self.links, self.errors, self.files, self.folders


def size(*paths: str | bytes | os.PathLike[str], one_file_system: bool = False, processes: bool = True) -> Size:
    """Return what files and folders take, together; what cannot be read is told, and the rest counted.

    >>> size("/dev/null").disk
    0

    Args:
        paths: Files, folders; a symbolic link is itself.
        one_file_system: Leave out what is mounted from elsewhere.
        processes: Ask other processors for help with a large tree.
    """
    names: dict[int, bytes] = {}
    total = _Walk([], None)
    for path in paths or (".",):
        top = os.fsencode(path)
        walk = _Walk([], None, links=total.links)
        walk.add(top, -1)
        if one_file_system and walk.stack:
            walk.device = os.lstat(top).st_dev
        for folder, _ in walk.stack[:]:
            walk.stack.clear()
            try:
                with os.scandir(folder) as entries:
                    inside = sorted(entry.path for entry in entries)
            except OSError as error:
                walk.errors.append((folder, str(error.strerror)))
                continue
            for one in inside:
                names[len(names)] = one
                walk.add(one, len(names) - 1)
        if not walk.run(_SHARE_AT if processes else float("inf")):
            walk.share()
        total.links = {}
        total.merge(walk.result())
    for blocks, length, owner in total.links.values():
        total.disk[owner] = total.disk.get(owner, 0) + blocks * 512
        total.apparent[owner] = total.apparent.get(owner, 0) + length
    found = [
        Entry(os.fsdecode(name), total.disk.get(owner, 0), total.apparent.get(owner, 0))
        for owner, name in names.items()
    ]
    found.sort(key=lambda entry: (-entry.disk, entry.path))
    errors = tuple(f"{os.fsdecode(path)}: {reason}" for path, reason in sorted(total.errors))
    return Size(
        sum(total.disk.values()), sum(total.apparent.values()), total.files, total.folders, errors, tuple(found)
    )


def human(count: float) -> str:
    """Bytes as ``du -h`` writes them: 1024 to a step, rounded up.

    >>> human(0), human(1), human(1536), human(10 * 1024 + 1), human(5 * 1024**4)
    ('0', '1', '1.5K', '11K', '5.0T')
    """
    for unit in ("", "K", "M", "G", "T", "P"):
        if count < 1024 or unit == "P":
            break
        count /= 1024
    if not unit:
        return f"{count:.0f}"
    tenths = -(-count * 10 // 1)
    return f"{tenths / 10:.1f}{unit}" if tenths < 100 else f"{-(-count // 1):.0f}{unit}"


def _help(source: IO[bytes], target: IO[bytes]) -> None:
    stack, device = marshal.loads(source.read())  # noqa: S302  # from ourselves
    walk = _Walk(stack, device)
    walk.run()
    target.write(marshal.dumps(walk.result()))


if __name__ == "__main__":
    _help(sys.stdin.buffer, sys.stdout.buffer)
