"""Streams of records: found, decoded, converted, written, and nothing lost."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from cb_map import BadRecord, compose, omit, pick, redact, rename
from cb_map.reading import Format, format_of, read
from cb_map.scan import Elements
from cb_map.stream import Counts, transform_stream
from conftest import FULL
from hypothesis import given, settings
from hypothesis import strategies as st


class Dripping(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data = data
        self._sizes = sizes or [1]
        self._turn = 0

    def read(self, size: int = -1) -> bytes:
        take = self._sizes[self._turn % len(self._sizes)]
        self._turn += 1
        piece, self._data = self._data[:take], self._data[take:]
        return piece


def run(transform: Any, data: bytes, form: Format = "jsonl", **options: Any) -> bytes:
    """`transform_stream` from bytes to bytes."""
    out = io.BytesIO()
    transform_stream(io.BytesIO(data), out, transform, form=form, **options)
    return out.getvalue()


def items(data: bytes, form: Format, sizes: list[int]) -> list[tuple[bytes, tuple[int, int]]]:
    """Items with their places."""
    batches = read(Dripping(data, sizes), form)  # type: ignore[arg-type]
    return [(item, batch.place(at)) for batch in batches for at, item in enumerate(batch.items)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a", [(b"a", (1, 1))]),
        (b"a\n", [(b"a", (1, 1))]),
        (b"\xef\xbb\xbfa\nb", [(b"a", (1, 1)), (b"b", (2, 1))]),
        (b"a\r\n\nb\n", [(b"a\r", (1, 1)), (b"", (2, 1)), (b"b", (3, 1))]),
    ],
)
@pytest.mark.parametrize("sizes", [[1], [2], [100]])
def test_lines_are_found(data: bytes, expected: list[Any], sizes: list[int]) -> None:
    """With or without a last line's end, a byte-order mark, blank lines; however the bytes come."""
    assert items(data, "jsonl", sizes) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b" \n", []),
        (b"[]", []),
        (b"\xef\xbb\xbf[1]", [(b"1", (1, 2))]),
        (b' [\n {"a":"]\\"},"},\n [1,[2]] ,3]\n', [(b'{"a":"]\\"},"}', (2, 2)), (b"[1,[2]]", (3, 2)), (b"3", (3, 11))]),
        (b"[1,,2]", [(b"1", (1, 2)), (b"", (1, 4)), (b"2", (1, 5))]),
        (b"[1", [(b"1", (1, 2)), (b"", (1, 3))]),
        (b'[{"a":1', [(b'{"a":1', (1, 2))]),
        (b'{"a":1}\n{"b":\n2}', [(b'{"a":1}', (1, 1)), (b'{"b":\n2}', (2, 1))]),
        (b"[1] x", [(b"1", (1, 2)), (b"x", (1, 5))]),
        (b'["abc', [(b'"abc', (1, 2)), (b"", (1, 6))]),
    ],
)
@pytest.mark.parametrize("sizes", [[1], [2], [3], [100]])
def test_elements_are_found(data: bytes, expected: list[Any], sizes: list[int]) -> None:
    """Of an array, or values one after another; what is wrong comes as an element that cannot be decoded."""
    assert items(data, "json", sizes) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'a,b\n1,"x\ny"\n3,4', [(b"a,b", (1, 1)), (b'1,"x\ny"', (2, 1)), (b"3,4", (4, 1))]),
        (b'a\n"x', [(b"a", (1, 1)), (b'"x', (2, 1))]),
    ],
)
@pytest.mark.parametrize("sizes", [[1], [4], [100]])
def test_rows_are_found(data: bytes, expected: list[Any], sizes: list[int]) -> None:
    """A quoted cell goes on over lines."""
    assert items(data, "csv", sizes) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=4), JSON, max_size=4)


@settings(max_examples=60, deadline=None)
@given(
    records=st.lists(OBJECTS, max_size=6),
    indent=st.sampled_from([None, 1]),
    sizes=st.lists(st.integers(1, 9), max_size=3),
)
def test_arrays_pass_through_in_any_slicing(records: list[Any], indent: int | None, sizes: list[int]) -> None:
    """Laid out or not: the values are the same, and a record is a line."""
    data = json.dumps(records, indent=indent).encode()
    assert [json.loads(item) for item, _ in items(data, "json", sizes)] == records
    lines = run(omit("nothing"), data, "json", out="jsonl").split(b"\n")[:-1]
    assert [json.loads(line) for line in lines] == records
    assert json.loads(run(rename({"nothing": "x"}), data, "json")) == records


@settings(max_examples=60, deadline=None)
@given(records=st.lists(OBJECTS, max_size=6), names=st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=2))
def test_the_quick_way_and_the_careful_one_give_the_same(records: list[Any], names: list[str]) -> None:
    """One bad line makes a whole batch careful; the others must not be told apart by that."""
    lines = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    escaped = [name.replace("\\", "").replace(".", "\\.").replace("*", "").replace("?", "") or "a" for name in names]
    for transform in (omit(*escaped), pick(*escaped), pick(*escaped, missing="skip")):
        quick = run(transform, lines)
        careful = io.BytesIO()
        transform_stream(io.BytesIO(lines + b"{bad}\n"), careful, transform, on_error="skip")
        assert careful.getvalue() == quick


def test_untouched_values_keep_their_bytes() -> None:
    """Big integers, numbers beyond a float, trailing zeros, escapes, order: what jq and others change."""
    values = b'"a":123456789012345678901234567890,"b":1e400,"c":1.10,"d":"\\u00e9\\/","e":[1.0, 2.50],"z":{"y":-0.0}'
    data = b'{"salt":1,' + values + b"}\n"
    expected = b"{" + values + b"}\n"
    assert run(omit("salt"), data) == expected
    assert run(omit("z.x", "salt"), data) == expected
    assert run(rename({"salt": "q"}), data) == b'{"q":1,' + values + b"}\n"
    assert run(pick("c", "b"), data) == b'{"c":1.10,"b":1e400}\n'
    assert run(redact("z.y", "salt"), data).endswith(b'"e":[1.0, 2.50],"z":{"y":"***"}}\n')


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        (b'{"a": }', 7, "no JSON: invalid character"),
        (b'{"a": 1', 8, "no JSON: it ends too early"),
        (b'{"a": 01}', 8, "no JSON: invalid number"),
        (b'{"a": "x\x00y"}', 9, "no JSON: invalid character"),
        (b'{"a": "\\ud800"}', None, "no JSON"),
        (b'{"a": "\xff"}', 8, "byte 0xff is no UTF-8"),
        (b'{"\xff": 1}', 3, "byte 0xff is no UTF-8"),
        (b"[1]", 1, "Expected object, got array"),
        (b"7", 1, "Expected object, got int"),
        (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", None, "nested too deeply"),
    ],
)
@pytest.mark.parametrize("transform", [omit("salt"), pick("a"), redact("b.c")])
def test_a_bad_line_is_told_with_line_and_column(line: bytes, column: int | None, reason: str, transform: Any) -> None:
    """The lines before it are written, and its bytes are in the error."""
    out = io.BytesIO()
    with pytest.raises(BadRecord, match=reason) as caught:
        transform_stream(io.BytesIO(b'{"a":1}\n\n' + line + b'\n{"a":2}\n'), out, transform, source="x.jsonl")
    error = caught.value
    assert (error.source, error.line, error.raw) == ("x.jsonl", 3, line)
    if column is not None:
        assert error.column == column
    assert out.getvalue() == b'{"a":1}\n'


def test_a_bad_element_is_told_where_it_stands() -> None:
    """In an array that is laid out: the line within the element."""
    with pytest.raises(BadRecord) as caught:
        run(omit("x"), b'[{"a": 1},\n {"b":\n  nul}]', "json")
    assert (caught.value.line, caught.value.column) == (3, 4)


@pytest.mark.parametrize("bad", [b"{", b'{"a": "\xff\xfe"}', b"nonsense", b"[]", b'{"a":1}{"a":2}', b'\x00{"a":1}'])
def test_all_but_the_bad_records_are_written(bad: bytes) -> None:
    """And the bad ones are byte for byte in the quarantine."""
    source = random.Random(1)
    good = [b'{"a":%d}' % number for number in range(1000)]
    lines = list(good)
    places = sorted(source.sample(range(1000), 5), reverse=True)
    for place in places:
        lines.insert(place, bad)
    out, quarantine = io.BytesIO(), io.BytesIO()
    counts = transform_stream(io.BytesIO(b"\n".join(lines)), out, omit("x"), on_error=quarantine)
    assert counts == Counts(read=1005, written=1000, left_out=0, bad=5)
    assert out.getvalue().split() == good
    assert quarantine.getvalue() == (bad + b"\n") * 5


def test_a_last_bad_line_without_an_end_gets_none() -> None:
    """Byte for byte."""
    quarantine = io.BytesIO()
    transform_stream(io.BytesIO(b'{"a":1}\n{"a":'), io.BytesIO(), omit("x"), on_error=quarantine)
    assert quarantine.getvalue() == b'{"a":'


def test_crlf_and_blank_lines_are_no_records() -> None:
    """Nor are spaces."""
    assert run(omit("x"), b'\xef\xbb\xbf{"a":1}\r\n\r\n  \r\n{"a":2}') == b'{"a":1}\n{"a":2}\n'


def test_csv_becomes_json_and_back() -> None:
    """Cells are strings; what is no string is written as JSON, null as nothing."""
    csv = 'name,note\r\n"Grüße, ""x""","two\nlines"\r\n'.encode()
    lines = run(pick("note", "name"), csv, "csv", out="jsonl")
    assert json.loads(lines) == {"note": "two\nlines", "name": 'Grüße, "x"'}
    assert run(pick("name", "note"), lines, "jsonl", out="csv").decode() == 'name,note\n"Grüße, ""x""","two\nlines"\n'
    assert (
        run(omit("x"), b'{"a":null,"b":[1, 2],"c":1.10,"d":true}', out="tsv") == b"a\tb\tc\td\n\t[1, 2]\t1.10\ttrue\n"
    )
    assert run(omit("b"), b"", "csv") == b""
    assert run(omit("b"), b"\n a,b \n", "csv", out="json") == b"[]\n"


@pytest.mark.parametrize(
    ("transform", "header"),
    [
        (omit("b"), b"a\n"),
        (pick("b", "z"), b"b,z\n"),
        (rename({"a": "c"}), b"c,b\n"),
        (lambda _: None, b"a,b\n"),
        (lambda row: {"n": int(row["a"])}, b"a,b\n"),
    ],
)
def test_a_header_without_rows_is_kept(transform: Any, header: bytes) -> None:
    """As it would be with rows; as it was where the transform tells nothing without one."""
    assert run(transform, b"a,b\n", "csv") == header
    assert run(transform, b"\n a,b \n", "csv", out="json") == b"[]\n"


@pytest.mark.parametrize(
    ("data", "options", "reason"),
    [
        (b"a,b\n1\n", {"form": "csv"}, "1 cells under a header of 2"),
        (b'a,b\n1,"x\n', {"form": "csv"}, "no row"),
        (b"a,b\n1,\xff\n", {"form": "csv"}, "no UTF-8"),
        (b'{"a":1}\n{"a":1,"b":2}\n', {"out": "csv"}, "field 'b' is not in the header"),
    ],
)
def test_bad_rows_are_told(data: bytes, options: dict[str, Any], reason: str) -> None:
    """With their line."""
    with pytest.raises(BadRecord, match=reason) as caught:
        run(omit("x"), data, **options)
    assert caught.value.line == 2


def test_a_record_that_lacks_a_column_leaves_it_empty() -> None:
    """The header is that of the first record."""
    assert run(omit("x"), b'{"a":1,"b":2}\n{"b":3}\n', out="csv") == b"a,b\n1,2\n,3\n"


def test_a_long_line_passes() -> None:
    """Longer than any block, and not in quadratic time."""
    long = b'{"a":"' + b"x" * 10_000_000 + b'","salt":1}'
    assert len(run(omit("salt"), long + b"\n" + long)) == 2 * 10_000_009
    assert len(run(omit("salt"), b"[" + long + b"," + long + b"]", "json")) > 20_000_000


@pytest.mark.faults
@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_a_line_of_100_megabytes_passes(form: Format, tmp_path: Path) -> None:
    """In memory for a few of them, and byte for byte; a bad one is set aside whole."""
    size = 100_000_000 if FULL else 3_000_000
    long = b'{"a":"' + b"x" * size + b'","salt":1}'
    data = b"[" + long + b"," + long + b"]" if form == "json" else long + b"\n" + long[:-1] + b"\n" + long
    (tmp_path / "in").write_bytes(data)
    out, bad = (tmp_path / "out").open("wb"), (tmp_path / "bad").open("wb")
    with (tmp_path / "in").open("rb", buffering=0) as src, out, bad:
        counts = transform_stream(src, out, omit("salt"), form=form, out="jsonl", on_error=bad)
    assert (counts.written, counts.bad) == (2, 0 if form == "json" else 1)
    assert (tmp_path / "out").read_bytes() == (b'{"a":"' + b"x" * size + b'"}\n') * 2
    assert (tmp_path / "bad").read_bytes() == (b"" if form == "json" else long[:-1] + b"\n")


def test_formats_are_told_by_names() -> None:
    """JSON Lines where the name says nothing."""
    assert [format_of(name) for name in ("a.json", "b.CSV", "c.tsv", "d.ndjson", "-", "e")] == [
        "json", "csv", "tsv", "jsonl", "jsonl", "jsonl",
    ]  # fmt: skip


def test_elements_can_be_fed_by_hand() -> None:
    """Blocks in, elements out."""
    scan = Elements()
    assert scan.feed(b"[1, 2") == [(1, 2, b"1")]
    assert scan.feed(b"3]", last=True) == [(1, 5, b"23")]


@settings(max_examples=100, deadline=None)
@given(
    records=st.lists(st.dictionaries(st.sampled_from(["a", "b", "c", "é"]), JSON, max_size=4), min_size=1, max_size=8),
    gap=st.sampled_from([(",", ":"), (", ", ": ")]),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "", " "]),
)
def test_lines_that_are_alike_and_those_that_are_not_come_out_the_same(
    records: list[Any], gap: tuple[str, str], end: str
) -> None:
    """Same fields or not, in the same order or not, two records in a line, a record over two lines: as one by one."""
    lines = end.join(json.dumps(record, separators=gap) for record in records).encode()
    outs, counts = [], []
    for transform in (omit("b"), compose(omit("b"))):
        out = io.BytesIO()
        counts.append(transform_stream(io.BytesIO(lines), out, transform, on_error="skip"))
        outs.append(out.getvalue())
    assert (outs[0], counts[0]) == (outs[1], counts[1])


@pytest.mark.parametrize("odd", [b'{"b":1,"a":2}', b'{"a":1,"c":2}', b'{"a":1}', b'{"a":1,"a":2,"b":3}', b'{"a": 1}'])
def test_an_odd_line_among_thousands_changes_nothing(odd: bytes) -> None:
    """Each block is either all alike or taken line by line; many odd blocks are as good as one."""
    lines = [b'{"a":1,"b":2}'] * 30_000
    for place in range(1000, 30_000, 3000):
        lines[place] = odd
    expected = [b'{"a":1}'] * 30_000
    for place in range(1000, 30_000, 3000):
        expected[place] = run(compose(omit("b")), odd).strip()
    assert run(omit("b"), b"\n".join(lines)).split() == [piece for line in expected for piece in line.split()]
