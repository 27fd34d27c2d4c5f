"""What the chapter gets wrong, or leaves open: for each point, what is true here."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from cb_map import (
    Incomparable,
    ItemError,
    LengthMismatch,
    MissingField,
    attach,
    imap,
    latest,
    map_list,
    omit,
    pick,
    pmap,
    through,
)
from cb_map.stream import transform_stream
from test_recipes import PRICES
from work import multiply, stops

XS, YS = [1, 2, 3], [10, 20]


def test_shorter_iterables_end_the_map_or_are_filled_as_asked() -> None:
    """1: no None appears by itself; there are three ways, each by name."""
    pair: Callable[[Any, Any], tuple[Any, Any]] = lambda x, y: (x, y)  # noqa: E731
    assert map_list(pair, XS, YS) == [(1, 10), (2, 20)]
    assert map_list(pair, XS, YS, mode="longest") == [(1, 10), (2, 20), (3, None)]
    strict = imap(multiply, XS, YS, mode="strict")
    assert [next(strict), next(strict)] == [10, 40]
    with pytest.raises(LengthMismatch, match="iterable 2 is shorter than iterable 1, after 2 rows"):
        next(strict)


def test_the_own_map_takes_any_number_of_iterables() -> None:
    """2: not one array only."""
    assert map_list(lambda *values: sum(values), [1], [2], [3], mode="longest") == [6]
    assert map_list(lambda a, b, c: a + b + c, "ab", "cd", "ef") == ["ace", "bdf"]


@pytest.mark.parametrize(
    ("missing", "expected"),
    [("null", [{"id": 9, "price": None}]), ("keep", [{"id": 9}]), ("skip", [])],
)
def test_no_none_slips_in_for_a_product_without_price(missing: Any, expected: list[Any]) -> None:
    """3: what happens to a record without a row is said, and a product never turns into None in the results."""
    assert list(through([{"id": 9}], attach({}, key="id", into="price", missing=missing))) == expected


def test_a_product_without_price_can_be_an_error() -> None:
    """3: and the error names it."""
    with pytest.raises(MissingField, match="nothing for id 9"):
        attach({}, key="id", into="price", missing="raise")({"id": 9})
    with pytest.raises(MissingField, match="no field 'id'"):
        attach({}, key="id", into="price", missing="raise")({"name": "x"})


def test_no_prices_at_all_is_no_crash() -> None:
    """4: the maximum of nothing is nothing."""
    assert latest([], by="product_id", on="date") == {}


def test_of_equal_dates_the_last_given_counts() -> None:
    """5: the later row is the newer one."""
    rows = [{"k": 1, "on": 5, "n": "first"}, {"k": 1, "on": 5, "n": "second"}]
    assert latest(rows, by="k", on="on")[1]["n"] == "second"


def test_dates_with_and_without_zone_are_told_apart_by_name() -> None:
    """5: the error shows both values and the key, instead of a TypeError from inside."""
    rows = [
        {"k": 1, "on": datetime(2016, 1, 1, tzinfo=UTC)},
        {"k": 1, "on": datetime(2016, 1, 1)},  # noqa: DTZ001
    ]
    with pytest.raises(Incomparable, match=r"both are for k 1"):
        latest(rows, by="k", on="on")


def test_a_transform_never_changes_its_source() -> None:
    """6: what a path leads into is copied; a deep copy of attached rows is an option."""
    source = {"name": "a", "db": {"password": "x", "host": "h"}}
    assert omit("db.password")(source) == {"name": "a", "db": {"host": "h"}}
    assert source == {"name": "a", "db": {"password": "x", "host": "h"}}
    row = {"tags": ["a"]}
    shared = attach({1: row}, key="id", into="row")({"id": 1})
    own = attach({1: row}, key="id", into="row", deep=True)({"id": 1})
    assert shared is not None
    assert own is not None
    assert shared["row"] is not row
    assert shared["row"]["tags"] is row["tags"]
    assert own["row"]["tags"] is not row["tags"]


def test_a_user_without_salt_is_no_error_unless_asked() -> None:
    """7: absent secrets are as good as left out; a demand is an option."""
    assert omit("salt")({"name": "a"}) == {"name": "a"}
    with pytest.raises(MissingField, match="'salt'"):
        omit("salt", missing="raise")({"name": "a"})


def test_new_and_nested_secrets_stay_in() -> None:
    """8: a list of what to keep does not leak what is added later; patterns and depths reach what is nested."""
    user = {"name": "a", "totp_secret": "s", "db": [{"old_password": "x", "host": "h"}]}
    assert pick("name")(user) == {"name": "a"}
    assert omit("*secret*", "**.*password*")(user) == {"name": "a", "db": [{"host": "h"}]}


def test_amounts_are_exact_and_hashes_stay_out() -> None:
    """9: money as Decimal in Python, and to the digit in files; what is printed is what was picked."""
    prices = [{"id": 1, "product": 7, "amount": Decimal("0.10"), "on": 1}]
    priced = attach(latest(prices, by="product", on="on"), key="id", into="price")
    (book,) = through([{"id": 7, "hashed_password": "q423"}], priced, pick("id", "price.amount"))
    assert str(book["price"]["amount"] * 3) == "0.30"
    assert repr(book) == "{'id': 7, 'price': {'amount': Decimal('0.10')}}"
    out = io.BytesIO()
    transform_stream(io.BytesIO(b'{"amount":2.70,"hashed_password":"x"}\n'), out, pick("amount"))
    assert out.getvalue() == b'{"amount":2.70}\n'


def test_a_second_walk_finds_nothing_and_says_so_by_being_empty() -> None:
    """11: imap, pmap and through are iterators: a list is what can be walked again."""
    for results in (imap(str, XS), pmap(str, XS), through([{"a": 1}], pick("a"))):
        assert len(list(results)) in {1, 3}
        assert list(results) == []
    again = map_list(str, XS)
    assert list(again) == list(again) == ["1", "2", "3"]


def test_rows_that_share_an_id_are_told_apart_by_what_they_belong_to() -> None:
    """13: the chapter has two prices of id 2; the newest is that of its product, whatever the ids."""
    prices = [{"id": 2, "product": 1, "on": 1}, {"id": 2, "product": 2, "on": 9}, {"id": 2, "product": 1, "on": 5}]
    assert latest(prices, by="product", on="on") == {1: prices[2], 2: prices[1]}
    ids = [price["id"] for prices_of_one in PRICES.values() for price in prices_of_one]
    assert len(ids) == len(set(ids))


def test_a_result_is_one_line_and_nothing_else() -> None:
    """14: what is printed in the chapter is broken over lines, with strays in between; here each record is a line."""
    out = io.BytesIO()
    records = b'[{"id": 4,\n "date": "2016-02-05"},\n {"id": 2, "date": "2015-12-05"}]'
    transform_stream(io.BytesIO(records), out, pick("date", "id"), form="json", out="jsonl")
    assert out.getvalue() == b'{"date":"2016-02-05","id":4}\n{"date":"2015-12-05","id":2}\n'


def test_the_index_is_an_argument() -> None:
    """10: a lazy map gives what its index said, not what some global says when it is walked."""
    prices = {1: {"amount": 1}}
    results = through([{"id": 1}], attach(latest([{"k": 1, "on": 1}], by="k", on="on"), key="id", into="price"))
    prices.clear()
    assert list(results) == [{"id": 1, "price": {"k": 1, "on": 1}}]


def test_what_is_no_iterable_is_refused_at_the_call() -> None:
    """12: an int in place of the ids is said where it was written, not at the first result."""
    wrong: Any = 7
    for call in (imap, map_list, pmap):
        with pytest.raises(TypeError, match="argument 1 after the function is no iterable but int"):
            call(str, wrong)


def test_stop_iteration_in_the_function_is_an_error_and_not_the_end() -> None:
    """15: the builtin gives 50 of 200 results and says nothing."""
    assert len(list(map(stops, range(200)))) == 50
    results: Iterator[int] = imap(stops, range(200))
    assert [next(results) for _ in range(50)] == list(range(50))
    with pytest.raises(RuntimeError, match="stops raised StopIteration"):
        next(results)
    with pytest.raises(RuntimeError, match="stops raised StopIteration"):
        map_list(stops, range(200))
    with pytest.raises(ItemError, match=r"item 50 \(50\): RuntimeError: stops raised StopIteration"):
        list(pmap(stops, range(200)))


def test_stop_iteration_at_the_last_item_is_seen_too() -> None:
    """15: even where nothing would be lost after it."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        map_list(stops, range(51))
    with pytest.raises(RuntimeError, match="StopIteration"):
        map_list(lambda x, _: stops(x), range(51), range(51))
