"""Where lists of URLs come from: words of the command line, files, stdin."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from cb_threading.errors import BadInput
from cb_threading.plan import Format, Job, read_list

__all__ = ["jobs_of"]

_ENDINGS: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def jobs_of(sources: Iterable[str], form: Format | None) -> Iterator[Job]:
    """Read URLs, files (by *form* or by their extension) and stdin (-)."""
    for number, source in enumerate(sources, 1):
        if "://" in source:
            yield Job(source, source=f"argument {number}")
        elif not source:
            raise BadInput(f"argument {number} is empty (a list, or a URL with http://)")
        elif source == "-":
            yield from read_list(sys.stdin.buffer, "stdin", form or "text")
        else:
            try:
                with Path(source).open("rb") as lines:
                    yield from read_list(lines, source, form or _ENDINGS.get(Path(source).suffix.lower(), "text"))
            except OSError as error:
                raise BadInput(f"{source}: {error.strerror} (a list, or a URL with http://)") from None
