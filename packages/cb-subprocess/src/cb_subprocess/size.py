"""How much room files take: what ``du`` says, as numbers, with what could not be read.

Disk use counts a file with several names once, and the holes of sparse files not at all; apparent size is the length of
all, folders included, as GNU du 9.1 has it. Nothing is followed. A large tree is shared with processes on the other
processors. Cost: one stat an entry; memory: see `walk`.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cb_subprocess import walk
from cb_subprocess.limits import processors
from cb_subprocess.walk import Walk

if TYPE_CHECKING:
    from cb_subprocess.walk import Folders

__all__ = ["Entry", "Size", "size"]

_SHARE_AT = 3_000  # files, after which other processors are asked: about what it costs to start a process
_PART = 5_000  # files that a process reads before it gives back what is left


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
    total = Walk([], None)
    for path in paths or (".",):
        top = os.fsencode(path)
        mine = Walk([], None, total.links)
        mine.add(top, -1)
        if one_file_system and mine.stack:
            mine.device = os.lstat(top).st_dev
        for folder, _ in mine.stack[:]:
            mine.stack.clear()
            try:
                with os.scandir(folder) as entries:
                    inside = sorted(entry.path for entry in entries)
            except OSError as error:
                mine.errors.append((folder, str(error.strerror)))
                continue
            for one in inside:
                names[len(names)] = one
                mine.add(one, len(names) - 1)
        mine.run(_SHARE_AT if processes else float("inf"))
        if mine.stack:
            _share(mine)
        total.merge(mine.sums())
    for blocks, length, owner in total.links.values():
        total.blocks[owner] = total.blocks.get(owner, 0) + blocks
        total.lengths[owner] = total.lengths.get(owner, 0) + length
    found = [
        Entry(os.fsdecode(name), total.blocks.get(owner, 0) * 512, total.lengths.get(owner, 0))
        for owner, name in names.items()
    ]
    found.sort(key=lambda entry: (-entry.disk, entry.path))
    errors = tuple(f"{os.fsdecode(path)}: {reason}" for path, reason in sorted(total.errors))
    disk, apparent = sum(total.blocks.values()) * 512, sum(total.lengths.values())
    return Size(disk, apparent, total.files, total.folders, errors, tuple(found))


def _share(mine: Walk) -> None:
    """Read what is left together with the other processors: each gets a half of it when it has nothing to do."""
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(_helper()) for _ in range(processors() - 1)]
        busy: dict[int, tuple[subprocess.Popen[bytes], Folders]] = {}
        poller = select.poll()
        while mine.stack or busy:
            while idle and len(mine.stack) > 1:
                helper, half = idle.pop(), len(mine.stack) // 2
                assert helper.stdin is not None
                assert helper.stdout is not None
                part, mine.stack[:] = mine.stack[:half], mine.stack[half:]  # the first are the highest
                busy[helper.stdout.fileno()] = helper, part
                poller.register(helper.stdout, select.POLLIN)
                with contextlib.suppress(BrokenPipeError):  # it was killed: its answer is an end of file
                    helper.stdin.write(marshal.dumps((part, mine.device, _PART)))
                    helper.stdin.flush()
            if mine.stack:
                mine.folder()
            for fd, _ in poller.poll(None if busy and not mine.stack else 0):
                helper, part = busy.pop(fd)
                poller.unregister(fd)
                assert helper.stdout is not None
                try:
                    mine.merge(marshal.load(helper.stdout))  # noqa: S302  # from ourselves
                    idle.append(helper)
                except EOFError:
                    mine.stack += part


@contextlib.contextmanager
def _helper() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-I", "-S", walk.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as helper:
        try:
            yield helper
        finally:
            helper.kill()


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
