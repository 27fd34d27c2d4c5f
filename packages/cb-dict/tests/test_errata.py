"""What the chapter has wrong, and what holds: one test for each."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import cb_dict as cd
import pytest
from cb_dict.recipes import RECIPES
from test_recipes import PRODUCT, run


def test_1_the_update_listing_runs() -> None:
    """It had one parenthesis too many, and never ran."""
    assert next(RECIPES["update"]()) == PRODUCT.format(1500, 5700)


def test_2_a_product_prints_itself() -> None:
    """``print_product(p)`` read a global: what is printed must be of the argument."""
    other = {"stock": 1}
    cd.add(other, {"stock": -1})
    assert cd.items(other) == [("stock", 0)]


def test_3_counters_are_bounded_and_all_or_none() -> None:
    """A missing counter was a TypeError, the stock went below zero, and one key could change without the other."""
    product: dict[str, Any] = {"sold": 1, "stock": 0}
    with pytest.raises(cd.LimitError, match="below its minimum"):
        cd.add(product, {"sold": 1, "stock": -1}, minimum={"stock": 0})
    assert product == {"sold": 1, "stock": 0}
    cd.add(product, {"returned": 1})
    assert product["returned"] == 1
    with pytest.raises(cd.TypeMismatch, match="not a number"):
        cd.add({"stock": "many"}, {"stock": -1})


def test_4_order_is_that_of_insertion() -> None:
    """Dicts keep their order, on every run; files keep theirs."""
    outputs = {run("keys", "-", text='{"name": 1, "last_name": 2, "age": 3}').stdout for _ in range(3)}
    assert outputs == {"name\nlast_name\nage\n"}


def test_5_keys_are_views_in_python_and_lists_here() -> None:
    """``dict.keys()`` is no list: a dict that changes meanwhile raises. Ours may be gone through while it does."""
    document = {"a": 1, "b": 2}
    view = iter(document.keys())
    document["c"] = 3
    with pytest.raises(RuntimeError):
        next(view)
    for key in cd.keys(document):
        cd.delete(document, key)
    assert document == {}


def test_6_none_and_missing_are_told_apart() -> None:
    """``.get`` hides typos, and gives None for both: ``has`` and a strict ``get`` do not."""
    document = {"middle_name": None}
    assert cd.get(document, "middle_name") is None
    assert cd.has(document, "middle_name")
    with pytest.raises(KeyError, match="did you mean middle_name"):
        cd.get(document, "midle_name")


def test_7_reading_creates_nothing() -> None:
    """On a ``defaultdict`` the book's ``get`` differs from the built-in; ours asks no ``__missing__``."""
    document: Any = defaultdict(list, a=defaultdict(dict))
    assert cd.get(document, "a.b.c", 5) == 5
    assert cd.get(document, "x", None) is None
    assert (dict(document), dict(document["a"])) == ({"a": {}}, {})


def test_8_a_dict_is_not_json() -> None:
    """JSON has no True, no trailing commas, and only text keys; ``json.dumps`` writes a key twice without a word."""
    assert json.dumps({1: "a", "1": "b"}) == '{"1": "a", "1": "b"}'
    with pytest.raises(cd.TypeMismatch, match="the key 1"):
        cd.diff({1: "a"}, {1: "b"})
    for text in ("{'a': 1}", '{"a": True}', '{"a": 1,}', '{"a": (1, 2)}'):
        assert run("validate", "-", text=text).returncode == 3


def test_9_look_up_does_not_go_through_pairs() -> None:
    """Dicts are hash tables, not arrays of pairs: a look-up compares with one key, not with all."""

    class Key(str):
        __slots__ = ()
        compared = 0

        def __eq__(self, other: object) -> bool:
            Key.compared += 1
            return str.__eq__(self, other)  # type: ignore[arg-type]

        __hash__ = str.__hash__

    document = {Key(str(number)): number for number in range(1000)}
    Key.compared = 0
    assert cd.get(document, "999") == 999
    assert Key.compared <= 5


def test_10_sorting_is_by_code_point() -> None:
    """Not "alphabetically": capitals come first; keys of mixed types do not sort, and the error says so."""
    assert cd.keys({"b": 1, "é": 1, "Z": 1, "a": 1}, sort=True) == ["Z", "a", "b", "é"]
    with pytest.raises(cd.TypeMismatch, match="do not compare"):
        cd.items({"a": 1, 1: 2}, sort=True)


def test_11_a_deep_copy_shares_nothing() -> None:
    """The book has only the shallow copy."""
    me = {"name": {"first": "Sebastian"}}
    shallow, deep = me.copy(), cd.deepcopy(me)
    me["name"]["first"] = "Michael"
    assert (shallow["name"]["first"], deep["name"]["first"]) == ("Michael", "Sebastian")


def test_12_errors_are_named() -> None:
    """Not a bare ``Exception``: every error is a CbDictError and of the built-in kind that fits."""
    kinds = {
        cd.PathError: KeyError,
        cd.TypeMismatch: TypeError,
        cd.LimitError: ValueError,
        cd.ParseError: ValueError,
        cd.PathSyntaxError: ValueError,
        cd.MissingExtra: ImportError,
    }
    assert all(issubclass(kind, (cd.CbDictError, base)) and issubclass(kind, base) for kind, base in kinds.items())


def test_13_results_and_errors_do_not_mix() -> None:
    """The book's output has a traceback between results: they are two streams."""
    done = run("get", "-", "a_number", "missing", text='{"a_number": 1}')
    assert (done.stdout, done.returncode) == ("1\n", 1)
    assert done.stderr.startswith("cb-dict: -: missing: no key 'missing'")
    assert done.stderr.count("\n") == 1


def test_14_update_is_one_level_deep() -> None:
    """``update`` replaces nested dicts as a whole; ``merge_into`` goes down."""
    shallow: dict[str, Any] = {"db": {"host": "h", "port": 1}}
    deep = cd.deepcopy(shallow)
    shallow.update({"db": {"port": 2}})
    cd.merge_into(deep, {"db": {"port": 2}})
    assert (shallow, deep) == ({"db": {"port": 2}}, {"db": {"host": "h", "port": 2}})
