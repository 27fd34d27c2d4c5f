"""The contenders: each a command that does one job on one file."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

CSV = """
import csv, sys
with open(sys.argv[1], newline="", encoding="utf-8") as i, open(sys.argv[2], "w", newline="", encoding="utf-8") as o:
    csv.writer(o).writerows(csv.reader(i, delimiter=";", escapechar=sys.argv[3] or None))
"""
POLARS = """
import sys, polars as pl
pl.scan_csv(sys.argv[1], separator=";", infer_schema=False).sink_csv(sys.argv[2], line_terminator="\\r\\n")
"""
DUCKDB = """
import sys, duckdb
duckdb.sql(f"copy (from read_csv('{sys.argv[1]}', delim=';', quote='\\"', all_varchar=true, header=true))"
           f" to '{sys.argv[2]}' (header, delimiter ',')")
"""
ARROW = """
import sys
from pyarrow import csv, string
with open(sys.argv[1], "rb") as file:
    names = file.readline().decode().strip().split(";")
options = dict(read_options=csv.ReadOptions(), parse_options=csv.ParseOptions(delimiter=";", newlines_in_values=True,
    escape_char=sys.argv[3] or False), convert_options=csv.ConvertOptions(column_types={n: string() for n in names}))
with csv.open_csv(sys.argv[1], **options) as reader, csv.CSVWriter(sys.argv[2], reader.schema) as writer:
    for batch in reader:
        writer.write_batch(batch)
"""
STRICT = """
import csv, sys
with open(sys.argv[1], newline="", encoding="utf-8") as file:
    rows = csv.reader(file, strict=True)
    columns = len(next(rows))
    print(sum(len(row) != columns for row in rows))
"""
POLARS_READ = """
import sys, polars as pl
print(pl.read_csv(sys.argv[1], infer_schema=False).height)
"""
NEEDS = {"polars": "polars", "duckdb": "duckdb", "pyarrow": "pyarrow", "csvkit csvformat": "csvkit"}


def _python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def ours(*arguments: str) -> list[str]:
    """The command of this package."""
    return [str(Path(sys.executable).with_name("cb-csv")), *arguments]


def _available(name: str, say: Callable[[str], object]) -> bool:
    module = NEEDS.get(name)
    there = shutil.which("mlr") if name == "Miller" else module is None or importlib.util.find_spec(module)
    if not there:
        say(f"left out: {name} is not installed here")
    return bool(there)


def converters(source: Path, target: Path, say: Callable[[str], object], *, escape: str = "") -> dict[str, list[str]]:
    """Semicolons to RFC 4180. Nobody waits for the disk."""
    ends = (str(source), str(target))
    escapes = ("--escape", escape) if escape else ()
    mine = ("convert", *ends, "-q", "-d", ";", "--no-fsync", *escapes)
    mlr = ["sh", "-c", f"mlr --icsv --ifs ';' --ocsv --ofs ',' cat '{source}' > '{target}'"]
    kit = [sys.executable, "-m", "csvkit.utilities.csvformat", "-d", ";", *(("-p", escape) if escape else ())]
    quoted = " ".join(f"'{word}'" for word in [*kit, str(source)])
    found = {
        "cb-csv, 2 workers": ours(*mine, "--workers", "2"),
        "cb-csv": ours(*mine),
        "polars": _python(POLARS, *ends),
        "duckdb": _python(DUCKDB, *ends),
        "pyarrow": _python(ARROW, *ends, escape),
        "Miller": mlr,
        "csv module": _python(CSV, *ends, escape),
        "csvkit csvformat": ["sh", "-c", f"{quoted} > '{target}'"],
    }
    if escape:
        del found["polars"], found["duckdb"], found["Miller"], found["cb-csv, 2 workers"]
        say("left out: polars, duckdb and Miller read no escapes outside of quotes; cb-csv has one worker for them")
    return {name: command for name, command in found.items() if _available(name, say)}


def checkers(source: Path, say: Callable[[str], object]) -> dict[str, list[str]]:
    """Reading it all and looking at quotes and numbers of fields."""
    found = {
        "cb-csv, 2 workers": ours("check", "-q", str(source), "--workers", "2"),
        "cb-csv": ours("check", "-q", str(source)),
        "polars": _python(POLARS_READ, str(source)),
        "csv module": _python(STRICT, str(source)),
    }
    return {name: command for name, command in found.items() if _available(name, say)}
