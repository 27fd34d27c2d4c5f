"""From a list of URLs to jobs: what to request, which file it becomes.

All that is wrong with a list is found here, before the first request: a URL that is none, a name that leaves the
folder, two URLs for one file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from cb_threading.errors import BadInput, Collision
from cb_threading.names import RESERVED, Names, destination, normalised

__all__ = ["Format", "Job", "file_key", "plan", "read_list"]

Format = Literal["text", "csv", "jsonl"]


@dataclass(frozen=True, slots=True)
class Job:
    """A URL, the file it becomes (relative, with slashes; empty: named after the URL), and its SHA-256 if known."""

    url: str
    path: str = ""
    sha256: str = ""
    source: str = ""


def plan(jobs: Iterable[str | Job], *, names: Names = "path") -> list[Job]:
    """Check the jobs and give each its file. A URL that comes twice for the same file is one job.

    Raises:
        BadInput: A URL or a path makes no sense.
        Collision: Two URLs would become one file, or one's file is another one's folder.
    """
    planned: dict[str, Job] = {}
    for count, job in enumerate(jobs, 1):
        given = Job(job, source=f"URL {count}") if isinstance(job, str) else job
        try:
            url = normalised(given.url)
            path = _checked(given.path) if given.path else destination(url, names)
            digest = _digest(given.sha256) if given.sha256 else ""
        except ValueError as error:
            raise BadInput(f"{given.source or f'URL {count}'}: {error}") from None
        other = planned.setdefault(file_key(path), made := Job(url, path, digest, given.source))
        if other is not made and (other.url != url or other.path != path or other.sha256 != digest):
            raise Collision(
                f"{made.source}: {url} would overwrite {path} of {other.url}, {other.source} "
                "(give it a path in CSV or JSON Lines, or choose other --names)"
            )
    _no_file_is_a_folder(planned)
    return list(planned.values())


def file_key(path: str) -> str:
    """Two paths with one key are one file."""
    if path.isascii() and sys.platform != "darwin":
        return path
    import unicodedata

    return unicodedata.normalize("NFC", path).casefold() if sys.platform == "darwin" else path


def _no_file_is_a_folder(planned: dict[str, Job]) -> None:
    folders = {key.rpartition("/")[0]: job for key, job in planned.items()}
    for folder, job in folders.items():
        while folder:
            if folder in planned:
                file = planned[folder]
                raise Collision(
                    f"{job.source}: {job.path} needs a folder where {file.url}, {file.source}, is a file "
                    "(give one a path in CSV or JSON Lines, or choose other --names)"
                )
            folder = folder.rpartition("/")[0]  # noqa: PLW2901 - upwards


def _checked(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or parts[0] == RESERVED or path.endswith("/"):
        raise ValueError(f"{path!r} is not a file below the folder")
    if any(ord(character) < 32 for character in path) or any(len(part.encode()) > 255 for part in parts):
        raise ValueError(f"{path!r} cannot be a file's name")
    return "/".join(parts)


def _digest(text: str) -> str:
    if len(text) != 64 or not set(text.lower()) <= set("0123456789abcdef"):
        raise ValueError(f"{text!r} is not a SHA-256 (64 hexadecimal digits)")
    return text.lower()


def read_list(lines: Iterable[bytes], name: str, form: Format = "text") -> Iterator[Job]:
    """Read a list, line by line.

    URLs on lines (blank ones and those from # on are passed over), CSV with a column url and, if you like, path and
    sha256, or JSON Lines with objects of these or mere strings.

    Raises:
        BadInput: With file, line and column.
    """
    texts = _decoded(lines, name)
    if form == "csv":
        yield from _from_csv(texts, name)
    elif form == "jsonl":
        for number, text in enumerate(texts, 1):
            if text.strip():
                yield _from_json(text, f"{name}:{number}")
    else:
        for number, text in enumerate(texts, 1):
            url = text.strip()
            if url and not url.startswith("#"):
                yield Job(url, source=f"{name}:{number}:{text.index(url[0]) + 1}")


def _decoded(lines: Iterable[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            column = len(line[: error.start].decode("utf-8")) + 1
            raise BadInput(f"{name}:{number}:{column}: not UTF-8 (convert the list: iconv -f ... -t UTF-8)") from None
        yield text


def _from_csv(texts: Iterator[str], name: str) -> Iterator[Job]:
    import csv

    rows = csv.DictReader(texts, strict=True)
    try:
        if "url" not in (rows.fieldnames or ()):
            raise BadInput(f"{name}:1:1: no column named url (the first line names the columns)")
        for row in rows:
            if None in row:
                raise BadInput(f"{name}:{rows.line_num}:1: more fields than columns (quote a field that holds a comma)")
            source = f"{name}:{rows.line_num}:1"
            if not row["url"]:
                raise BadInput(f"{source}: no URL")
            yield Job(row["url"].strip(), row.get("path") or "", row.get("sha256") or "", source)
    except csv.Error as error:
        raise BadInput(f"{name}:{rows.reader.line_num}:1: {error}") from None


def _from_json(text: str, where: str) -> Job:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(f"{where}:{error.colno}: {error.msg} (one JSON value a line)") from None
    except RecursionError:
        raise BadInput(f"{where}:1: nested too deep") from None
    fields = {"url": value} if isinstance(value, str) else value
    if not isinstance(fields, dict) or not isinstance(fields.get("url"), str):
        raise BadInput(f'{where}:1: neither a string nor an object with "url"')
    rest = [fields.get(key) or "" for key in ("path", "sha256")]
    if not all(isinstance(value, str) for value in rest):
        raise BadInput(f'{where}:1: "path" and "sha256" must be strings')
    return Job(fields["url"], rest[0], rest[1], f"{where}:1")
