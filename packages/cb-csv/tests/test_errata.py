"""What the chapter gets wrong, or what has changed since: for each, what is true."""

from __future__ import annotations

import csv
import io
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cb_csv import (
    Appender,
    CsvError,
    Dialect,
    DialectError,
    FaultError,
    HeaderMismatch,
    Quoting,
    append_rows,
    check,
    convert,
    read_cells,
    read_dicts,
    read_rows,
    write_dicts,
    write_rows,
)

Command = Callable[..., Any]


def rows_of(text: str, dialect: Dialect | None = None) -> list[list[str]]:
    """The rows of a text."""
    return list(read_rows(io.StringIO(text, newline=""), dialect))


def test_reading_needs_no_right_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1. A file is opened for reading only: not ``r+``."""
    file = tmp_path / "my.csv"
    file.write_text("a,b\n")
    modes: list[str] = []
    real = open

    def spy(name: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
        modes.append(mode)
        return real(name, mode, *rest, **more)

    monkeypatch.setattr("builtins.open", spy)
    file.chmod(stat.S_IRUSR)
    assert list(read_rows(file)) == [["a", "b"]]
    assert modes == ["rb"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_the_encoding_is_found_and_the_mark_is_no_part_of_the_first_name(tmp_path: Path, encoding: str) -> None:
    """2. The platform's encoding does not matter, and a byte order mark does not end up in the first key."""
    file = tmp_path / "my.csv"
    text = "name;Größe\r\n" + "Zoë;groß\r\n" * 20
    file.write_bytes(text.encode(encoding))
    assert next(read_dicts(file)) == {"name": "Zoë", "Größe": "groß"}


def test_no_blank_rows_and_no_altered_line_breaks(tmp_path: Path) -> None:
    """3. Lines end with one CRLF on every system; line breaks within quotes stay as they are."""
    file = tmp_path / "my.csv"
    write_dicts(file, [{"a": "1\n2", "b": "3\r\n4"}])
    assert file.read_bytes() == b'a,b\r\n"1\n2","3\r\n4"\r\n'
    assert list(read_dicts(file)) == [{"a": "1\n2", "b": "3\r\n4"}]


def test_rows_are_there_once_and_not_printed_and_then_lost(cb: Command, tmp_path: Path) -> None:
    """4. A reader gives its rows once; what the session shows as read back is what was read back."""
    ran = cb("enter", tmp_path / "dict.csv", "--fields", "name", stdin="John\nn\n")
    assert ran.out.splitlines()[-2:] == ["Name: continue? (y/N): [{'name': 'John'}]", "[{'name': 'John'}]"]


def test_dicts_have_an_order() -> None:
    """5. A dict keeps its order, so a file has the columns of the first dict in that order."""
    out = io.StringIO()
    write_dicts(out, [{"age": "30", "name": "John", "last_name": "Doe"}])
    assert out.getvalue() == "age,name,last_name\r\n30,John,Doe\r\n"


def test_a_key_that_comes_late_does_not_cost_the_file(tmp_path: Path) -> None:
    """6. Columns are known before the file is touched; a dict that does not fit leaves the old file as it was."""
    file = tmp_path / "my.csv"
    write_dicts(file, [{"a": 1}, {"a": 2, "b": 3}])
    before = file.read_bytes()
    assert before == b"a,b\r\n1,\r\n2,3\r\n"
    with pytest.raises(HeaderMismatch, match=r"not in the file \['b'\]"):
        write_dicts(file, [{"a": 1}, {"a": 2, "b": 3}], ["a"])
    with pytest.raises(DialectError, match="no columns"):
        write_dicts(file, [])
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("cell", ["a,b", 'a"b', "a\rb", "a\nb", ""])
def test_minimal_quoting_quotes_more_than_delimiters(cell: str) -> None:
    """7. Quotes, CR, LF, and a field that is alone and empty need quotes as well, on every Python."""
    for newline in ("\r\n", "\n", "\r"):
        out = io.StringIO(newline="")
        write_rows(out, [[cell]], Dialect(newline=newline))
        assert out.getvalue() == '"' + cell.replace('"', '""') + '"' + newline


def test_no_quoting_refuses_what_it_cannot_write(cb: Command) -> None:
    """8. Without quotes a delimiter in a cell is an error, not one column more; with an escape character it is not."""
    with pytest.raises(DialectError, match="needs quotes or an escape character"):
        write_rows(io.StringIO(), [["a,b"]], Dialect(quoting=Quoting.NONE))
    out = io.StringIO()
    write_rows(out, [["a,b", "c"]], Dialect(quoting=Quoting.NONE, escapechar="\\"))
    assert out.getvalue() == "a\\,b,c\r\n"
    assert cb("write", "--quoting", "none", stdin='["a,b"]').status == 1


def test_nonnumeric_reads_numbers_and_says_where_one_is_none() -> None:
    """9. Text without quotes is an error with a place; STRINGS and NOTNULL are there on Python 3.11, too."""
    assert list(read_cells(io.StringIO('"a",1.5\r\n'), Dialect(quoting=Quoting.NONNUMERIC))) == [["a", 1.5]]
    with pytest.raises(CsvError, match=r"-:2: field 1: 'b' is no number and has no quotes"):
        list(read_cells(io.StringIO('"a",1.5\r\nb,2\r\n'), Dialect(quoting=Quoting.NONNUMERIC)))
    assert list(read_cells(io.StringIO('"",,1\r\n'), Dialect(quoting=Quoting.STRINGS))) == [["", None, 1.0]]
    assert list(read_cells(io.StringIO('"",,1\r\n'), Dialect(quoting=Quoting.NOTNULL))) == [["", None, "1"]]


@pytest.mark.parametrize("text", ['a"b,c\r\n', '"a"b,c\r\n', '"a,b\r\nc,d\r\n'])
def test_invalid_quotes_are_refused_with_their_place(text: str) -> None:
    """10. The csv module reads all of these without a word; here each is an error that names line and column."""
    assert list(csv.reader(io.StringIO(text, newline="")))
    with pytest.raises(FaultError, match=r"^-:1:\d: (stray|text-after|unterminated)"):
        rows_of(text, Dialect())


def test_duplicate_names_and_ragged_rows_are_told() -> None:
    """11. Two columns of a name, rows too long or too short: refused, unless the caller says what they shall be."""
    twice = "id,id\r\n1,2\r\n"
    with pytest.raises(CsvError, match="the column 'id' is there twice"):
        list(read_dicts(io.StringIO(twice)))
    assert list(read_dicts(io.StringIO(twice), duplicates="suffix")) == [{"id": "1", "id_2": "2"}]
    assert list(read_dicts(io.StringIO(twice), duplicates="last")) == [{"id": "2"}]
    short, long = "a,b\r\n1\r\n", "a,b\r\n1,2,3\r\n"
    for text in (short, long):
        with pytest.raises(FaultError):
            list(read_dicts(io.StringIO(text), Dialect()))
    assert list(read_dicts(io.StringIO(short), Dialect(), ragged="pad")) == [{"a": "1", "b": ""}]
    assert list(read_dicts(io.StringIO(short), Dialect(), ragged="keep")) == [{"a": "1"}]
    assert list(read_dicts(io.StringIO(long), Dialect(), ragged="keep")) == [{"a": "1", "b": "2", "column 3": "3"}]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """12. The old contents stay until the new ones are complete; appending adds instead of overwriting."""
    file = tmp_path / "my.csv"
    file.write_bytes(b"old\r\n")

    def broken() -> Iterator[list[str]]:
        yield ["new"]
        raise OSError(5, "the source failed")

    with pytest.raises(OSError, match="the source failed"):
        write_rows(file, broken())
    assert file.read_bytes() == b"old\r\n"
    append_rows(file, [["more"]])
    assert file.read_bytes() == b"old\r\nmore\r\n"
    assert list(tmp_path.iterdir()) == [file]


def test_answers_are_checked(cb: Command, tmp_path: Path) -> None:
    """13. No number, zero and minus are asked again; Y is yes; the end of input ends; the file is the one named."""
    file = tmp_path / "any name.csv"
    ran = cb("enter", file, stdin="many\n0\n-1\n1\na\nY\nb\nYES\nc\n")
    assert ran.status == 0
    assert ran.err.count("is no number of columns") == 3
    assert file.read_bytes() == b"a\r\nb\r\nc\r\n"
    assert cb("enter", file).status == 2  # not even a number of columns


def test_rows_come_one_at_a_time_and_fields_may_be_long() -> None:
    """14. Reading holds a piece of the file, not the file; a field may have more than 131,072 characters."""
    taken = 0

    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            nonlocal taken
            taken += size
            return (b"a,b\r\n" * (size // 5 + 1))[: size // 5 * 5]

    assert next(read_rows(Endless(), Dialect(), encoding="utf-8")) == ["a", "b"]
    assert taken < 1 << 20
    long = "x" * 200_000
    assert rows_of(f'"{long},",b\r\n"c",d\r\n', Dialect()) == [[long + ",", "b"], ["c", "d"]]


def test_faults_cite_the_section() -> None:
    """15. The same number of fields is a SHOULD of section 2.4, CRLF one of 2.1; each fault says which."""
    found = {fault.code: fault.rfc for fault in check(io.StringIO('a,b\r\n1\r\n2,3\n4,5"\r\n', newline=""))}
    assert found == {"missing-fields": "2.4", "bare-lf": "2.1", "stray-quote": "2.5"}


def test_formulas_can_be_disarmed(cb: Command) -> None:
    """16. What a spreadsheet would run gets an apostrophe, if asked for; numbers do not."""
    text = "=1+2,-5,@x,+1.5e3,a=b\r\n"
    out = io.StringIO()
    convert(io.StringIO(text), out, guard_formulas=True)
    assert out.getvalue() == "'=1+2,-5,'@x,+1.5e3,a=b\r\n"
    assert cb("convert", "-q", "--guard-formulas", stdin=text).out == out.getvalue()
    assert cb("convert", "-q", stdin=text).out == text


def test_names_of_fields_are_given_to_the_writer(tmp_path: Path) -> None:
    """17. It is field names that a writer is given; the file's own are used when there is a file."""
    file = tmp_path / "dict.csv"
    write_dicts(file, [{"name": "John", "age": 30}])
    with Appender(file) as appender:
        appender.dicts([{"age": 40, "name": "Jane"}])
    assert file.read_bytes() == b"name,age\r\nJohn,30\r\nJane,40\r\n"
