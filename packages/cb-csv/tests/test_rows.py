"""Reading and writing rows, dicts, cells and objects."""

from __future__ import annotations

import csv
import enum
import gzip
import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict
from uuid import UUID

import pytest
from cb_csv import (
    CsvError,
    Dialect,
    DialectError,
    EncodingUnknown,
    FaultError,
    HeaderMismatch,
    Quoting,
    check,
    convert,
    read_as,
    read_cells,
    read_dicts,
    read_rows,
    write_dicts,
    write_rows,
)
from cb_csv.format import RowFormatter

Command = Callable[..., Any]
RAGGED = "a,b\r\n1\r\n1,2,3\r\n\r\n4,5\r\n"


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst", ""])
def test_compressed_by_the_suffix(tmp_path: Path, suffix: str) -> None:
    """Written and read again by the name's suffix; converted from one to another."""
    if suffix == ".zst":
        pytest.importorskip("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")
    file, other = tmp_path / f"x.csv{suffix}", tmp_path / "y.csv.gz"
    rows = [["a", "b"], ["1", 'x,"y"']]
    write_rows(file, rows)
    assert list(read_rows(file)) == rows
    convert(file, other)
    assert gzip.decompress(other.read_bytes()) == b'a,b\r\n1,"x,""y"""\r\n'


def test_zstd_is_asked_for_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the module the message says what to install."""
    for name in ("backports", "backports.zstd", "compression", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(CsvError, match=r"pip install 'cb-csv\[zstd\]'"):
        list(read_rows("x.csv.zst"))


def test_streams_of_all_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths, binary streams, text streams and pipes; what is not ours stays open."""
    file = tmp_path / "x.csv"
    file.write_text("é,b\n")
    with file.open("rb") as binary, file.open(encoding="utf-8") as text:
        for source in (file, str(file), binary, text):
            assert list(read_rows(source)) == [["é", "b"]]
        assert not binary.closed
        assert not text.closed
    reading, writing = os.pipe()
    os.write(writing, b"a,b\n")
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert list(read_rows(pipe)) == [["a", "b"]]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"c,d\n")))
    assert list(read_rows("-")) == [["c", "d"]]


def test_the_errors_of_files(tmp_path: Path) -> None:
    """A missing file, a folder, and an unknown encoding are what they are."""
    with pytest.raises(FileNotFoundError):
        list(read_rows(tmp_path / "none.csv"))
    with pytest.raises(IsADirectoryError):
        list(read_rows(tmp_path))
    with pytest.raises(EncodingUnknown, match="unknown encoding 'klingon'"):
        list(read_rows(io.BytesIO(b"a"), encoding="klingon"))


def test_ragged_rows_by_policy() -> None:
    """Refused at their place, filled, or taken as they are; blank lines are no rows."""
    with pytest.raises(FaultError, match=r"-:2:2: missing-fields"):
        list(read_rows(io.StringIO(RAGGED), Dialect()))
    with pytest.raises(FaultError, match=r"-:3:5: extra-fields"):
        list(read_rows(io.StringIO(RAGGED), Dialect(), ragged="pad"))
    assert list(read_rows(io.StringIO(RAGGED), Dialect(), ragged="keep")) == [
        ["a", "b"],
        ["1"],
        ["1", "2", "3"],
        ["4", "5"],
    ]
    assert list(read_rows(io.StringIO("a,b\r\n1\r\n"), Dialect(), ragged="pad")) == [["a", "b"], ["1", ""]]


def test_rows_before_a_fault_are_given() -> None:
    """Whoever reads has everything up to the fault, and then the error."""
    rows = read_rows(io.StringIO('a,b\r\n1,2\r\n3,"4"x\r\n5,6\r\n'), Dialect())
    assert [next(rows), next(rows)] == [["a", "b"], ["1", "2"]]
    with pytest.raises(FaultError):
        next(rows)
    lenient = read_rows(io.StringIO('a,b\r\n1,2\r\n3,"4"x\r\n5,6\r\n'), Dialect(), strict=False)
    assert list(lenient) == [["a", "b"], ["1", "2"], ["3", "4x"], ["5", "6"]]


@pytest.mark.parametrize(
    ("text", "dialect", "rows"),
    [
        ("a\r\n\r\nb\r\n", Dialect(), [["a"], [""], ["b"]]),
        ('"a"\r\n\r\nb\r\n', Dialect(), [["a"], [""], ["b"]]),
        ("a||b\r\n1||'2||3'\r\n", Dialect("||", "'"), [["a", "b"], ["1", "2||3"]]),
        ('a, b\r\n1, "2, 3"\r\n', Dialect(skipinitialspace=True), [["a", "b"], ["1", "2, 3"]]),
        ("a,b\r\n1\\,2,3\r\n", Dialect(escapechar="\\"), [["a", "b"], ["1,2", "3"]]),
        ('a,b\r\n"1,2\r\n', Dialect(quoting=Quoting.NONE), [["a", "b"], ['"1', "2"]]),
        ("", Dialect(), []),
    ],
)
def test_dialects_that_leave_the_common_path(text: str, dialect: Dialect, rows: list[list[str]]) -> None:
    """Blank cells of one column, long delimiters, spaces, escapes, no quotes."""
    assert list(read_rows(io.StringIO(text, newline=""), dialect)) == rows


def test_dicts_without_header_and_of_nothing() -> None:
    """Names may be given; an empty file has no dicts."""
    assert list(read_dicts(io.StringIO("1,2\r\n"), fieldnames=["a", "b"])) == [{"a": "1", "b": "2"}]
    assert list(read_dicts(io.StringIO(""))) == []
    with pytest.raises(CsvError, match="twice"):
        list(read_dicts(io.StringIO("1,2\r\n"), fieldnames=["a", "a"]))
    twice = io.StringIO("a,a,a_2\r\n1,2,3\r\n")
    assert list(read_dicts(twice, Dialect(), duplicates="suffix")) == [{"a": "1", "a_3": "2", "a_2": "3"}]


def test_cells_of_minimal_quoting_are_strings() -> None:
    """Only the strategies that tell types by quotes do."""
    assert list(read_cells(io.StringIO('1,"2"\r\n'), Dialect())) == [["1", "2"]]


class Colour(enum.Enum):
    """A type by value."""

    RED = "r"


@dataclass
class Item:
    """All that cells can become."""

    text: str
    count: int
    share: float
    price: Decimal
    good: bool
    day: date
    moment: datetime
    hour: time
    key: UUID
    colour: Colour
    size: int | None
    note: str = "none"
    tags: list[str] = field(default_factory=list, init=False)


class Loose(TypedDict):
    """One that may be missing."""

    name: str
    age: NotRequired[int]


class Partial(TypedDict, total=False):
    """One that may be empty."""

    name: str
    age: int


class Pair(NamedTuple):
    """With a default."""

    left: int
    right: int = 7


UID = "12345678-1234-5678-1234-567812345678"
NAMES = "text,count,share,price,good,day,moment,hour,key,colour,size,more\r\n"
VALUES = f"a,1,0.5,9.90,yes,2024-02-29,2024-02-29T10:00,10:00,{UID},r,,x\r\n"


@dataclass
class Wanted:
    """The part that can be read."""

    text: str
    count: int
    share: float
    price: Decimal
    good: bool
    day: date
    moment: datetime
    hour: time
    key: UUID
    colour: Colour
    size: int | None
    note: str = "none"


def test_rows_as_objects() -> None:
    """Cells become what the class says; what it has not is passed over, what the file has not is the default."""
    (one,) = read_as(Wanted, io.StringIO(NAMES + VALUES))
    moments = date(2024, 2, 29), datetime.fromisoformat("2024-02-29T10:00"), time(10)
    assert one == Wanted("a", 1, 0.5, Decimal("9.90"), True, *moments, UUID(UID), Colour.RED, None)
    assert list(read_as(Loose, io.StringIO("name,age\r\nJohn,30\r\n"))) == [{"name": "John", "age": 30}]
    assert list(read_as(Loose, io.StringIO("name,x\r\nJohn,1\r\n"))) == [{"name": "John"}]
    assert list(read_as(Partial, io.StringIO("age,x\r\n1,1\r\n"))) == [{"age": 1}]
    assert list(read_as(Pair, io.StringIO("left,x\r\n1,2\r\n"))) == [Pair(1)]


def test_an_object_that_cannot_be_says_where() -> None:
    """Line, record and column of the cell; a missing column; a type that cells cannot be."""
    with pytest.raises(CsvError, match=r"-:4: record 3, column 'right': 'x' is no int \(correct it\)"):
        list(read_as(Pair, io.StringIO('left,right,n\r\n1,2,"a\nb"\r\n3,x,c\r\n')))
    with pytest.raises(CsvError, match=r"-:1: no column 'left' for Pair"):
        list(read_as(Pair, io.StringIO("right,x\r\n1,2\r\n")))
    with pytest.raises(CsvError, match="'r2' is no Colour"):
        list(read_as(Wanted, io.StringIO(NAMES + VALUES.replace(",r,", ",r2,"))))
    with pytest.raises(CsvError, match=r"'x' is no int \| None"):
        list(read_as(Wanted, io.StringIO(NAMES + VALUES.replace(",r,,", ",r,x,"))))
    with pytest.raises(TypeError, match=r"Item.tags: cells cannot be list"):
        list(read_as(Item, io.StringIO(NAMES)))


def test_dialects_that_cannot_be() -> None:
    """One character has one role; the message says what to do."""
    for arguments, words in (
        (("",), "cannot be a delimiter"),
        (("\n",), "cannot be a delimiter"),
        (('"',), "cannot be the delimiter and the quote"),
        ((",", "''"), "cannot be the quote character"),
        ((",", '"', '"'), "cannot be quote and escape"),
    ):
        with pytest.raises(DialectError, match=words):
            Dialect(*arguments)
    with pytest.raises(DialectError, match="is no line end"):
        Dialect(newline="\n\n")


@pytest.mark.parametrize(
    ("dialect", "row", "text"),
    [
        (Dialect(quoting=Quoting.NONE, escapechar="\\"), ["a\nb", 'c"d'], 'a\\\nb,c\\"d\r\n'),
        (Dialect(escapechar="\\"), ['a\\"b'], '"a\\\\""b"\r\n'),
        (Dialect(doublequote=False, escapechar="\\"), ['a"b'], '"a\\"b"\r\n'),
        (Dialect("||"), ["a|", "b||"], '"a|"||"b||"\r\n'),
        (Dialect(quoting=Quoting.NONNUMERIC), [1, 1.5, "1"], '1,1.5,"1"\r\n'),
    ],
)
def test_rows_in_uncommon_dialects(dialect: Dialect, row: list[object], text: str) -> None:
    """Escapes, long delimiters, numbers."""
    out = io.StringIO()
    write_rows(out, [row], dialect)
    assert out.getvalue() == text


def test_what_cannot_be_written() -> None:
    """Quotes without a way to write them; an empty field alone without quotes."""
    with pytest.raises(DialectError, match="a quote in 'a\"b' cannot be written"):
        RowFormatter(Dialect(doublequote=False)).record(['a"b'])
    with pytest.raises(DialectError, match="one empty field"):
        RowFormatter(Dialect(quotechar=None)).record([""])
    with pytest.raises(UnicodeEncodeError):
        write_rows(io.BytesIO(), [["€"]], encoding="latin-1")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_encodings_are_written_with_their_mark(tmp_path: Path, encoding: str) -> None:
    """One mark at the start, and the text after it."""
    write_rows(tmp_path / "x.csv", [["é", "b"]], encoding=encoding)
    assert (tmp_path / "x.csv").read_bytes() == "é,b\r\n".encode(encoding)


def test_replacing_keeps_links_and_modes(tmp_path: Path) -> None:
    """A link still leads to the file, whose mode is what it was; a device or FIFO is written to."""
    file, link = tmp_path / "real.csv", tmp_path / "link.csv"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    write_rows(link, [["new"]])
    assert link.is_symlink()
    assert file.read_bytes() == b"new\r\n"
    assert file.stat().st_mode & 0o777 == 0o640
    write_rows("/dev/null", [["x"]])


def test_dicts_that_do_not_fit_are_named(tmp_path: Path) -> None:
    """The error has both lists of columns and the file's name; formulas are disarmed in dicts, too."""
    with pytest.raises(
        HeaderMismatch, match=r"x\.csv: columns do not match: missing \['a'\]; not in the file \['b'\]"
    ) as caught:
        write_dicts(tmp_path / "x.csv", [{"b": 1}], ["a"])
    assert (caught.value.expected, caught.value.found) == (["a"], ["b"])
    assert "order" in str(HeaderMismatch(["a", "b"], ["b", "a"]))
    out = io.StringIO()
    write_dicts(out, iter([{"a": "=1"}]), missing=None, guard_formulas=True)
    assert out.getvalue() == "a\r\n'=1\r\n"


def test_convert_says_what_it_did() -> None:
    """Faults that are kept or repaired are told with what was done."""
    text = 'a,b\r\n1\r\n1,2,3\r\n\r\n"x"y,z"\r\n\udce9,2\r\n1,2\r\n3,"4'.encode("utf-8", "surrogateescape")

    def run(on_fault: Any) -> tuple[str, list[str], int]:
        told: list[str] = []
        out = io.BytesIO()
        done = convert(
            io.BytesIO(text),
            out,
            source=Dialect(),
            on_fault=on_fault,
            report=lambda fault, what: told.append(f"{fault.code}: {what}"),
        )
        return out.getvalue().decode("utf-8", "surrogateescape"), told, done.faults

    out, told, count = run("repair")
    assert out == 'a,b\r\n1,\r\n1,"2,3"\r\n"xy","z"""\r\né,2\r\n1,2\r\n3,"""4"\r\n'
    assert told[:3] == [
        "missing-fields: filled with empty fields",
        "extra-fields: surplus fields joined into the last one",
        "blank-line: left out",
    ]
    assert count == len(told) == 8
    out, told, _ = run("keep")
    assert out == 'a,b\r\n1\r\n1,2,3\r\n\r\n"x""y,z"\r\n\udce9,2\r\n1,2\r\n3,"""4"\r\n'
    assert set(told) == {
        f"{code}: kept" for code in ("text-after-quote", "bad-encoding", "unterminated-quote", "no-final-newline")
    }
    with pytest.raises(FaultError, match="2:2: missing-fields"):
        run("raise")


def test_faults_that_leave_no_doubt_do_not_stop_a_conversion() -> None:
    """Blank lines go, control characters and a missing final line break stay what they are."""
    out = io.StringIO()
    done = convert(io.StringIO("a,b\r\n\r\n1,\x07"), out, source=Dialect(), report=lambda fault, what: None)
    assert (out.getvalue(), done.records, done.faults) == ("a,b\r\n1,\x07\r\n", 3, 3)


def test_repair_of_what_windows_has_not() -> None:
    """Bytes that Windows-1252 has not are read as Latin-1; half characters of UTF-16 become U+FFFD."""
    out = io.StringIO()
    convert(io.BytesIO(b"a,\x81\r\n"), out, source=Dialect(), on_fault="repair")
    assert out.getvalue() == "a,\x81\r\n"
    out = io.StringIO()
    data = "a,".encode("utf-16-le") + b"\x00\xd8" + "\r\n".encode("utf-16-le")
    convert(io.BytesIO(data), out, source=Dialect(), encoding="utf-16-le", on_fault="keep")
    assert out.getvalue() == "a,\ufffd\r\n"


def test_reading_holds_nothing_when_it_is_given_up(tmp_path: Path) -> None:
    """A generator that is closed closes its file."""
    file = tmp_path / "x.csv"
    file.write_text("a,b\n" * 10)
    rows: Iterator[list[str]] = read_rows(file)
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    held = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
    assert str(file) not in held


def test_escapes_become_quotes() -> None:
    """Escaped delimiters, quotes, line breaks and escapes, within quotes and without, in rare and in many fields."""
    text = 'a;b\n1\\;2,3;"x\\"y\\;"\n\\"q;z\\\\\nl\\\nm;\\n\n'
    dialect = Dialect(";", escapechar="\\", newline="\n")
    expected = 'a,b\r\n"1;2,3","x""y;"\r\n"""q",z\\\r\n"l\nm",n\r\n'
    for plain in ("", "1;2\n" * 99):
        out = io.StringIO()
        convert(io.StringIO(text + plain, newline=""), out, source=dialect)
        assert out.getvalue() == expected + plain.replace(";", ",").replace("\n", "\r\n")
    out = io.StringIO()
    convert(io.StringIO("a;b\n1\\;2;3\n"), out, source=dialect, target=Dialect(";"))
    assert out.getvalue() == 'a;b\r\n"1;2";3\r\n'


def test_many_fields_that_need_quotes_beside_fields_that_have_them() -> None:
    """Decimal commas everywhere, in pieces with quotes and without."""
    rows = [["1,5", 'x";y', "2,5"] if n % 2 else ["1,5", "b", "2,5"] for n in range(50)]
    source = io.BytesIO()
    write_rows(source, rows, Dialect(";"))
    out = io.StringIO()
    convert(io.BytesIO(source.getvalue()), out, source=Dialect(";"))
    assert out.getvalue() == "".join(
        f'"1,5",{chr(34)}x"";y{chr(34)},"2,5"\r\n' if n % 2 else '"1,5",b,"2,5"\r\n' for n in range(50)
    )


def test_text_that_is_a_number_is_one_for_nonnumeric() -> None:
    """Converted, cells are text; NONNUMERIC leaves those without quotes that are numbers."""
    out = io.StringIO()
    convert(io.StringIO("a,b\r\n1.5,x\r\n"), out, target=Dialect(quoting=Quoting.NONNUMERIC))
    assert out.getvalue() == '"a","b"\r\n1.5,"x"\r\n'


def test_unions_that_are_no_cells() -> None:
    """Only a type or None."""

    class Either(NamedTuple):
        """Two types."""

        value: int | str

    with pytest.raises(TypeError, match=r"Either.value: cells cannot be int \| str"):
        list(read_as(Either, io.StringIO("value\r\n1\r\n")))

    class Raw(NamedTuple):
        """No type that text becomes by itself."""

        value: bytes

    with pytest.raises(TypeError, match=r"Raw.value: cells cannot be <class 'bytes'>"):
        list(read_as(Raw, io.StringIO("value\r\n1\r\n")))


def test_utf16_without_a_mark_is_of_this_machine() -> None:
    """Said to be UTF-16, and no mark: in the byte order of the machine."""
    data = "a,b\r\n".encode(f"utf-16-{sys.byteorder[0]}e")
    assert list(read_rows(io.BytesIO(data), Dialect(), encoding="utf-16")) == [["a", "b"]]


def test_a_file_of_another_name_is_no_error(tmp_path: Path) -> None:
    """A stream with a number for a name, and one that is broken, are what they are."""

    class Broken(io.RawIOBase):
        """Fails when it is read."""

        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "the line is dead")

    with pytest.raises(OSError, match="the line is dead"):
        list(read_rows(Broken()))


def test_short_writes_are_completed() -> None:
    """A stream that takes a little at a time gets everything."""
    got = bytearray()

    class Slow(io.RawIOBase):
        """Takes three bytes."""

        def write(self, data: Any) -> int:
            got.extend(bytes(data[:3]))
            return min(3, len(data))

    write_rows(Slow(), [["abc", "def"]])
    assert got == b"abc,def\r\n"


def test_a_blank_line_in_a_typed_file(tmp_path: Path) -> None:
    """It is no row, and lines are counted with it."""
    with pytest.raises(CsvError, match=r"-:4: record 3, column 'left'"):
        list(read_as(Pair, io.StringIO("left,right\r\n1,2\r\n\r\nx,2\r\n")))


def test_blank_lines_are_kept_or_left_out(tmp_path: Path) -> None:
    """Left out of rows; "keep" keeps them in a conversion; in a file of one column they are empty cells."""
    text = "a,b\r\n\r\n1,2\r\n"
    assert list(read_rows(io.StringIO(text), Dialect())) == [["a", "b"], ["1", "2"]]
    damaged = 'a,b\r\n\r\n1,2"x\r\n'
    assert list(read_rows(io.StringIO(damaged), Dialect(), strict=False)) == [["a", "b"], ["1", '2"x']]
    out = io.StringIO()
    convert(io.StringIO(damaged), out, source=Dialect(), target=Dialect(";"), on_fault="keep")
    assert out.getvalue() == 'a;b\r\n\r\n1;"2""x"\r\n'
    out = io.StringIO()
    convert(io.StringIO('a,b\r\n1,2"x\r\n\r\n3,4\r\n'), out, source=Dialect(), target=Dialect(";"), on_fault="keep")
    assert out.getvalue() == 'a;b\r\n1;"2""x"\r\n\r\n3;4\r\n'
    assert list(read_rows(io.StringIO("a\r\n\r\nb\r\n"), Dialect())) == [["a"], [""], ["b"]]


def test_long_lines_before_the_header_and_long_records_behind_a_fault() -> None:
    """Nothing has a length that it must not have."""
    preamble = "x" * 200_000 + "\n"
    assert list(read_rows(io.StringIO(preamble + "a,b\n1,2\n"), Dialect(), skip=1)) == [["a", "b"], ["1", "2"]]
    assert list(read_rows(io.StringIO("one line only"), Dialect(), skip=2)) == []
    text = "y\r\n" * 10_000
    damaged = f'a,b\r\n1,x"z\r\n2,"{text}"\r\n3,4\r\n'
    rows = [["a", "b"], ["1", 'x"z'], ["2", text], ["3", "4"]]
    assert list(read_rows(io.StringIO(damaged), Dialect(), strict=False)) == rows
    clean = f'a,b\r\n2,"{text * 10}"\r\n3,4\r\n'
    assert list(read_rows(io.StringIO(clean), Dialect())) == [["a", "b"], ["2", text * 10], ["3", "4"]]


def test_a_character_that_comes_in_parts() -> None:
    """Of a stream that gives a byte at a time."""

    class Slow(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            return super().read1(1)

    rows = [["a", "b"]] * 9000 + [["😀", "é"]]  # the last one is behind what is looked at first
    text = "".join(";".join(row) + "\n" for row in rows)
    assert list(read_rows(Slow(text.encode("utf-16")), Dialect(";"), encoding="utf-16")) == rows


def test_numbers_in_a_dialect_that_the_csv_module_has_not() -> None:
    """Nonnumeric quoting with a delimiter of two characters: numbers have no quotes, text has."""
    out = io.StringIO()
    write_rows(out, [["a", 1.5, None, True]], Dialect("||", quoting=Quoting.NONNUMERIC))
    assert out.getvalue() == '"a"||1.5||""||True\r\n'


def test_a_quote_that_was_escaped_is_written_for_other_quotes() -> None:
    """Without quotes in the source an escaped quote is a quote; doubled only where it is the target's."""
    for quote, line in (('"', 'a"\r\n"2""";x\r\n'), ("'", 'a"\r\n2";x\r\n')):
        out = io.StringIO()
        source = Dialect(",", None, escapechar="^")
        text = 'a,b\r\n2^",x\r\n'
        convert(io.StringIO(text), out, source=source, target=Dialect(";", quote))
        assert out.getvalue() == line.replace('a"', "a;b")


@pytest.mark.parametrize("commas", ["all", "some", "none of the first"])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_columns_that_need_quotes(commas: str, column: int) -> None:
    """A whole column, parts of it, the first and the last one: the csv module reads what was meant."""
    rows = [["a", "b", "c"]] if commas != "all" else []
    for number in range(200):
        row = [str(number), "x", f"{number}"]
        if commas == "all" or number % 3:
            row[column] = f"{number},5" + ",7" * (number % 5 == 1 and commas == "some")
        rows.append(row)
    text = "".join(";".join(row) + "\n" for row in rows)
    out = io.StringIO(newline="")
    convert(io.StringIO(text), out, source=Dialect(";", newline="\n"))
    assert list(csv.reader(io.StringIO(out.getvalue(), newline=""), strict=True)) == rows
    assert list(check(io.StringIO(out.getvalue()))) == []


def test_a_new_delimiter_beside_an_escaped_old_one() -> None:
    """Both are text in one field, in either order."""
    out = io.StringIO()
    convert(io.StringIO("a;b\n,\\;;\\;,\n"), out, source=Dialect(";", escapechar="\\", newline="\n"))
    assert out.getvalue() == 'a,b\r\n",;",";,"\r\n'
