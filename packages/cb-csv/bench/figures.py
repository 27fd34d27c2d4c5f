"""The figures of earlier runs, which README.md shows: tables by the names of their places."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from house.tables import Table, put


def keep(file: Path, found: Mapping[str, Table], machine: str) -> None:
    """Add tables to those of earlier runs; one of the same name takes the place of the older."""
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    known |= {key: {**asdict(one), "machine": machine} for key, one in found.items()}
    file.write_text(json.dumps(known, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


def fill(readme: Path, file: Path) -> None:
    """Write the tables that were kept into the README, each at its place."""
    for key, one in json.loads(file.read_text(encoding="utf-8")).items():
        del one["machine"]
        put(readme, key, Table(**one).markdown())
