"""Parts of whole records: by byte ranges, as files, on Dask; and what other engines get."""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cb_csv import (
    CsvError,
    Dialect,
    FaultError,
    check,
    open_clean,
    read_rows,
    split_into,
    split_points,
    to_arrow,
    to_polars,
)

dask_csv: Any = pytest.importorskip("cb_csv.dask")
SEMICOLONS = Dialect(";")


def table(rows: int, seed: int = 0) -> bytes:
    """Every other record has a line break within quotes; some fields are long."""
    choose = random.Random(seed)
    text = ["id;text;size\r\n"]
    for number in range(rows):
        inner = choose.choice(["plain", '"two\r\nlines"', '"a ""b""\r\n\r\n;c"', f'"{"x" * choose.randrange(600)}"'])
        text.append(f"{number};{inner};{choose.randrange(9)}\r\n")
    return "".join(text).encode()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three worker processes of a Dask cluster on this machine."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as local,
        distributed.Client(local) as client,
    ):
        yield client


@pytest.mark.parametrize("parts", [1, 2, 7, 50, 5000])
def test_every_range_has_whole_records(tmp_path: Path, parts: int) -> None:
    """The ranges, read one by one, give the rows of the file, also with line breaks within quotes."""
    file = tmp_path / "x.csv"
    file.write_bytes(table(200))
    points = split_points(file, parts, SEMICOLONS)
    assert points == sorted(set(points))
    assert (points[0], points[-1]) == (0, file.stat().st_size)
    assert len(points) <= parts + 1
    data = file.read_bytes()
    rows = [
        row
        for start, stop in pairwise(points)
        for row in read_rows(io.BytesIO(data[start:stop]), SEMICOLONS, encoding="utf-8")
    ]
    assert rows == list(read_rows(file, SEMICOLONS))


def test_a_file_of_one_record_is_one_range(tmp_path: Path) -> None:
    """There is no cut within a record, however long; escapes are refused; without quotes every line is a record."""
    file = tmp_path / "x.csv"
    file.write_bytes(b'a,"' + b"x\n" * 100_000 + b'"\n')
    assert split_points(file, 8) == [0, file.stat().st_size]
    assert len(split_points(file, 8, Dialect(quotechar=None))) == 9
    file.write_bytes(b"x" * 200_000)
    assert split_points(file, 2, Dialect(quotechar=None)) == [0, 200_000]
    with pytest.raises(CsvError, match="escape"):
        split_points(file, 8, Dialect(escapechar="\\"))


def test_parts_as_files(tmp_path: Path) -> None:
    """Each with the header; together they are the file."""
    file = tmp_path / "x.csv"
    file.write_bytes(table(100))
    paths = split_into(file, tmp_path / "parts", 4, SEMICOLONS)
    assert [Path(path).name for path in paths] == [f"x-00{number}.csv" for number in range(4)]
    header, *rows = read_rows(file, SEMICOLONS)
    found = [list(read_rows(path, SEMICOLONS)) for path in paths]
    assert all(part[0] == header for part in found)
    assert [row for part in found for row in part[1:]] == rows


@pytest.mark.xdist_group("cluster")
def test_a_data_frame_on_worker_processes(tmp_path: Path, cluster: Any) -> None:
    """Cell by cell what one process reads, from several files, cut within quoted line breaks."""
    for number in range(3):
        (tmp_path / f"part{number}.csv").write_bytes(table(150, seed=number))
    frame = dask_csv.read_csv(str(tmp_path / "part*.csv"), SEMICOLONS, block=1000)
    assert frame.npartitions > 20
    got = frame.compute()
    wanted = [row for n in range(3) for row in list(read_rows(tmp_path / f"part{n}.csv", SEMICOLONS))[1:]]
    assert got.to_numpy().tolist() == wanted
    assert list(got.columns) == ["id", "text", "size"]
    pids = set(cluster.run(lambda: __import__("os").getpid()).values())
    assert len(pids) == 3


@pytest.mark.xdist_group("cluster")
@pytest.mark.parametrize("damage", [b"", b"1;2\r\n\r\n3;4;5;6\r\n", b'7;x"y;8\r\n9;"z;1\r\n'])
def test_checked_on_worker_processes(tmp_path: Path, cluster: Any, damage: bytes) -> None:
    """The same faults with the same places as one process finds, also behind a quote too many."""
    file = tmp_path / "x.csv"
    file.write_bytes(table(120) + damage + table(120)[14:])
    found = dask_csv.check(str(file), SEMICOLONS, block=2000)
    assert found == {str(file): list(check(file, SEMICOLONS))}
    assert bool(found[str(file)]) is bool(damage)


@pytest.mark.xdist_group("cluster")
def test_converted_on_worker_processes(tmp_path: Path, cluster: Any) -> None:
    """The parts one after the other are what one process writes; the dialect is detected."""
    file, target = tmp_path / "x.csv", tmp_path / "out"
    target.mkdir()
    file.write_bytes(table(300))
    names = dask_csv.convert(str(file), str(target), block=3000)
    assert len(names) > 5
    with open_clean(file, source=SEMICOLONS) as whole:
        assert b"".join(Path(name).read_bytes() for name in names) == whole.read()


def test_what_cannot_be_read_in_parts(tmp_path: Path) -> None:
    """Nothing there, another encoding, escapes, other columns: one line each."""
    with pytest.raises(FileNotFoundError, match="no such file"):
        dask_csv.split(str(tmp_path / "*.csv"))
    one, two = tmp_path / "1.csv", tmp_path / "2.csv"
    one.write_bytes("a;b\r\n1;2\r\n".encode("utf-16"))
    with pytest.raises(CsvError, match="utf-16-le is not read in parts"):
        dask_csv.split(str(one))
    one.write_bytes(b"a;b\r\n1;2\r\n")
    with pytest.raises(CsvError, match="escape characters are not read in parts"):
        dask_csv.split(str(one), Dialect(escapechar="\\"))
    two.write_bytes(b"a;c\r\n1;2\r\n")
    with pytest.raises(CsvError, match=r"2.csv: columns \['a', 'c'\]"):
        dask_csv.read_csv([str(one), str(two)])


def test_a_clean_stream_for_any_reader(tmp_path: Path) -> None:
    """A foreign file read as RFC 4180 by whoever wants a file object; damage is raised, or repaired and told."""
    file = tmp_path / "x.csv"
    file.write_bytes("Größe;Preis\n1;2,5\n3\n".encode("utf-16"))
    told: list[str] = []
    with open_clean(file, on_fault="repair", report=lambda fault, what: told.append(fault.code)) as stream:
        assert stream.read(5) == "Größ".encode()[:5]
        assert stream.read().endswith(b'1,"2,5"\r\n3,\r\n')
    assert told == ["missing-fields"]
    with open_clean(file) as stream, pytest.raises(FaultError):
        stream.read()


def test_arrow_and_polars_and_duckdb(tmp_path: Path) -> None:
    """Semicolons, decimal commas quoted, line breaks in quotes: each engine gets the same table."""
    file = tmp_path / "x.csv"
    file.write_bytes(b'id;text;size\n1;"two\nlines";2.5\n2;"a, b";3.5\n')
    rows = [{"id": 1, "text": "two\nlines", "size": 2.5}, {"id": 2, "text": "a, b", "size": 3.5}]
    pytest.importorskip("pyarrow")
    assert to_arrow(file).read_all().to_pylist() == rows
    duckdb = pytest.importorskip("duckdb")
    reader = to_arrow(file)
    assert duckdb.from_arrow(reader).aggregate("sum(size)").fetchall() == [(6.0,)]
    pytest.importorskip("polars")
    assert to_polars(file).to_dicts() == rows


def test_engines_are_asked_for_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them the message says what to install."""
    for name in ("pyarrow", "polars"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(CsvError, match=r"cb-csv\[arrow\]"):
        to_arrow("x.csv")
    with pytest.raises(CsvError, match=r"cb-csv\[polars\]"):
        to_polars("x.csv")
