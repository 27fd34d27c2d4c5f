"""Detection on a labelled corpus: which cells come out, and how long it takes."""

from __future__ import annotations

import csv
import io
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cb_csv import Dialect, detect, read_rows

Way = Callable[[Path, bytes, str], Dialect]
SAMPLE = 65536
LIMIT = 200_000


def labelled(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Files and labels of a folder: labels.jsonl has a line for each file.

    An object a line: file, delimiter, quotechar (or null), escapechar (or null), encoding.
    """
    for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        label = json.loads(line)
        yield folder / label["file"], label


def _ours(path: Path, data: bytes, encoding: str) -> Dialect:
    return detect(io.BytesIO(data[:SAMPLE])).dialect


def _sniffer(path: Path, data: bytes, encoding: str) -> Dialect:
    found = csv.Sniffer().sniff(data[:SAMPLE].decode(encoding, "replace"), delimiters=",;\t| :^~")
    return Dialect(found.delimiter, found.quotechar or '"', found.escapechar, skipinitialspace=found.skipinitialspace)


def _clevercsv(path: Path, data: bytes, encoding: str) -> Dialect:
    import clevercsv

    found = clevercsv.Sniffer().sniff(data[:SAMPLE].decode(encoding, "replace"))
    return Dialect(found.delimiter or "\ue000", found.quotechar or None, found.escapechar or None)


def _duckdb(path: Path, data: bytes, encoding: str) -> Dialect:
    import duckdb

    found = duckdb.sql(f"select Delimiter, Quote, Escape from sniff_csv('{path}')").limit(1).fetchall()[0]
    delimiter, quote, escape = (None if one in ("(empty)", "\0", "") else one for one in found)
    return Dialect(delimiter or "\ue000", quote, escape if escape != quote else None)


WAYS: dict[str, Way] = {"cb-csv": _ours, "clevercsv": _clevercsv, "duckdb sniff_csv": _duckdb, "csv.Sniffer": _sniffer}


def cells(data: bytes, dialect: Dialect, encoding: str) -> list[list[str]]:
    """What the first 200 kB are, read so."""
    source = io.BytesIO(data[:LIMIT])
    return list(read_rows(source, dialect, encoding=encoding, strict=False, ragged="keep"))


def run(folder: Path, say: Callable[[str], object]) -> list[list[str]]:
    """Rows of the table: same cells in percent, errors, median and 95th percentile in ms."""
    tally: dict[str, tuple[list[bool], list[float], int]] = {}
    files = list(labelled(folder))
    for name, way in WAYS.items():
        same: list[bool] = []
        times: list[float] = []
        errors = 0
        try:
            for path, label in files:
                data = path.read_bytes()
                meant = Dialect(label["delimiter"], label["quotechar"], label["escapechar"])
                begin = time.perf_counter()
                try:
                    found = way(path, data, label["encoding"])
                except ImportError:
                    raise
                except Exception:  # noqa: BLE001 - a detector that raises has not detected
                    errors += 1
                    found = None
                times.append(time.perf_counter() - begin)
                same.append(
                    found is not None and cells(data, found, label["encoding"]) == cells(data, meant, label["encoding"])
                )
        except ImportError as error:
            say(f"left out: {name}: {error}")
            continue
        tally[name] = same, times, errors
    return [
        [
            name,
            f"{100 * sum(same) / len(same):.1f} %",
            str(errors),
            f"{1000 * statistics.median(times):.2f}",
            f"{1000 * sorted(times)[int(0.95 * (len(times) - 1))]:.1f}",
        ]
        for name, (same, times, errors) in tally.items()
    ]
