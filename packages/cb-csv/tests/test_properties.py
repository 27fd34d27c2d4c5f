"""Whatever the data, the dialect, the encoding, and wherever blocks are cut."""

from __future__ import annotations

import csv
import io
from unittest.mock import patch

import pytest
from cb_csv import Dialect, FaultError, Quoting, check, convert, detect, read_rows, write_rows
from cb_csv.converting import converted
from cb_csv.fault import COSMETIC
from cb_csv.walk import Walker
from hypothesis import assume, given
from hypothesis import strategies as st

DIALECTS = [
    Dialect(),
    Dialect(";", newline="\n"),
    Dialect("\t", "'", newline="\n"),
    Dialect(" ", "|"),
    Dialect("|", newline="\r"),
    Dialect(",", escapechar="\\", newline="\n"),
    Dialect(";", escapechar="\\", doublequote=False),
    Dialect("||"),
    Dialect("¦", newline="\n"),
    Dialect("\x1f", newline="\n"),
    Dialect(quoting=Quoting.NONE, escapechar="\\", newline="\n"),
    Dialect(";", None, escapechar="^"),
]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252", "shift-jis"]
CELL = st.text(st.sampled_from("ab,;\t |'\"\\\r\n¦é \x1f0"), max_size=6)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """Rows of equal length."""
    width = draw(st.integers(1, 4))
    return draw(st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=12))


def written(rows: list[list[str]], dialect: Dialect, encoding: str = "utf-8") -> bytes:
    """The rows as bytes of that dialect; without quotes an empty field cannot be alone."""
    assume(dialect.reads_quotes or [""] not in rows)
    out = io.BytesIO()
    write_rows(out, rows, dialect, encoding=encoding)
    return out.getvalue()


def small_pieces(size: int) -> object:
    """Everything is cut after so many bytes."""
    return patch("cb_csv.walk.PIECE", size)


@given(tables(), st.sampled_from(DIALECTS), st.integers(1, 64))
def test_what_is_written_is_read(rows: list[list[str]], dialect: Dialect, size: int) -> None:
    """Rows written in any dialect are read back the same, wherever the file is cut into blocks."""
    with small_pieces(size):
        assert list(read_rows(io.BytesIO(written(rows, dialect)), dialect, encoding="utf-8")) == rows


@given(tables(), st.sampled_from(DIALECTS), st.sampled_from(DIALECTS), st.integers(1, 64))
def test_converting_changes_no_cell(rows: list[list[str]], source: Dialect, target: Dialect, size: int) -> None:
    """parse(convert(x)) == parse(x), from any dialect to any, with any block size; the output does not depend on it."""
    data = written(rows, source)
    assume(target.reads_quotes or [""] not in rows)
    with small_pieces(size):
        out = b"".join(converted(io.BytesIO(data), source=source, target=target, encoding="utf-8"))
    assert list(read_rows(io.BytesIO(out), target, encoding="utf-8")) == rows
    assert out == b"".join(converted(io.BytesIO(data), source=source, target=target, encoding="utf-8"))


@given(tables(), st.sampled_from(ENCODINGS), st.sampled_from(ENCODINGS), st.integers(1, 64))
def test_converting_between_encodings_changes_no_cell(rows: list[list[str]], one: str, other: str, size: int) -> None:
    """From any encoding to any that has the characters."""
    rows = [[cell.encode("ascii", "ignore").decode() for cell in row] for row in rows]
    dialect = Dialect(";")
    data = io.BytesIO(written(rows, dialect, one))
    out = io.BytesIO()
    with small_pieces(size):
        convert(data, out, source=dialect, encoding=one, to_encoding=other)
        assert list(read_rows(io.BytesIO(out.getvalue()), Dialect(), encoding=other)) == rows


@given(tables(), st.sampled_from([one for one in DIALECTS if len(one.delimiter) == 1 and one.newline != "\r"]))
def test_the_csv_module_reads_the_same(rows: list[list[str]], dialect: Dialect) -> None:
    """The standard library reads converted data as the rows that were put in."""
    data = written(rows, dialect)
    out = b"".join(converted(io.BytesIO(data), source=dialect, encoding="utf-8")).decode()
    assert list(csv.reader(io.StringIO(out, newline=""), strict=True)) == rows


@given(tables(), st.sampled_from(list(Quoting)))
def test_every_quoting_strategy_keeps_the_cells(rows: list[list[str]], quoting: Quoting) -> None:
    """All six strategies, also where the quotes are not those that the cells need."""
    escape = "\\" if quoting is Quoting.NONE else None
    dialect = Dialect(quoting=quoting, escapechar=escape)
    assert list(read_rows(io.BytesIO(written(rows, dialect)), dialect, encoding="utf-8")) == rows


NOISE = st.text(st.sampled_from('ab1,,""\n\n\r\\é\0'), max_size=60)


@given(NOISE, st.integers(1, 64))
def test_check_finds_the_same_wherever_blocks_are_cut(text: str, size: int) -> None:
    """Any text can be checked; every fault has its place within it, and the block size changes none."""
    data = text.encode()
    whole = list(check(io.BytesIO(data), encoding="utf-8"))
    with small_pieces(size):
        assert list(check(io.BytesIO(data), encoding="utf-8")) == whole
    for fault in whole:
        assert 0 <= fault.byte <= len(data)
        assert 1 <= fault.line <= text.count("\n") + text.count("\r") + 1
        assert min(fault.record, fault.column, fault.field) >= 1


@given(st.binary(max_size=80))
def test_repair_leaves_no_structural_fault(data: bytes) -> None:
    """Whatever the bytes: what repair writes is valid UTF-8, quoted as it should be, with rows of one length."""
    out = b"".join(converted(io.BytesIO(data), source=Dialect(), encoding="utf-8", on_fault="repair"))
    assert {fault.code for fault in check(io.BytesIO(out), encoding="utf-8")} <= {"nul", "control-character"}


@given(NOISE, st.integers(1, 64))
def test_repair_does_not_depend_on_blocks(text: str, size: int) -> None:
    """The same repairs wherever blocks are cut."""
    data = text.encode()
    whole = b"".join(converted(io.BytesIO(data), source=Dialect(), encoding="utf-8", on_fault="repair"))
    with small_pieces(size):
        assert b"".join(converted(io.BytesIO(data), source=Dialect(), encoding="utf-8", on_fault="repair")) == whole


@given(NOISE)
def test_strict_reading_gives_all_or_names_the_first_fault(text: str) -> None:
    """What is read without an error has no fault that leaves a doubt about cells."""
    data = text.encode()
    faults = check(io.BytesIO(data), encoding="utf-8")
    real = [one for one in faults if one.code not in COSMETIC]
    if not real:
        list(read_rows(io.BytesIO(data), Dialect(), encoding="utf-8"))
        return
    with pytest.raises(FaultError) as caught:
        list(read_rows(io.BytesIO(data), Dialect(), encoding="utf-8"))
    assert caught.value.fault == real[0]


@given(st.binary(max_size=300))
def test_detection_never_fails(data: bytes) -> None:
    """Any bytes give an answer, with a confidence between 0 and 1 and a dialect that reading takes."""
    found = detect(io.BytesIO(data))
    assert 0 <= found.confidence <= 1
    list(read_rows(io.BytesIO(data), found.dialect, encoding=found.encoding, strict=False, ragged="keep"))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 4096])
def test_every_cut_of_one_awkward_file(size: int) -> None:
    """Quotes, doubled quotes, line breaks in quotes and characters of four bytes at every block boundary."""
    text = 'a;b\r\n"x;""y""";"1\r\n2"\r\n;""\r\n"""";😀\r\n'
    with small_pieces(size):
        rows = list(read_rows(io.BytesIO(text.encode()), Dialect(";"), encoding="utf-8"))
    assert rows == [["a", "b"], ['x;"y"', "1\r\n2"], ["", ""], ['"', "😀"]]


def test_a_piece_is_what_the_walker_says() -> None:
    """A patched piece size reaches the walker: without that the tests above would prove nothing."""
    from cb_csv.opening import opened

    text = "a,b\r\n" * 100
    with small_pieces(16), opened(io.StringIO(text), Dialect(), "utf-8") as walker:
        assert isinstance(walker, Walker)
        assert max(len(piece.data) for piece in walker) <= 16
