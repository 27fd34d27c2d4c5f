"""cb-map and its peers on the same work: ``python run.py [--quick] [--only PART] [--readme]``.

Rounds are interleaved: all contenders once, then all again. Ratios are taken within a round, and the median is told.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import maps
import records
from compared import compared

from house.tables import Table, put

HERE = Path(__file__).parent
LEFT_OUT: list[str] = []
IN_THIS_PROCESS = {"cb-map threads", "cb-map inline", "cb-map coroutines", "ThreadPool.imap", "builtin map"}
PARTS = ("tiny", "costs", "dask", "growth", "records", "faults")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def one(name: str, cost: str, count: int, *more: str, timeout: float = 60) -> Any:
    """A measurement in a child process; None where it failed, "hangs" where it does not end."""
    command = [sys.executable, "-W", "ignore", str(HERE / "maps.py"), name, cost, str(count), *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        out, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return "hangs"
    try:
        return json.loads(out.splitlines()[0])
    except (IndexError, ValueError):
        return None


def race(names: list[str], cost: str, count: int, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        one(name, cost, 2)  # what it imports is compiled, and in the system's cache
    for turn in range(rounds):
        say(f"{cost} x {count}: round {turn + 1} of {rounds}")
        for name in names:
            result = one(name, cost, count)
            if isinstance(result, dict):
                found[name].append(result["seconds"])
    return found


def chosen(names: Any) -> list[str]:
    for name in names:
        if maps.missing(name) and name not in LEFT_OUT:
            LEFT_OUT.append(name)
    return [name for name in names if name not in LEFT_OUT]


def tiny(rounds: int) -> list[Table]:
    count = 20_000
    return [
        compared(
            f"x + 1, {count} items, {maps.WORKERS} {kind}",
            f"cb-map {kind}",
            race(chosen(names), "tiny", count, rounds),
            count,
        )
        for kind, names in (("processes", maps.PROCESSES), ("threads", maps.THREADS))
    ]


def costs(rounds: int) -> list[Table]:
    processes = [
        "cb-map processes",
        "Pool.imap",
        "Pool.imap chunk=10",
        "Executor.map",
        "Executor.map chunk=10",
        "joblib",
        "mpire",
    ]
    threads = ["cb-map threads", "ThreadPool.imap", "Executor.map threads", "streamable"]
    cells = [
        (processes, "ms1", 1000, "1 ms of work"), (processes, "ms10", 150, "10 ms of work"),
        (processes, "heavy", 1500, "heavy tail: 0.2 ms, one in fifty 30 ms"),
        (threads, "sleep1", 1000, "1 ms of waiting"), (threads, "sleep10", 150, "10 ms of waiting"),
    ]  # fmt: skip
    return [
        compared(f"{title}, {count} items", names[0], race(chosen(names), cost, count, rounds))
        for names, cost, count, title in cells
    ]


def dask(rounds: int) -> list[Table]:
    try:
        import distributed
    except ImportError:
        LEFT_OUT.append("Dask")
        return []
    from cb_map import pmap

    found: dict[str, list[float]] = {"cb-map on Dask": [], "client.map + gather": []}
    count = 3000
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    )
    with cluster, distributed.Client(cluster) as client:
        for _ in range(rounds):
            begin = time.perf_counter()
            ours = list(pmap(maps.tiny, range(count), backend=client))
            found["cb-map on Dask"].append(time.perf_counter() - begin)
            begin = time.perf_counter()
            theirs = client.gather(client.map(maps.tiny, range(count), pure=False))
            found["client.map + gather"].append(time.perf_counter() - begin)
            assert ours == theirs
    return [compared(f"Dask, x + 1, {count} items, 2 worker processes", "cb-map on Dask", found, count)]


def growth(rounds: int) -> list[Table]:
    rows = []
    for name in ("builtin map", "cb-map processes", "cb-map threads"):
        for count in (100_000, 1_000_000, 10_000_000):
            say(f"growth: {name} x {count}")
            result = one(name, "tiny", count, "generator", timeout=120)
            rows.append(
                [
                    name,
                    f"{count:,}",
                    f"{result['seconds']:.2f}",
                    f"{result['first'] * 1000:.1f}",
                    f"{result['peak'] / 1000:.1f}",
                ]
            )
    for name in ("Executor.map threads", "Pool.imap chunk=256", "joblib"):
        if chosen([name]):
            say(f"growth: {name}")
            result = one(name, "tiny", 100_000, "generator", timeout=120)
            rows.append(
                [
                    name,
                    "100,000",
                    f"{result['seconds']:.2f}",
                    f"{result['first'] * 1000:.1f}",
                    f"{result['peak'] / 1000:.1f}",
                ]
            )
    return [Table("A generator, x + 1: growth", ["", "items", "s", "first ms", "peak MB"], rows)]


def on_records(rounds: int) -> list[Table]:
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        records.install(Path(folder, "venv"))
        for megabytes in (1, 10, 100):
            source = Path(folder, f"{megabytes}.jsonl")
            records.make(source, megabytes)
            for verb, commands in (("omit", records.OMIT), ("pick", records.PICK)):
                found: dict[str, list[float]] = {}
                peaks: dict[str, int] = {}
                right: dict[str, str] = {}
                for turn in range(3 * rounds if megabytes == 1 else rounds):
                    say(f"{verb} {megabytes} MB: round {turn + 1}")
                    for name, command in commands.items():
                        if not records.available(command):
                            LEFT_OUT.append(name) if name not in LEFT_OUT else None
                            continue
                        if (megabytes == 100 and name in {"jello", "gojq"}) or (turn and right.get(name) == "failed"):
                            continue  # slower than jq at 10 MB already
                        result = records.measure(command, source, Path(folder, name))
                        if result is None:
                            right[name] = "failed"
                            continue
                        if name not in found:
                            peaks[name] = records.peak_of(command, source)
                        found.setdefault(name, []).append(result)
                for name in found:
                    if Path(folder, "jq").exists():
                        right[name] = "yes" if records.same(Path(folder, name), Path(folder, "jq")) else "no"
                table = compared(f"{verb}, {megabytes} MB of JSON Lines", "cb-map", found)
                rows = [[*row[:4], f"{peaks.get(row[0], 0) / 1000:.0f}", right.get(row[0], "")] for row in table.rows]
                tables.append(Table(table.title, [*table.columns, "peak MB", "as jq"], rows))
    return tables


def faults(rounds: int) -> list[Table]:
    kinds = ["raise", "StopIteration", "SIGKILL", "unpicklable", "hang", "abandon"]
    names = chosen(
        [*maps.SAFE, "Pool.imap chunk=10", "Executor.map chunk=10", "joblib", "mpire", "ThreadPool.imap", "builtin map"]
    )
    rows = []
    for name in names:
        say(f"faults: {name}")
        row = [name]
        for kind in kinds:
            # Dask itself may wait half a minute for a worker that is gone.
            if kind == "SIGKILL" and name in IN_THIS_PROCESS:
                row.append("-")
            else:
                row.append(str(one(name, f"fault:{kind}", 200, timeout=90 if "Dask" in name else 8) or "dies"))
        rows.append(row)
    return [Table("200 items, trouble at the 51st: results that came, and how it ended", ["", *kinds], rows)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--readme", action="store_true", help="also put the tables into README.md")
    options = parser.parse_args()
    # As a user has it: modules are compiled once, not at each start.
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
        os.environ.pop(name, None)
    rounds = 1 if options.quick else 3
    work = {"tiny": tiny, "costs": costs, "dask": dask, "growth": growth, "records": on_records, "faults": faults}
    about = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    with tempfile.TemporaryDirectory() as compiled:
        os.environ["PYTHONPYCACHEPREFIX"] = compiled
        for part in options.only or PARTS:
            begin = time.monotonic()
            tables = work[part](rounds)
            told = f'`nox -s "bench(cb-map)" -- --only {part}`: {about}, rounds: {rounds}'
            print(f"{told}; {time.monotonic() - begin:.0f} s")
            for table in tables:
                print(f"\n{table.text()}\n")
            if options.readme:
                put(HERE.parent / "README.md", part, "\n\n".join([told, *(table.markdown() for table in tables)]))
    if LEFT_OUT:
        print(f"left out, because not installed: {', '.join(LEFT_OUT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
