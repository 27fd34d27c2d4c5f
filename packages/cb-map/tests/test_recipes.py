"""The chapter's recipes, in its order, through the library and through the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from cb_map import attach, imap, latest, map_list, omit, pick, pmap, through
from conftest import Done
from work import add_one, multiply

Cli = Callable[..., Done]
PRODUCTS = [{"id": 1, "name": "Python Book"}, {"id": 2, "name": "JavaScript Book"}, {"id": 3, "name": "HTML Book"}]
PRICES: dict[int, list[dict[str, Any]]] = {
    1: [
        {"id": 1, "product_id": 1, "amount": Decimal("2.75"), "date": datetime(2016, 2, 1, 11, 11, 17, 683987, UTC)},
        {"id": 4, "product_id": 1, "amount": Decimal("3.99"), "date": datetime(2016, 2, 5, 11, 11, 17, 683987, UTC)},
    ],
    2: [
        {"id": 5, "product_id": 2, "amount": Decimal("1.10"), "date": datetime(2015, 1, 5, 11, 11, 17, 683987, UTC)},
        {"id": 2, "product_id": 2, "amount": Decimal("1.99"), "date": datetime(2015, 12, 5, 11, 11, 17, 683987, UTC)},
    ],
    3: [{"id": 3, "product_id": 3, "amount": Decimal(3), "date": datetime(2015, 12, 20, 11, 11, 17, 683987, UTC)}],
}
EXPECTED = [("Python Book", 4, "3.99"), ("JavaScript Book", 2, "1.99"), ("HTML Book", 3, "3")]
USERS = [
    {"name": "svinci", "salt": "098u n4v04", "hashed_password": "q423uin9304fh2u4nf3410uth1394hf"},
    {"name": "admin", "salt": "0198234nva", "hashed_password": "3894tumn13498ujc843jmcv92384vmqv"},
]


def jsonl(records: list[Any]) -> str:
    """Records as lines; dates in ISO 8601, amounts as numbers."""
    plain: Callable[[Any], Any] = lambda v: v.isoformat() if isinstance(v, datetime) else float(v)  # noqa: E731
    return "".join(json.dumps(record, default=plain) + "\n" for record in records)


def summary(products: Iterator[dict[str, Any]]) -> list[tuple[str, int, str]]:
    """What the chapter prints, without the rest of the line."""
    return [(one["name"], one["price"]["id"], str(one["price"]["amount"])) for one in products]


def test_a_map_of_ones_own_adds_one() -> None:
    """8.1 a map of one's own: `map_list` is the chapter's first map."""
    assert map_list(add_one, [1, 2, 3, 4, 5]) == [2, 3, 4, 5, 6]


def test_the_command_adds_one(cli: Cli) -> None:
    """8.1 a map of one's own: ``apply -e`` is the same on lines."""
    assert cli("apply", "-e", "x + 1", stdin="1\n2\n3\n4\n5\n").stdout == b"2\n3\n4\n5\n6\n"


@pytest.mark.parametrize("fn", [multiply, lambda x, y: x * y])
def test_two_lists_are_multiplied_up_to_the_shorter(fn: Callable[[int, int], int]) -> None:
    """8.2 several lists.

    Several iterables side by side, with a function or a lambda; the result is no list until it is made one.
    """
    products = imap(fn, [1, 2, 3, 4, 5, 6, 7, 8], [2, 3, 4, 5, 6, 7])
    assert not isinstance(products, list)
    assert list(products) == [2, 6, 12, 20, 30, 42]


def test_the_command_multiplies_two_files(cli: Cli, tmp_path: Path) -> None:
    """8.2 several lists: ``zip`` has a name for the record of each file."""
    (tmp_path / "xs.jsonl").write_text(jsonl([1, 2, 3, 4, 5, 6, 7, 8]))
    (tmp_path / "ys.jsonl").write_text(jsonl([2, 3, 4, 5, 6, 7]))
    assert cli("zip", "xs.jsonl", "ys.jsonl", "-e", "x * y").stdout.split() == [b"2", b"6", b"12", b"20", b"30", b"42"]


def test_all_products_get_their_latest_price() -> None:
    """8.2 the latest price of all products: all_products: each product with the price of the greatest date."""
    index = latest(chain.from_iterable(PRICES.values()), by="product_id", on="date")
    with_price = attach(index, key="id", into="price")
    assert summary(through(PRODUCTS, with_price)) == EXPECTED


def test_many_products_by_their_ids_get_their_latest_price() -> None:
    """8.2 many products by id.

    Many_products and get_product: ids to products to products with prices, each step lazy.
    """
    index = latest(chain.from_iterable(PRICES.values()), by="product_id", on="date")
    by_id = {product["id"]: product for product in PRODUCTS}
    ids = imap(lambda product: product["id"], PRODUCTS)
    found: Iterator[dict[str, Any]] = imap(lambda id_: by_id[id_], ids)
    assert summary(through(found, attach(index, key="id", into="price"))) == EXPECTED


def test_the_command_attaches_the_latest_price(cli: Cli, tmp_path: Path) -> None:
    """8.2 the latest price of all products: ``attach --latest``, with the rows from a file."""
    (tmp_path / "prices.jsonl").write_text(jsonl([price for prices in PRICES.values() for price in prices]))
    (tmp_path / "products.jsonl").write_text(jsonl(PRODUCTS))
    words = "attach --from prices.jsonl --key id --foreign product_id --latest date --into price products.jsonl"
    done = cli(*words.split())
    made = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["name"], one["price"]["id"], one["price"]["amount"]) for one in made] == [
        ("Python Book", 4, 3.99),
        ("JavaScript Book", 2, 1.99),
        ("HTML Book", 3, 3),
    ]
    assert made[0]["price"]["date"] == "2016-02-05T11:11:17.683987+00:00"


def test_passwords_are_left_out() -> None:
    """8.2 discard passwords: all_users, with what to leave out, or (safer) with what to keep."""
    expected = [{"name": "svinci"}, {"name": "admin"}]
    assert list(map(omit("salt", "hashed_password"), USERS)) == expected
    assert list(map(pick("name"), USERS)) == expected


@pytest.mark.parametrize("words", [("omit", "salt,hashed_password"), ("pick", "name")])
def test_the_command_leaves_passwords_out(cli: Cli, words: tuple[str, ...]) -> None:
    """8.2 discard passwords: ``omit`` and ``pick`` on lines."""
    assert cli(*words, stdin=jsonl(USERS)).stdout == b'{"name":"svinci"}\n{"name":"admin"}\n'


def test_results_can_be_walked_once() -> None:
    """8.3 lazily, and once: a map is an iterator: the second pass over it finds nothing; this holds for `pmap` too."""
    for results in (imap(add_one, [1, 2]), pmap(add_one, [1, 2])):
        assert list(results) == [2, 3]
        assert list(results) == []


def test_results_are_made_when_they_are_asked_for() -> None:
    """8.3 lazily, and once: lazy: after one result, the function was called once."""
    called: list[int] = []
    results = imap(called.append, [1, 2, 3])
    assert called == []
    next(results)
    assert called == [1]
