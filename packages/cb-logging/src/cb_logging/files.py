"""The files of a log: what it was rotated to, and each of them open, unpacked on the way."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cb_logging.compressed import SUFFIXES, open_packed
from cb_logging.errors import ReadError

__all__ = ["Source", "open_sources", "rotated"]


def rotated(path: str | os.PathLike[str]) -> list[Path]:
    """The files that a log was rotated to, the oldest first; the log itself is not among them."""
    log = Path(path)
    pattern = re.compile(re.escape(log.name) + r"\.(\d+)(?:\.gz|\.zst)?")
    try:
        found = [(int(match[1]), one) for one in log.parent.iterdir() if (match := pattern.fullmatch(one.name))]
    except FileNotFoundError:
        return []
    return [one for _, one in sorted(found, reverse=True)]


@dataclass
class Source:
    """One file to read.

    Attributes:
        path: Its name, ``-`` for standard input.
        file: Open, from its beginning.
        plain: Whether it can be bisected.
    """

    path: str
    file: Any
    plain: bool


def open_sources(path: str | os.PathLike[str], *, before: bool = False) -> Iterator[Source]:
    """Open the files of a log in the order in which they were written; ``.gz`` and ``.zst`` are unpacked on the way.

    Args:
        path: A file, a pattern with ``*``, or ``-``.
        before: Read what the log was rotated to first.

    Raises:
        ReadError: There is no such file.
    """
    import sys

    text = os.fspath(path)
    if text == "-":
        yield Source("-", sys.stdin.buffer, plain=False)
        return
    files = [Path(text)]
    if any(one in text for one in "*?[") and not files[0].exists():
        import glob

        files = [Path(one) for one in sorted(glob.glob(text))]  # noqa: PTH207 - absolute patterns too
    elif before:
        files = [*rotated(text), *files]
    if not files:
        raise ReadError(f"{text}: there is no such file (quote the pattern?)")
    for one in files:
        kind = next((kind for kind, suffix in SUFFIXES.items() if one.name.endswith(suffix)), "")
        try:
            file = open_packed(one, kind) if kind else one.open("rb", buffering=0)
        except OSError as error:
            raise ReadError(f"{one}: {error.strerror or error} (look at the name and the rights)") from error
        with file:
            yield Source(str(one), _Packed(one, file) if kind else file, plain=not kind and one.is_file())


class _Packed:
    """A compressed file that says its name when it cannot be unpacked."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path, self._file = path, file

    def read(self, size: int) -> bytes:
        """Some bytes; none at the end."""
        try:
            return self._file.read(size)
        except Exception as error:  # gzip, zlib and zstd have one each
            raise ReadError(f"{self._path}: {error} (what came before is whole)") from error
