"""Files of every kind are read as they were meant: the corpus, and what it has not."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import pytest
from cb_csv import Dialect, detect, read_rows
from cb_csv.encoding import guess_encoding
from cb_csv.kinds import kind_of

sys.path.insert(0, str(Path(__file__).parent))
import corpus

FILES = list(corpus.files())


def test_the_corpus_is_large_enough() -> None:
    """At least 150 files, all of different names, with all delimiters and escapes."""
    labels = [label for label, _ in FILES]
    assert len({label.file for label in labels}) == len(labels) >= 150
    assert {label.delimiter for label in labels} >= set(",;\t| :^~")
    assert {label.escapechar for label in labels} == {None, "\\"}


@pytest.mark.parametrize(("label", "data"), FILES, ids=[label.file for label, _ in FILES])
def test_a_file_is_read_as_it_was_meant(label: corpus.Label, data: bytes) -> None:
    """The detected dialect, encoding, header and preamble give the cells that were written."""
    found = detect(io.BytesIO(data))
    meant = Dialect(label.delimiter, label.quotechar, label.escapechar)

    def cells(dialect: Dialect, encoding: str) -> list[list[str]]:
        return list(read_rows(io.BytesIO(data), dialect, encoding=encoding, strict=False, ragged="keep"))

    assert cells(found.dialect, found.encoding) == cells(meant, label.encoding)
    assert (found.has_header, found.preamble) == (label.header, label.preamble)
    assert found.confidence >= 0.5


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize("inner", ["52.1,13.2", "1;2;3", "a,b,c,d", "a | b", "x\ty", "1,,,,2", "k=v;k2=v2;k3=v3"])
@pytest.mark.parametrize("rows", [2, 60])
def test_a_list_in_quotes_is_one_cell(delimiter: str, quote: str, inner: str, rows: int) -> None:
    """As many delimiters in every quoted cell make an even table too, but one that cuts its quotes apart."""
    lines = ["id", "place", "name"], *([str(row), f"{quote}{inner}{quote}", f"name{row}"] for row in range(rows))
    found = detect(io.StringIO("".join(delimiter.join(line) + "\n" for line in lines)))
    assert (found.dialect.delimiter, found.dialect.quotechar, found.columns) == (delimiter, quote, 3)


@pytest.mark.parametrize("cell", ['5"', "6'", "don't", "rock'n'roll", "'90s"])
def test_inches_and_apostrophes_are_no_quotes(cell: str) -> None:
    """They stand in cells that have no quotes, in two columns at once."""
    found = detect(
        io.StringIO("name,high,wide,pieces\n" + "".join(f"n{row},{cell},{cell},{row}\n" for row in range(9)))
    )
    assert (found.dialect.delimiter, found.columns) == (",", 4)


def test_the_corpus_can_be_written(tmp_path: Path) -> None:
    """The layout that the bench takes: files, and a line of labels for each."""
    corpus.main(tmp_path / "corpus")
    lines = (tmp_path / "corpus" / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(FILES) == len(list((tmp_path / "corpus").iterdir())) - 1


@pytest.mark.parametrize(
    "data", [b"", b"\n", b'"', b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"a", b"," * 70_000, b'"a' * 40_000]
)
def test_nothing_is_too_strange(data: bytes) -> None:
    """Empty, tiny, broken and monotonous files give an answer, in no time."""
    assert detect(io.BytesIO(data)).dialect.delimiter


def test_a_field_longer_than_the_csv_module_takes() -> None:
    """A sample with one endless field is one column."""
    assert detect(io.StringIO("x" * 200_000), sample=1 << 20).columns == 1


def test_an_answer_in_words_and_for_programs() -> None:
    """Text names what people ask; JSON has all of it, ranked alternatives too."""
    found = detect(io.BytesIO(b"\xef\xbb\xbf# made today\r\na\tb\r\n1\t2,5\r\n3\t4,5\r\n5\t6,5\r\n"))
    assert str(found).startswith('delimiter tab, quote ", CRLF, utf-8 with BOM, header, 1 lines before it, 2 columns, ')
    known = found.as_dict()
    assert known["dialect"] == Dialect("\t").as_dict()
    assert found.alternatives[0][0].delimiter == ","
    assert len(known["alternatives"]) == len(found.alternatives)  # type: ignore[arg-type]
    assert "escape \\" in str(detect(io.StringIO('a;b\n"x\\"y";2\n"z\\"";3\n')))
    assert "no quotes" in str(detect(io.StringIO('a;b\n5" x 3;1\n7" x 4;2\n')))


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Größe;Preis\nZoë;5\nJürgen;7\n" * 9),
        ("cp1251", "Имя;Город\nАнна;Москва\nПётр;Казань\n" * 9),  # noqa: RUF001
        ("shift_jis", "名前;都市\n太郎;東京\n花子;京都\n" * 9),
        ("utf-16-le", "a;b\n1;2\n"),
        ("utf-16-be", "a;b\n1;2\n" * 20),
        ("utf-32-be", "a;b\n1;2\n"),
        ("utf-32-le", "a;b\n1;2\n"),
    ],
)
def test_code_pages_are_told_apart(encoding: str, text: str) -> None:
    """Statistics find the encoding of a few lines; rules that of UTF without a mark."""
    found = detect(io.BytesIO(text.encode(encoding)))
    assert text.encode(encoding).decode(found.encoding) == text


def test_without_charset_normalizer_a_rule_of_thumb(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows-1252, or Latin-1 where that has no such byte; with little confidence."""
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    assert guess_encoding(b"Gr\xf6\xdfe\n") == ("cp1252", 0.4)
    assert guess_encoding(b"Gr\xf6\xdfe\x81\n") == ("latin-1", 0.2)


def test_one_bad_byte_does_not_make_a_code_page() -> None:
    """A long text of UTF-8 with one byte that is none is UTF-8 with a fault."""
    assert guess_encoding("é".encode() * 50 + b"\xff") == ("utf-8", 0.8)
    assert guess_encoding(b"a\xff", code_pages=False) == ("utf-8", 0.8)


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("id,size\n1,2\n3,4\n", True),
        ("1,2\n3,4\n", False),
        ("name,name\na,b\n", False),
        ("a\nb\na\n", False),
        ("code\nAB1\nAB2\nAB3\n", True),
        (",x\n1,2\n3,4\n", True),
        ("name,age\n", True),
        ("x,1\n", False),
        ("", False),
        ("AB\nCD\nEF\nGH\n", False),
        ("2020-01-01,x\na,y\nb,z\nc,w\n", False),
        ("a,b\n,\n,\n", True),
        ("1.5,b\n2020-01-01,c\n2020-01-02,d\n", False),
    ],
)
def test_a_header_is_told_from_data(text: str, header: bool) -> None:
    """Names above numbers are a header; values above values of the same kind are none."""
    assert detect(io.StringIO(text)).has_header is header


def test_titles_in_a_table_are_no_rows() -> None:
    """A title padded with delimiters, as spreadsheets export it, comes before the table."""
    found = detect(io.StringIO("Report,,,\n,,,\nid,a,b,c\n1,2,3,4\n5,6,7,8\n9,1,2,3\n"))
    assert (found.preamble, found.columns) == (2, 4)


@pytest.mark.parametrize(
    ("text", "preamble", "header"),
    [
        ("a,b\n1,2,3\n4,5,6\n7,8,9\n", 0, True),
        ("name,age\nJohn,5,extra\n", 0, True),
        ("Report, May\nid,name,price\n1,Ann,2\n2,Bob,3\n", 1, True),
        ("Report of May\n1,2,3\n4,5,6\n7,8,9\n", 1, False),
    ],
)
def test_a_header_that_lacks_names_is_no_title(text: str, preamble: int, header: bool) -> None:
    """It stands right above the data, names columns, and nothing else does."""
    found = detect(io.StringIO(text))
    assert (found.preamble, found.columns, found.has_header) == (preamble, 3, header)


@pytest.mark.parametrize("line", ["sep=;\r\n", "SEP=;\n", '"sep=;"\r\n'])
def test_a_line_that_names_the_delimiter_is_believed(line: str) -> None:
    """As spreadsheets do; it is no row."""
    found = detect(io.StringIO(line + "name;price, net\nJohn;1,5\nJane;2,5\n"))
    assert (found.dialect.delimiter, found.preamble, found.columns, found.has_header) == (";", 1, 2, True)
    assert list(read_rows(io.StringIO(line + "a;b\n1;2\n"))) == [["a", "b"], ["1", "2"]]
    assert list(read_rows(io.StringIO(line))) == []


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("Mar 3, 2024", "date"),
        ("3 Mar 2024", "date"),
        ("Mar 3, 2024 10:00", "date"),
        ("2024-03-01T10:00:00Z", "moment"),
        ("12:30 PM", "time"),
        ("http://x.org", "address"),
        ("(1.5)", "number"),
        ("50 %", "number"),
        ("-", "text"),
        ("a\tb", "odd"),
    ],
)
def test_cells_are_of_a_kind(cell: str, kind: str) -> None:
    """Dates and times as people write them, amounts, addresses."""
    assert kind_of(cell) == kind


def test_fields_too_long_for_the_csv_module_are_no_obstacle() -> None:
    """Its limit is global; whoever lowers it gets an answer all the same."""
    before = csv.field_size_limit(20)
    try:
        found = detect(io.StringIO("a;b\n" + f"1;{'x' * 100}\n" * 5))
    finally:
        csv.field_size_limit(before)
    assert found.columns >= 0


def test_wide_gaps_of_spaces_are_no_columns() -> None:
    """Columns made of spaces give empty cells mostly: that speaks against the space."""
    found = detect(io.StringIO("one      ,two      ,3\n" + "alpha    ,beta     ,4\n" * 5))
    assert found.dialect.delimiter == ","


def test_a_long_sample_of_few_quoted_records() -> None:
    """The last record of a sample may be cut: it is left out of the trial."""
    found = detect(io.StringIO("id,text\n" + f'1,"{"some words and more of them " * 8}"\n' * 99))
    assert (found.dialect.delimiter, found.dialect.quotechar, found.columns) == (",", '"', 2)
