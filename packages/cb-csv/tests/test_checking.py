"""Every fault at its exact place, and no other."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from cb_csv import CODES, RFC4180, Dialect, Fault, FaultError, check
from cb_csv.shape import Shape
from cb_csv.walk import find_cut


def faults(
    text: str | bytes, dialect: Dialect | None = RFC4180, **options: int | str
) -> list[tuple[str, int, int, int]]:
    """Code, record, line and column of each fault."""
    data = text if isinstance(text, bytes) else text.encode()
    return [(one.code, one.record, one.line, one.column) for one in check(io.BytesIO(data), dialect, **options)]  # type: ignore[arg-type]


HEAD = "a,b,c\r\n"
GOOD = '1,"x, ""y""",z\r\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (HEAD + GOOD, []),
        (HEAD + '"1\r\n2",3,4\r\n', []),
        ('""\r\n""\r\n', []),
        (HEAD + '1,2",3\r\n' + GOOD, [("stray-quote", 2, 2, 4)]),
        (HEAD + '1,2"2"2,3\r\n' + GOOD, [("stray-quote", 2, 2, 4), ("stray-quote", 2, 2, 6)]),
        (HEAD + '1,"2"x,3\r\n' + GOOD, [("text-after-quote", 2, 2, 6)]),
        (HEAD + '1,"say "hi" there",3\r\n' + GOOD, [("text-after-quote", 2, 2, 9)]),
        (HEAD + '1,"2,3\r\n' + GOOD, [("unterminated-quote", 2, 2, 3)]),
        (HEAD + '1,2,"3\r\n4,5,6\r\n', [("unterminated-quote", 2, 2, 5)]),
        (HEAD + GOOD + '1,2,"3', [("unterminated-quote", 3, 3, 5), ("no-final-newline", 3, 3, 7)]),
        (HEAD + "1,2\r\n" + GOOD, [("missing-fields", 2, 2, 4)]),
        (HEAD + "1,2,3,4,5\r\n" + GOOD, [("extra-fields", 2, 2, 7)]),
        (HEAD + "\r\n" + GOOD, [("blank-line", 2, 2, 1)]),
        (HEAD + "1,2,3\n" + GOOD, [("bare-lf", 2, 2, 6)]),
        (HEAD + "1,2\n2,3\r\n" + GOOD, [("unquoted-newline", 2, 2, 4)]),
        (HEAD + "1,2,3\r" + GOOD, [("bare-cr", 2, 2, 6)]),
        (HEAD + "1,2\r2,3\r\n" + GOOD, [("unquoted-newline", 2, 2, 4)]),
        (HEAD + '1,"2\n2","3\r3"\r\n' + GOOD, []),
        (HEAD + "1,\0,3\r\n" + GOOD, [("nul", 2, 2, 3)]),
        (HEAD + '1,"\x1b[0m",\x7f\r\n', [("control-character", 2, 2, 4), ("control-character", 2, 2, 10)]),
        (HEAD.encode() + b"1,\xff\xfe,3\r\n", [("bad-encoding", 2, 2, 3)]),
        (HEAD.encode() + 'é,"\xe9"'.encode() + b',"\xe9"\r\n', [("bad-encoding", 2, 2, 8)]),
        (HEAD + "1,2,3", [("no-final-newline", 2, 2, 6)]),
        ("a,b\n1,2\n", [("bare-lf", 1, 1, 4)]),
        ("a,b\r1,2\r", [("bare-cr", 1, 1, 4)]),
        ('a,"b\r\n', [("unterminated-quote", 1, 1, 3)]),
        ("a\r\n\r\nb\r\n", []),
    ],
)
def test_each_fault_has_its_place(text: str | bytes, expected: list[tuple[str, int, int, int]]) -> None:
    """One fault is one line, wherever it is; what follows a wrong quote is read in step again."""
    assert faults(text) == expected


def test_a_fault_in_numbers_and_in_words() -> None:
    """Record, line, field, column and byte differ where records have several lines and characters several bytes."""
    data = 'a,b\r\n"é\r\né",ü\r\né,"x"y\r\n'.encode()
    (fault,) = check(io.BytesIO(data))
    assert fault == Fault("text-after-quote", 3, 4, 2, 6, data.index(b"y"))
    assert str(fault).startswith("4:6: text-after-quote in record 3, field 2: text after the closing quote (")
    assert fault.as_dict()["rfc"] == "2.7"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_bytes_are_those_of_the_file(encoding: str) -> None:
    """The byte is counted in the file's own encoding, with its byte order mark."""
    text = "näme,size\r\n" * 30 + 'é,5"\r\n'
    data = text.encode(encoding)
    (fault,) = check(io.BytesIO(data), encoding=encoding)
    mark = '"'.encode(
        encoding.removesuffix("16") + "16-le"
        if encoding == "utf-16"
        else "utf-32-le"
        if encoding == "utf-32"
        else encoding
    )
    assert (fault.line, fault.column, fault.byte) == (31, 4, data.rindex(mark))


def test_half_a_unit_of_utf16() -> None:
    """A file of UTF-16 that is cut in a unit, or has half a character, says where."""
    data = "a,b\r\n1,2\r\n".encode("utf-16-le") + b"3"
    found = [(one.code, one.byte) for one in check(io.BytesIO(data), encoding="utf-16-le", columns=2)]
    assert ("bad-encoding", 20) in found
    data = "a,b\r\n1,".encode("utf-16-le") + b"\x00\xd8" + "\r\n".encode("utf-16-le")
    assert [(one.code, one.byte) for one in check(io.BytesIO(data), encoding="utf-16-le")] == [("bad-encoding", 14)]


def test_other_dialects_are_held_to_their_own_rules() -> None:
    """Delimiter, quote, escape and line end are those of the dialect."""
    assert faults("a;b\n'x;''y';2\n", Dialect(";", "'", newline="\n")) == []
    assert faults("a;b\r\n1;2\n", Dialect(";")) == [("bare-lf", 2, 2, 4)]
    assert faults("a;b\n1;2\r\n", Dialect(";", newline="\n")) == [("bare-cr", 2, 2, 4)]
    assert faults("a;b\r1;2\n3;4\r", Dialect(";", newline="\r")) == [("bare-lf", 2, 2, 4)]
    escaped = Dialect(",", escapechar="\\", newline="\n")
    assert faults('a,b\n"x\\"y",\\"z\\,\\\\\n', escaped) == []
    assert faults('a,b\n"x\\"y"z,1\n', escaped) == [("text-after-quote", 2, 2, 7)]
    assert faults('a,b\n5" x 3,"q""r"\n', Dialect(quotechar=None, newline="\n")) == []
    assert faults('a||b\n"x||y"||2\n1|2||3||4\n', Dialect("||", newline="\n")) == [("extra-fields", 3, 3, 9)]
    assert faults('a, b\n"x",   "y, z"\n', Dialect(skipinitialspace=True, newline="\n")) == []
    assert faults('a,b\n"x""y",2\n', Dialect(doublequote=False, newline="\n")) == [("text-after-quote", 2, 2, 4)]


def test_columns_and_lines_to_skip() -> None:
    """The number of fields may be given, and lines before the header left out; places count from the file's start."""
    assert faults("1,2\r\n", columns=3) == [("missing-fields", 1, 1, 4)]
    assert faults("title\r\n\r\na,b\r\n1\r\n", skip=2) == [("missing-fields", 2, 4, 2)]
    assert faults("title", skip=1) == []
    assert faults("title\r\n" + "x" * 9000 + "\na,b\r\n", skip=2) == []


def test_detected_dialects_can_be_checked() -> None:
    """None holds a file to what it seems to be."""
    assert faults("a;b\n" + "1,5;2\n" * 20 + "3\n", None) == [("missing-fields", 22, 22, 2)]


def test_each_code_says_what_to_do() -> None:
    """Every message ends with advice in brackets and cites a section."""
    for section, message in CODES.values():
        assert message.endswith(")")
        assert section[0] in "23"


def test_an_error_with_a_fault_travels_between_processes() -> None:
    """FaultError can be pickled, as workers do."""
    import pickle

    error = pickle.loads(pickle.dumps(FaultError(Fault("nul", 1, 2, 3, 4, 5), "x.csv")))
    assert (error.fault.byte, str(error)[:10]) == (5, "x.csv:2:4:")


def test_a_cut_is_the_last_end_of_a_record() -> None:
    """Line breaks within quotes are no cuts; without a record's end there is none."""
    data = b'a,"b\r\nc"\r\nd,"e\r\n'
    assert find_cut(data, 0, len(data), b'"', b"\n") == 10
    assert find_cut(data, 0, 8, b'"', b"\n") == 0
    assert find_cut(b"x\ny", 0, 3, b"", b"\n") == 2
    assert find_cut(b'"\\""\nx\n', 0, 7, b'"', b"\n", b"\\") == 7


def test_clean_pieces_are_proved_and_no_others() -> None:
    """The proof holds exactly for whole, clean records; a control character may be the delimiter."""
    shape = Shape(RFC4180, 2, b"\r\n")
    assert shape.prove(b'1,"a\r\n"\r\n2,""\r\n') is not None
    bad = (
        b"1,2",
        b'1,"2\r\n',
        b'1,a"b"\r\n',
        b'1,"a"b\r\n',
        b"1\r\n",
        b"1,2\n",
        b"1,\xff\r\n",
        b'1,"\0"\r\n',
        b"\0,2\r\n",
    )
    assert [piece for piece in bad if shape.prove(piece)] == []
    assert Shape(Dialect("\x1f"), 0, b"\n").prove(b'a\x1f"b"\n') is not None
    assert Shape(RFC4180, 2, b"\n").prove(b"1,2\n" * 80_000) is not None  # longer than the pattern at hand


pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

INJECTIONS: dict[str, tuple[str, Callable[[list[str]], tuple[str, int]]]] = {
    # From the fields of a record (of digits and letters): the damaged record, and the column of the fault.
    "stray-quote": ("", lambda f: (f'{f[0]},{f[1]}"z,{f[2]}', len(f[0]) + len(f[1]) + 2)),
    "text-after-quote": ("", lambda f: (f'{f[0]},"{f[1]}"z,{f[2]}', len(f[0]) + len(f[1]) + 4)),
    "unterminated-quote": ("", lambda f: (f'{f[0]},"{f[1]},{f[2]}', len(f[0]) + 2)),
    "missing-fields": ("", lambda f: (f"{f[0]},{f[1]}", len(f[0]) + len(f[1]) + 2)),
    "extra-fields": ("", lambda f: (f"{f[0]},{f[1]},{f[2]},4", len("".join(f)) + 4)),
    "blank-line": ("", lambda f: ("", 1)),
    "unquoted-newline": ("", lambda f: (f"{f[0]},{f[1]}\n{f[1]},{f[2]}", len(f[0]) + len(f[1]) + 2)),
    "bare-lf": ("\n", lambda f: (",".join(f), len("".join(f)) + 3)),
    "bare-cr": ("\r", lambda f: (",".join(f), len("".join(f)) + 3)),
    "bad-encoding": ("", lambda f: (f"{f[0]},\udcff{f[1]},{f[2]}", len(f[0]) + 2)),
    "nul": ("", lambda f: (f'{f[0]},"\0{f[1]}",{f[2]}', len(f[0]) + 3)),
    "control-character": ("", lambda f: (f"{f[0]},{f[1]},{f[2]}\x07", len("".join(f)) + 3)),
}


def injected(records: int, faults: int, seed: int) -> tuple[bytes, list[tuple[str, int, int]]]:
    """A file with faults in random records, three sound ones apart; and code, record, column of each."""
    choose = random.Random(seed)
    places = sorted(choose.sample(range(1, records // 4), faults))
    wanted, lines = [], ["id,name,size\r\n"]
    for record in range(2, records + 2):
        fields = [str(record), choose.choice(["alpha", "béta", "g"]), str(choose.randrange(10**6))]
        place = record // 4
        if record % 4 or place not in places:
            if choose.random() < 0.2:
                fields[1] = f'"{fields[1]}, ""{record}""{choose.choice(["", chr(13) + chr(10)])}"'
            lines.append(",".join(fields) + "\r\n")
            continue
        code = choose.choice(list(INJECTIONS))
        end, damage = INJECTIONS[code]
        damaged, column = damage(fields)
        wanted.append((code, record, column))
        lines.append(damaged + (end or "\r\n"))
    return "".join(lines).encode("utf-8", "surrogateescape"), wanted


@pytest.mark.faults
@pytest.mark.parametrize("workers", [1, 2])
def test_random_faults_are_all_found_and_nothing_else(
    tmp_path: Path, count: Callable[[int, int], int], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faults of all kinds strewn over a file: each found where it is, none found where none is."""
    monkeypatch.setattr("cb_csv.sweep.SEGMENT", 5_000)
    monkeypatch.setattr("cb_csv.sweep.ALONE", 10_000)
    monkeypatch.setattr("cb_csv.walk.PIECE", 2_000)
    monkeypatch.setattr("threading.active_count", lambda: 1)  # the thread that watches over a test's time
    file = tmp_path / "damaged.csv"
    data, wanted = injected(count(8_000, 1_000_000), count(300, 10_000), seed=workers)
    file.write_bytes(data)
    found = [(one.code, one.record, one.column) for one in check(file, workers=workers)]
    assert found == wanted


def test_more_line_breaks_in_one_field_than_are_tried() -> None:
    """A field torn into many lines: no end of tries, and behind it reading is in step again."""
    found = faults("a,b\r\n1,2\r\n" + "x\n" * 12 + "y,z\r\n3,4\r\n")
    assert found
    assert max(record for _, record, *_ in found) < 15
    assert faults("a,b\r\n" + "x\n" * 3 + "y,z\r\n3,4\r\n") == [("unquoted-newline", 2, line, 2) for line in (2, 3, 4)]


def test_a_piece_that_ends_with_an_escaped_line_break_is_none() -> None:
    """The record goes on behind it."""
    shape = Shape(Dialect(escapechar="\\", newline="\n"), 2, b"\n")
    assert shape.prove(b"1,2\nx\\\n") is None
    assert shape.prove(b"1,2\nx\\\n,3\n") is not None
