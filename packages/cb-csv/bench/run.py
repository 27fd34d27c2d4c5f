"""cb-csv and its peers on the same files, side by side, in one run: tables, ratios, and the goals from them.

    python run.py                       100 MB: every section, 3 rounds, some minutes
    python run.py --quick               10 MB, one round
    python run.py --megabytes 1000 --only convert,check --rounds 1
    python run.py --only detect --corpus FOLDER
    python run.py --readme              tables of the kept figures into README.md

Sections: convert, dense, escapes, check, faults, detect, append, dicts, start, growth. Tables go to stdout, progress to
stderr, and with --keep into figures.json, which --readme reads. --corpus takes a folder with labels.jsonl (see
detection.py); by default the one of the tests is written out.
"""

from __future__ import annotations

import argparse
import csv
import filecmp
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import data
import detection
import inprocess
import peers
from figures import fill, keep
from measure import Runs, cores, interleaved, run

from house.tables import Table

SECTIONS = ("convert", "dense", "escapes", "check", "faults", "detect", "append", "dicts", "start", "growth")
GOALS = {
    "convert": {"csv module": 6.0, "csvkit csvformat": 8.0, "Miller": 3.0, "duckdb": 1.3, "polars": 1.0},
    "check": {"csv module": 3.0, "polars": 1.0},
}
OURS = "cb-csv, 2 workers"
HERE = Path(__file__).parent
PEERS = ("polars", "duckdb", "pyarrow", "csvkit", "clevercsv", "charset-normalizer")


def progress(text: str) -> None:
    """One line on stderr."""
    print(text, file=sys.stderr, flush=True)


def versions() -> list[str]:
    """What it was measured on."""
    known = []
    for name in PEERS:
        try:
            known.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            known.append(f"{name} (not installed)")
    processor = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "?",
    )
    return [
        f"{cores()} cores, {processor}, {platform.system()} {platform.release()}; Python {platform.python_version()}",
        f"cb-csv {metadata.version('cb-csv')}; " + ", ".join(known),
    ]


def differing(source: Path, target: Path, dialect: dict[str, str]) -> int:
    """Cells that are not the same before and after, as the csv module reads them."""
    count = 0
    with source.open(newline="", encoding="utf-8") as one, target.open(newline="", encoding="utf-8") as other:
        for left, right in zip(csv.reader(one, **dialect), csv.reader(other), strict=True):
            count += sum(a != b for a, b in zip(left, right, strict=True)) if left != right else 0
    return count


def table(title: str, runs: dict[str, Runs], ours: str, goals: dict[str, float], note: str = "") -> Table:
    """Times, ratios to ours by their median, and whether the goals are reached."""
    rows = []
    for name, one in runs.items():
        if one.failed or not one.wall:
            rows.append([name, "failed", "", "", "", "", ""])
            continue
        ratio = one.median / runs[ours].median
        aim = goals.get(name)
        verdict = "" if aim is None else f"≥ {aim:g} {'reached' if round(ratio, 2) >= aim else 'NOT reached'}"
        cells = [f"{one.min:.2f}", f"{one.median:.2f}", f"{min(one.cpu):.2f}", f"{max(one.peak):.0f}"]
        rows.append([name, *cells, f"{ratio:.2f}", verdict])
    return Table(title, ["", "min s", "median s", "CPU s", "peak MB", f"÷ {ours}", "aim"], rows, note)


def convert(folder: Path, kind: str, options: argparse.Namespace) -> Table:
    """Conversion of one kind of file."""
    source, target = data.make(folder, kind, options.megabytes), folder / "out.csv"
    escape = "\\" if kind == "escapes" else ""
    contenders = peers.converters(source, target, progress, escape=escape)
    if options.skip:
        contenders = {name: one for name, one in contenders.items() if name not in options.skip.split(",")}
    runs = interleaved(contenders, options.rounds, progress, target)
    dialect = {"delimiter": ";", **({"escapechar": escape} if escape else {})}
    run(contenders["cb-csv"])
    wrong = differing(source, target, dialect)
    first = OURS if OURS in runs else "cb-csv"
    other = target.rename(folder / "first.csv")
    run(contenders[first])
    if not filecmp.cmp(other, target, shallow=False):
        raise SystemExit("several workers wrote other bytes than one")
    other.unlink()
    note = f"Cells that differ after conversion: {wrong}."
    goals = dict(GOALS["convert"]) if kind == "mixed" else {}
    if goals and options.megabytes >= 1000:
        goals["polars"] = 1.3
    return table(f"Convert {options.megabytes:,} MB ({kind}) to RFC 4180", runs, first, goals, note)


def check(folder: Path, options: argparse.Namespace) -> Table:
    """Checking a clean file."""
    contenders = peers.checkers(data.make_rfc(folder, options.megabytes), progress)
    runs = interleaved(contenders, options.rounds, progress)
    title = f"Check {options.megabytes:,} MB, clean"
    return table(title, runs, OURS, GOALS["check"])


def start(rounds: int) -> Table:
    """From nothing to the version."""
    bare = [sys.executable, "-c", "pass"]
    runs = interleaved(
        {"cb-csv --version": peers.ours("--version"), "python -c pass": bare}, 5 * rounds, lambda _: None
    )
    more = 1000 * (runs["cb-csv --version"].min - runs["python -c pass"].min)
    rows = [[name, f"{1000 * one.min:.0f}", f"{1000 * one.median:.0f}"] for name, one in runs.items()]
    verdict = "reached" if more <= 60 else "NOT reached"
    return Table("Start", ["", "min ms", "median ms"], rows, f"{more:.0f} ms above bare Python (aim: ≤ 60): {verdict}.")


def growth(folder: Path, options: argparse.Namespace) -> Table:
    """Time and memory at three sizes."""
    rows = []
    for megabytes in (options.megabytes // 10 or 1, options.megabytes, options.megabytes * 10):
        source = data.make(folder, "mixed", megabytes)
        mine = ("convert", str(source), str(folder / "out.csv"), "-q", "-d", ";", "--no-fsync")
        both = {"1": peers.ours(*mine), "2": peers.ours(*mine, "--workers", "2")}
        for workers, one in interleaved(both, 1, lambda _: None).items():
            per = 1000 * one.min / megabytes
            rows.append([f"{megabytes:,} MB, {workers} worker{'s' * (workers > '1')}", f"{one.min:.2f}", f"{per:.1f}"])
            rows[-1].append(f"{max(one.peak):.0f}")
    return Table("Growth of convert", ["", "s", "ms per MB", "peak MB"], rows)


def sections(folder: Path, options: argparse.Namespace, wanted: Sequence[str]) -> dict[str, Table]:
    """Every table that was asked for, under the name of its place in the README."""
    found = {}
    for section in wanted:
        progress(section)
        if section in ("convert", "dense", "escapes"):
            kind = {"convert": "mixed", "dense": "decimal commas", "escapes": "escapes"}[section]
            key = f"convert-{options.megabytes}" if kind == "mixed" else kind.replace(" ", "-")
            found[key] = convert(folder, kind, options)
        elif section == "check":
            found[f"check-{options.megabytes}"] = check(folder, options)
        elif section == "faults":
            row = inprocess.injected(folder, 10_000 * options.megabytes, 100 * options.megabytes)
            found[section] = Table("Faults at random places", ["", "found exactly", "false", "s"], [row])
        elif section == "detect":
            corpus = Path(options.corpus) if options.corpus else folder / "corpus"
            if not options.corpus:
                from corpus import main as write_corpus

                write_corpus(corpus)
            rows = detection.run(corpus, progress)
            columns = ["", "same cells", "errors", "median ms", "p95 ms"]
            found[section] = Table(f"Detection, {len(list(detection.labelled(corpus)))} files", columns, rows)
        elif section == "append":
            rows = inprocess.append(folder, 8000)
            found[section] = Table("Append, batches of 10 rows", ["", "batches/s"], rows)
        elif section == "dicts":
            source = data.make_rfc(folder, min(options.megabytes, 100))
            rows = inprocess.dicts(source, folder, options.rounds)
            found[section] = Table(f"Rows and dicts, {options.megabytes} MB", ["", "cb-csv s", "csv s", "ratio"], rows)
        elif section == "start":
            found[section] = start(options.rounds)
        else:
            found[section] = growth(folder, options)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run, print, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 MB, one round")
    parser.add_argument("--megabytes", type=int, default=100, metavar="N", help="size of the files")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of each contender")
    parser.add_argument("--only", metavar="NAME,...", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--skip", metavar="NAME,...", help="contenders to leave out of conversions")
    parser.add_argument("--corpus", metavar="DIR", help="labelled files for detect")
    parser.add_argument("--folder", metavar="DIR", help="keep the files there for the next run")
    parser.add_argument("--keep", action="store_true", help="add the tables to figures.json")
    parser.add_argument("--readme", action="store_true", help="write the tables of figures.json into README.md")
    options = parser.parse_args(arguments)
    if options.quick:
        options.megabytes, options.rounds = 10, 1
    if options.readme:
        fill(HERE.parent / "README.md", HERE / "figures.json")
        return 0
    wanted = options.only.split(",") if options.only else SECTIONS
    if unknown := set(wanted) - set(SECTIONS):
        parser.error(f"--only: no {', '.join(sorted(unknown))} (known: {', '.join(SECTIONS)})")
    folder = Path(options.folder or tempfile.mkdtemp(prefix="cb-csv-bench-"))
    folder.mkdir(exist_ok=True)
    try:
        found = sections(folder, options, wanted)
    except KeyboardInterrupt:
        progress("interrupted: nothing printed")
        return 130
    finally:
        if not options.folder:
            shutil.rmtree(folder, ignore_errors=True)
    for line in versions():
        print(line)
    for one in found.values():
        print("\n" + one.text())
    if options.keep:
        keep(HERE / "figures.json", found, "; ".join(versions()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
