"""Several processes do what one does, byte for byte; and a process that dies is noticed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cb_csv import Dialect, FaultError, check, convert
from cb_csv import sweep as sweeping
from cb_csv.converting import converted

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
SEMICOLONS = Dialect(";")


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of some hundred bytes, so that small files have many."""
    monkeypatch.setattr(sweeping, "SEGMENT", 500)
    monkeypatch.setattr(sweeping, "ALONE", 1500)
    monkeypatch.setattr(sweeping, "PIECE", 200)
    monkeypatch.setattr("cb_csv.walk.PIECE", 200)
    # The thread that watches over a test's time, and what other tests left behind, hold nothing that a worker wants.
    monkeypatch.setattr(sweeping.threading, "active_count", lambda: 1)


SEEDS = range(2 if "COVERAGE_RUN" in os.environ else 6)
"""Fewer where coverage is measured: there each process that starts costs ten times as much."""


def table(seed: int, damage: float = 0.0) -> bytes:
    """A file with quotes, line breaks within them, fields that need new quotes, long fields; some rows damaged."""
    choose = random.Random(seed)
    rows = ["id;text;size\r\n"]
    for number in range(choose.randrange(5, 400)):
        text = choose.choice(
            ["plain", "a, b", '"x;""y"""', '"two\r\nlines"', "é", f'"{"long " * choose.randrange(300)}"']
        )
        rows.append(f"{number};{text};{choose.randrange(100)}\r\n")
        if choose.random() < damage:
            rows.append(choose.choice(['x";y;z\r\n', '1;"2;3\r\n', "1;2\r\n", "\r\n", "1;2;3\n"]))
    return "".join(rows).encode()


@pytest.mark.parametrize("workers", [2, 3, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_workers_write_what_one_process_writes(tmp_path: Path, workers: int, seed: int) -> None:
    """The same bytes and the same counts, wherever segments are cut: within quotes, within a long field."""
    source, one, many = (tmp_path / name for name in ("in.csv", "one.csv", "many.csv"))
    source.write_bytes(table(seed))
    first = convert(source, one, source=SEMICOLONS)
    done = convert(source, many, source=SEMICOLONS, workers=workers)
    assert many.read_bytes() == one.read_bytes()
    assert done == first


def test_workers_where_quotes_mean_nothing(tmp_path: Path) -> None:
    """Every line break is one."""
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(b"a;b\r\n" + b"1;2\r\n" * 2000)
    convert(source, target, source=Dialect(";", None), workers=3)
    assert target.read_bytes() == b"a,b\r\n" + b"1,2\r\n" * 2000


def test_a_record_longer_than_a_segment(tmp_path: Path) -> None:
    """Nobody can prove anything in its middle: one process reads it, and several go on behind it."""
    source, one, many = (tmp_path / name for name in ("in.csv", "one.csv", "many.csv"))
    long = b'1;"' + b"line\r\n" * 1000 + b'"\r\n'
    source.write_bytes(b"a;b\r\n" + b"1;2\r\n" * 500 + long + b"1;2\r\n" * 3000)
    done = convert(source, one, source=SEMICOLONS)
    assert convert(source, many, source=SEMICOLONS, workers=3) == done
    assert many.read_bytes() == one.read_bytes()


def test_a_place_that_only_seems_to_be_a_record(tmp_path: Path) -> None:
    """Text within quotes that reads as records of the same shape: a worker that began there begins anew."""
    source, one, many = (tmp_path / name for name in ("in.csv", "one.csv", "many.csv"))
    inside = b"1;2\r\n" * 600
    source.write_bytes(b"a;b\r\n" + (b'1;"\r\n' + inside + b'"\r\n') * 20)
    done = convert(source, one, source=SEMICOLONS)
    assert convert(source, many, source=SEMICOLONS, workers=3) == done
    assert many.read_bytes() == one.read_bytes()
    assert done.records == 21


def test_several_processes_are_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With three workers two are forked: without that the tests here would prove nothing."""
    forked: list[int] = []
    real = os.fork
    monkeypatch.setattr(os, "fork", lambda: forked.append(1) or real())
    source = tmp_path / "in.csv"
    source.write_bytes(b"a;b\r\n" * 2000)
    convert(source, tmp_path / "out.csv", source=SEMICOLONS, workers=3)
    assert len(forked) == 2


@pytest.mark.parametrize("seed", SEEDS)
def test_workers_repair_and_check_alike(tmp_path: Path, seed: int) -> None:
    """Behind a fault one process reads on, and several again after it: the same faults, the same repairs."""
    source, one, many = (tmp_path / name for name in ("in.csv", "one.csv", "many.csv"))
    source.write_bytes(table(seed, damage=0.02))
    told: list[tuple[object, str]] = []
    convert(source, one, source=SEMICOLONS, on_fault="repair")
    convert(source, many, source=SEMICOLONS, on_fault="repair", workers=3, report=lambda *what: told.append(what))
    assert many.read_bytes() == one.read_bytes()
    faults = list(check(source, SEMICOLONS))
    assert list(check(source, SEMICOLONS, workers=3)) == faults == [fault for fault, _ in told]


def test_a_fault_found_by_a_worker_stops_all(tmp_path: Path) -> None:
    """The error has the exact place, and the target is as it was."""
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(table(1) + b'x;y"z;1\r\n' + b"1;2;3\r\n" * 1000)
    target.write_bytes(b"old")
    with pytest.raises(FaultError) as alone:
        convert(source, target, source=SEMICOLONS)
    with pytest.raises(FaultError) as together:
        convert(source, target, source=SEMICOLONS, workers=3)
    assert together.value.fault == alone.value.fault
    assert target.read_bytes() == b"old"
    assert set(tmp_path.iterdir()) == {source, target}


def test_an_error_in_a_worker_is_raised_here(tmp_path: Path) -> None:
    """A character that the target's encoding has not, met by another process."""
    source = tmp_path / "in.csv"
    source.write_bytes(b"a;b\r\n" + b"1;2\r\n" * 120 + "€;2\r\n".encode() + b"1;2\r\n" * 500)
    with pytest.raises(UnicodeEncodeError):
        convert(source, tmp_path / "out.csv", source=SEMICOLONS, to_encoding="latin-1", workers=2)


def test_progress_comes_from_this_process(tmp_path: Path) -> None:
    """What is told rises up to the size of the file."""
    source = tmp_path / "in.csv"
    source.write_bytes(b"a;b\r\n" * 2000)
    told: list[int] = []
    convert(source, tmp_path / "out.csv", source=SEMICOLONS, workers=2, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == source.stat().st_size


def test_where_processes_cannot_share_one_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other threads about, or another encoding, the result is the same."""
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(table(3))
    wanted = b"".join(converted(source, source=SEMICOLONS))
    monkeypatch.undo()
    go_on = threading.Event()
    thread = threading.Thread(target=go_on.wait)
    thread.start()
    try:
        convert(source, target, source=SEMICOLONS, workers=4)
    finally:
        go_on.set()
        thread.join()
    assert target.read_bytes() == wanted
    source.write_bytes(source.read_bytes().decode().encode("utf-16"))
    convert(source, target, source=SEMICOLONS, workers=4)
    assert target.read_bytes() == wanted


KILLED = """
import os, signal, sys
from cb_csv import Dialect, CsvError, convert
from cb_csv import sweep
sweep.SEGMENT = 500
real = sweep._Ring._prove
def prove(self, data, start):
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, data, start)
parent = os.getpid()
sweep._Ring._prove = prove
try:
    convert(sys.argv[1], sys.argv[2], source=Dialect(";"), workers=2)
except CsvError as error:
    print(error)
"""


def test_a_killed_worker_is_noticed(tmp_path: Path, process: Callable[..., Any]) -> None:
    """No hang and no half file: one line that says so."""
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(b"a;b\r\n" * 2000)
    target.write_bytes(b"old")
    with process(source, target, code=KILLED, stdout=subprocess.PIPE) as child:
        said, _ = child.communicate(timeout=60)
    assert b"a worker process was killed" in said
    assert target.read_bytes() == b"old"


def test_output_to_a_pipe_comes_in_order(tmp_path: Path, process: Callable[..., Any]) -> None:
    """Workers write to stdout one after the other."""
    source = tmp_path / "in.csv"
    source.write_bytes(table(4) + b"1;2;3\r\n" * 5000)
    code = (
        "import sys; from cb_csv import Dialect, convert; from cb_csv import sweep; sweep.SEGMENT = 500\n"
        "convert(sys.argv[1], '-', source=Dialect(';'), workers=3)"
    )
    with process(source, code=code, stdout=subprocess.PIPE) as child:
        out, _ = child.communicate(timeout=60)
    assert out == b"".join(converted(source, source=SEMICOLONS))


@pytest.mark.faults
def test_kill_at_any_moment_leaves_the_old_file_or_the_new(
    tmp_path: Path, process: Callable[..., Any], count: Callable[[int, int], int]
) -> None:
    """A conversion killed at a random moment: the target is one of the two, whole."""
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(b"a;b\r\n" + b'1;"x, y"\r\n' * 200_000)
    new = b"".join(converted(source, source=SEMICOLONS))
    choose = random.Random(0)
    ends = set()
    for _ in range(count(4, 100)):
        target.write_bytes(b"old")
        with process("convert", source, target, "-q", "--workers", choose.choice([1, 2])) as child:
            try:
                child.wait(timeout=choose.uniform(0.05, 0.6))
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
        ends.add(target.read_bytes())
    assert ends <= {b"old", new}
