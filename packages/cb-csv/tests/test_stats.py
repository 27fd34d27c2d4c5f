"""Summaries: exact where they say so, near where they do not."""

from __future__ import annotations

import io
import random
import statistics

import pytest
from cb_csv import FaultError, summarize
from cb_csv.columns import narrowest


def test_every_figure_of_small_columns() -> None:
    """Count, empty, distinct, type, range, mean, deviation, longest, frequent, histogram."""
    numbers = ["3", "-1.5", "10", "3", ""]
    text = "n,t,d,b,e\r\n" + "".join(f"{n},x{n},2024-0{i + 1}-01,yes,\r\n" for i, n in enumerate(numbers))
    n, t, d, b, e = summarize(io.StringIO(text))
    values = [3, -1.5, 10, 3]
    assert (n.name, n.type, n.count, n.empty, n.distinct, n.distinct_is_exact) == ("n", "float", 5, 1, 3, True)
    assert (n.min, n.max, n.longest, n.frequent[0]) == ("-1.5", "10", 4, ("3", 2))
    assert n.mean == pytest.approx(statistics.fmean(values))
    assert n.stddev == pytest.approx(statistics.pstdev(values))
    assert sum(n.histogram) == 4
    assert (n.histogram[0], n.histogram[7], n.histogram[-1]) == (1, 2, 1)
    assert (t.type, t.min, t.max, t.mean, t.histogram) == ("text", "x", "x3", None, [])
    assert (d.type, d.min, d.max) == ("date", "2024-01-01", "2024-05-01")
    assert (b.type, b.distinct) == ("bool", 1)
    assert (e.type, e.empty, e.distinct, e.min, e.longest) == ("empty", 5, 0, None, 0)
    assert n.as_dict()["frequent"][0] == ("3", 2)  # type: ignore[index]


def test_beyond_the_cap_distinct_is_an_estimate_that_says_so() -> None:
    """Sums, range and counts stay exact; different cells are estimated; the frequent ones stay known."""
    choose = random.Random(5)
    values = [str(choose.randrange(50_000)) if n % 4 else "7" for n in range(60_000)]
    (column,) = summarize(io.StringIO("n\r\n" + "".join(f"{value}\r\n" for value in values)), cap=1000)
    assert not column.distinct_is_exact
    assert column.distinct == pytest.approx(len(set(values)), rel=0.1)
    assert column.mean == pytest.approx(statistics.fmean(map(int, values)))
    assert column.stddev == pytest.approx(statistics.pstdev(map(int, values)))
    assert (column.count, column.empty, column.min) == (60_000, 0, min(values, key=int))
    assert column.frequent[0][0] == "7"
    (few,) = summarize(io.StringIO("n\r\n" + "1\r\n2\r\n3\r\n" * 9000), cap=2)
    assert (few.distinct, few.distinct_is_exact) == (3, True)
    (many,) = summarize(io.StringIO("n\r\n" + "".join(f"{n}\r\n" for n in range(5000))))
    assert (many.distinct, many.distinct_is_exact) == (5000, True)


def test_without_a_header_columns_have_numbers() -> None:
    """Detected, or said."""
    assert [one.name for one in summarize(io.StringIO("1,2\r\n3,4\r\n"))] == ["column 1", "column 2"]
    (column,) = summarize(io.StringIO("x\r\n1\r\n"), header=False)
    assert (column.count, column.type) == (2, "text")
    assert [one.count for one in summarize(io.StringIO("a,b\r\n"), header=True)] == [0, 0]
    told: list[int] = []
    assert summarize(io.StringIO(""), progress=told.append) == []
    summarize(io.StringIO("a\r\n1\r\n"), progress=told.append)
    assert told[-1] == 6


def test_a_damaged_file_is_no_base_for_figures() -> None:
    """Faults are raised, not averaged."""
    with pytest.raises(FaultError):
        summarize(io.StringIO("a,b\r\n1,2\r\n3\r\n"), header=True)


def test_types_widen() -> None:
    """Two types make the narrowest that takes both."""
    assert narrowest("int", "float") == "float"
    assert narrowest("datetime", "date") == "datetime"
    assert narrowest("int", "date") == "text"
    assert narrowest("empty", "bool") == narrowest("bool", "empty") == "bool"
