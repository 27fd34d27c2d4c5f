"""The chapter's recipes, in its order, through the library and the command."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cb_csv import (
    Dialect,
    Quoting,
    append_dicts,
    append_rows,
    prompt_dicts,
    prompt_rows,
    read_dicts,
    read_rows,
    write_dicts,
    write_rows,
)

Command = Callable[..., Any]
PEOPLE = [{"age": "30", "name": "John", "last_name": "Doe"}, {"age": "30", "name": "Jane", "last_name": "Doe"}]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_read_rows(folder: Path, cb: Command) -> None:
    """1.1 read rows: every row is a list of strings."""
    Path("my.csv").write_text(
        "my first column,my second column,my third column\nmy first column 2,my second column 2,my third column 2\n"
    )
    expected = [
        ["my first column", "my second column", "my third column"],
        ["my first column 2", "my second column 2", "my third column 2"],
    ]
    assert list(read_rows("my.csv")) == expected
    assert cb("cat", "my.csv").out == "".join(f"{row}\n" for row in expected)


def test_write_rows_then_read_them(folder: Path, cb: Command) -> None:
    """1.1 write rows, read them: what is written is CRLF-terminated and reads back as strings."""
    rows = [["1", "2", "3"], ["4", "5", "6"]]
    write_rows("my.csv", rows)
    assert Path("my.csv").read_bytes() == b"1,2,3\r\n4,5,6\r\n"
    assert list(read_rows("my.csv")) == rows
    assert cb("write", "out.csv", stdin="".join(f"{json.dumps(row)}\n" for row in rows)).status == 0
    assert Path("out.csv").read_bytes() == b"1,2,3\r\n4,5,6\r\n"
    assert cb("cat", "out.csv").out == "['1', '2', '3']\n['4', '5', '6']\n"


ANSWERS = ["row 1, column 1", "row 1, column 2", "row 1, column 3", "y"]
ANSWERS += ["row 2, column 1", "row 2, column 2", "row 3, column 3", ""]
TYPED = [["row 1, column 1", "row 1, column 2", "row 1, column 3"]]
TYPED += [["row 2, column 1", "row 2, column 2", "row 3, column 3"]]


def test_enter_rows(folder: Path, cb: Command) -> None:
    """1.1 rows typed in: rows typed in are shown, written with quotes around the commas, and read back equal."""
    answers = iter(ANSWERS)
    assert list(prompt_rows(3, lambda prompt: next(answers))) == TYPED
    ran = cb("enter", "raw.csv", stdin="\n".join(["3", *ANSWERS]) + "\n")
    assert ran.status == 0
    assert ran.out.endswith(f"{TYPED}\n{TYPED}\n")
    assert ran.out.startswith("How many columns do you want to write? column 1: column 2: column 3: continue? (y/N): ")
    assert Path("raw.csv").read_bytes() == (
        b'"row 1, column 1","row 1, column 2","row 1, column 3"\r\n'
        b'"row 2, column 1","row 2, column 2","row 3, column 3"\r\n'
    )


def test_delimiter_and_quote_character(folder: Path, cb: Command) -> None:
    """1.1 delimiter and quote character.

    Space between fields, pipes around them: every field with a space gets its pipes.
    """
    rows = [[f"row {row} column {column}" for column in (1, 2, 3)] for row in (1, 2)]
    expected = (
        b"|row 1 column 1| |row 1 column 2| |row 1 column 3|\r\n|row 2 column 1| |row 2 column 2| |row 2 column 3|\r\n"
    )
    dialect = Dialect(" ", "|")
    write_rows("raw.csv", rows, dialect)
    assert Path("raw.csv").read_bytes() == expected
    assert list(read_rows("raw.csv", dialect)) == rows
    answers = [rows[0][0], rows[0][1], rows[0][2], "y", *rows[1], ""]
    ran = cb("enter", "typed.csv", "--columns", 3, "-d", "space", "--to-quote", "|", stdin="\n".join(answers) + "\n")
    assert ran.out.endswith(f"{rows}\n{rows}\n")
    assert Path("typed.csv").read_bytes() == expected
    assert cb("cat", "raw.csv", "-d", "space", "--quote", "|").out == "".join(f"{row}\n" for row in rows)
    assert cb("convert", "raw.csv", "-q", "-d", "space", "--quote", "pipe").out.startswith('"row 1 column 1","row 1')


@pytest.mark.parametrize(
    ("quoting", "expected"),
    [
        ("all", '"a","1","","x,y"\r\n'),
        ("minimal", 'a,1,,"x,y"\r\n'),
        ("nonnumeric", '"a",1,"","x,y"\r\n'),
        ("none", "a,1,,x\\,y\r\n"),
        ("strings", '"a",1,,"x,y"\r\n'),
        ("notnull", '"a","1",,"x,y"\r\n'),
    ],
)
def test_quoting_strategies(folder: Path, cb: Command, quoting: str, expected: str) -> None:
    """1.1 quoting strategies: the four of the chapter and the two of Python 3.12, on every Python."""
    escape = "\\" if quoting == "none" else None
    empty = "" if quoting == "nonnumeric" else None
    write_rows("q.csv", [["a", 1, empty, "x,y"]], Dialect(quoting=Quoting(quoting), escapechar=escape))
    assert Path("q.csv").read_bytes().decode() == expected
    ran = cb(
        "write",
        "c.csv",
        "--quoting",
        quoting,
        *(["--to-escape", "\\"] if escape else []),
        stdin=json.dumps(["a", 1, empty, "x,y"]),
    )
    assert (ran.status, Path("c.csv").read_bytes().decode()) == (0, expected)


def test_dicts(folder: Path, cb: Command) -> None:
    """1.2 dicts under a header: dicts are written under a header in their own order and read back the same."""
    write_dicts("my.csv", PEOPLE)
    assert Path("my.csv").read_bytes() == b"age,name,last_name\r\n30,John,Doe\r\n30,Jane,Doe\r\n"
    assert list(read_dicts("my.csv")) == PEOPLE
    with Path("my.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == PEOPLE
    ran = cb("dicts", "my.csv")
    assert [json.loads(line) for line in ran.out.splitlines()] == PEOPLE
    cb("write", "again.csv", stdin=ran.out)
    assert Path("again.csv").read_bytes() == Path("my.csv").read_bytes()


def test_enter_dicts(folder: Path, cb: Command) -> None:
    """1.2 dicts typed in: dicts typed in under given names; what is read back is what was typed, not an empty list."""
    fields = ["name", "last_name", "age"]
    answers = ["John", "Doe", "30", "y", "Jane", "Doe", "40", ""]
    typed = [dict(zip(fields, row, strict=True)) for row in (["John", "Doe", "30"], ["Jane", "Doe", "40"])]
    given = iter(answers)
    assert list(prompt_dicts(fields, lambda prompt: next(given))) == typed
    ran = cb("enter", "dict.csv", "--fields", "name,last_name,age", stdin="\n".join(answers) + "\n")
    assert ran.out.startswith("Name: Last Name: Age: continue? (y/N): Name: ")
    assert ran.out.endswith(f"{typed}\n{typed}\n")
    assert Path("dict.csv").read_bytes() == b"name,last_name,age\r\nJohn,Doe,30\r\nJane,Doe,40\r\n"


def test_columns_in_the_same_order_always(folder: Path, cb: Command) -> None:
    """1.2 columns always in one order.

    Explicit, alphabetical, or as first seen over all dicts, whatever order each dict has.
    """
    mixed = [{"b": 1, "a": 2}, {"a": 3, "c": 5, "b": 4}]
    lines = "".join(f"{json.dumps(one)}\n" for one in mixed)
    write_dicts("seen.csv", mixed)
    write_dicts("asked.csv", mixed, ["c", "b", "a"])
    cb("write", "sorted.csv", "--sort-fields", stdin=lines)
    cb("write", "fields.csv", "--fields", "c,b,a", stdin=lines)
    assert Path("seen.csv").read_text() == "b,a,c\n1,2,\n4,3,5\n"
    assert Path("asked.csv").read_text() == Path("fields.csv").read_text() == "c,b,a\n,1,2\n5,4,3\n"
    assert Path("sorted.csv").read_text() == "a,b,c\n2,1,\n3,4,5\n"


def test_files_grow(folder: Path, cb: Command) -> None:
    """1.2 files that grow.

    Rows are added below those that are there, dicts in the file's order of columns, on lines of their own.
    """
    Path("log.csv").write_bytes(b"time,state\r\n09:00,up")  # without a line break at the end
    append_rows("log.csv", [["09:05", "down"]])
    append_dicts("log.csv", [{"state": "up", "time": "09:10"}])
    assert cb("append", "log.csv", stdin='{"state": "down", "time": "09:15"}\n').status == 0
    expected = b"time,state\r\n09:00,up\r\n09:05,down\r\n09:10,up\r\n09:15,down\r\n"
    assert Path("log.csv").read_bytes() == expected
