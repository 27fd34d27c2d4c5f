"""What is measured inside a process: appending, dicts, injected faults."""

from __future__ import annotations

import csv
import multiprocessing
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cb_csv import Appender, Dialect, check, read_dicts, read_rows, write_dicts

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))


def _appending(file: Path, batches: int, durable: bool) -> None:
    with Appender(file, ["a", "b", "c"], durable=durable, lock_timeout=600) as appender:
        for number in range(batches):
            appender.rows([[number, "some text", 1.5]] * 10)


def append(folder: Path, batches: int) -> list[list[str]]:
    """Batches of ten rows a second, by one and by eight processes."""
    rows = []
    for durable in (False, True):
        for processes in (1, 8):
            file = folder / "append.csv"
            file.unlink(missing_ok=True)
            each = max(1, batches // (10 if durable else 1) // processes)
            workers = [
                multiprocessing.get_context("fork").Process(target=_appending, args=(file, each, durable))
                for _ in range(processes)
            ]
            begin = time.perf_counter()
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            took = time.perf_counter() - begin
            found = sum(1 for _ in read_rows(file, Dialect())) - 1
            assert found == each * processes * 10, "rows were lost"
            label = f"{processes} process{'es' * (processes > 1)}, {'with' if durable else 'without'} fsync"
            rows.append([label, f"{each * processes / took:,.0f}"])
    return rows


def _best(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def _drain(rows: object) -> None:
    for _ in rows:  # type: ignore[attr-defined]
        pass


def dicts(source: Path, folder: Path, rounds: int) -> list[list[str]]:
    """Reading and writing dicts, against the csv module, in seconds."""

    def theirs() -> None:
        with source.open(newline="", encoding="utf-8") as file:
            _drain(csv.DictReader(file))

    def theirs_rows() -> None:
        with source.open(newline="", encoding="utf-8") as file:
            _drain(csv.reader(file))

    some = list(read_dicts(source, Dialect()))[:200_000]

    def written() -> None:
        with (folder / "theirs.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(some[0]))
            writer.writeheader()
            writer.writerows(some)

    found = []
    for name, mine, other in (
        ("read rows", lambda: _drain(read_rows(source, Dialect())), theirs_rows),
        ("read dicts", lambda: _drain(read_dicts(source, Dialect())), theirs),
        ("write dicts", lambda: write_dicts(folder / "ours.csv", some, list(some[0]), durable=False), written),
    ):
        first, second = _best(mine, rounds), _best(other, rounds)
        found.append([name, f"{first:.2f}", f"{second:.2f}", f"{second / first:.2f}"])
    return found


def injected(folder: Path, records: int, faults: int) -> list[str]:
    """Faults of all kinds at random places: how many were found exactly, and how many that are none."""
    from test_checking import injected as inject

    file = folder / "injected.csv"
    data, wanted = inject(records, faults, seed=7)
    file.write_bytes(data)
    begin = time.perf_counter()
    found = [(one.code, one.record, one.column) for one in check(file, workers=2)]
    took = time.perf_counter() - begin
    exact, extra = len(set(found) & set(wanted)), len(set(found) - set(wanted))
    return [f"{faults:,} in {len(data) / 1e6:.0f} MB", f"{exact:,}", str(extra), f"{took:.2f}"]
