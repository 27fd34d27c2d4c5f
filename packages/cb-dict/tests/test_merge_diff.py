"""Merge, diff, patch, flatten, deepcopy: on values, and on text that is not opened."""

from __future__ import annotations

import copy
import json
import os
import pickle
from datetime import date
from functools import partial
from typing import Any

import cb_dict as cd
import msgspec
import pytest
from cb_dict import same
from cb_dict.diffing import operations
from cb_dict.raw import Raw
from hypothesis import example, given, settings
from hypothesis import strategies as st

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5]) | st.text(max_size=3)
DOCUMENTS = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=5) | st.dictionaries(st.text(max_size=3), below, max_size=5)
)
MANY = 100 if "COVERAGE_RUN" in os.environ else 300
"""Fewer where coverage is measured: there each takes twice as long."""
LISTS = ["replace", "append", "union", "index"]


@settings(max_examples=MANY)
@given(DOCUMENTS, DOCUMENTS)
def test_a_patch_leads_from_one_to_the_other(left: Any, right: Any) -> None:
    """patch(a, diff(a, b)) is b, types included; a is not touched; there is no operation exactly if they are equal."""
    before = copy.deepcopy(left)
    found = cd.diff(left, right)
    assert same(cd.patch(left, found), right)
    assert same(left, before)
    assert bool(found) != same(left, right)


@settings(max_examples=MANY)
@given(DOCUMENTS, DOCUMENTS, st.integers(0, 3))
def test_text_is_compared_as_values_are(left: Any, right: Any, indent: int) -> None:
    """Pieces of JSON in any layout give a patch that leads from one to the other, too."""
    one = Raw(msgspec.json.format(json.dumps(left).encode(), indent=indent))
    two = Raw(json.dumps(right, separators=(",", ":")).encode())
    found = msgspec.json.decode(msgspec.json.encode(list(operations(one, two))))
    assert same(cd.patch(left, found), right)
    assert bool(found) != same(left, right)


@settings(max_examples=MANY)
@given(DOCUMENTS, DOCUMENTS, st.sampled_from(LISTS), st.sampled_from(["right", "left"]))
@example({"a": [1]}, {"a": [2], "b": 3}, "append", "right")
@example({"a": [1]}, {"a": []}, "append", "right")
def test_text_is_merged_as_values_are(left: Any, right: Any, lists: Any, conflict: Any) -> None:
    """Merging into text gives what merging values gives."""
    document = cd.Document(msgspec.json.format(json.dumps(left).encode(), indent=2))
    document.merge(Raw(json.dumps(right).encode()), lists=lists, conflict=conflict)
    assert same(json.loads(bytes(document)), cd.merge(left, right, lists=lists, conflict=conflict))


@given(DOCUMENTS)
def test_copies_and_flat_forms_are_the_same_document(document: Any) -> None:
    """Deepcopy and unflatten(flatten()) make it again; a merge with itself is itself."""
    assert same(cd.deepcopy(document), document)
    assert same(cd.unflatten(cd.flatten(document)), document)
    assert cd.merge(document, document) is document


@pytest.mark.parametrize(
    ("lists", "merged"), [("replace", [2, 3]), ("append", [1, 2, 2, 3]), ("union", [1, 2, 3]), ("index", [2, 3])]
)
def test_lists(lists: Any, merged: list[int]) -> None:
    """The four policies for lists, and a function."""
    assert cd.merge({"l": [1, 2]}, {"l": [2, 3]}, lists=lists) == {"l": merged}
    assert cd.merge([1], [2], lists=lambda left, right: right + left) == [2, 1]
    assert cd.merge([{"a": 1}, 2], [{"b": 1}], lists="index") == [{"a": 1, "b": 1}, 2]


def test_conflicts() -> None:
    """The right one holds, or the left one, or it is an error that names the place; nothing is half merged."""
    left: dict[str, Any] = {"a": {"b": 1}, "c": 1}
    assert cd.merge(left, {"a": {"b": 2}}, conflict="left") == left
    with pytest.raises(cd.ConflictError, match=r"a\.b: 1 here, True there"):
        cd.merge_into(left, {"c": 1, "d": 1, "a": {"b": True}}, conflict="error")
    assert left == {"a": {"b": 1}, "c": 1}
    with pytest.raises(cd.ConflictError):
        cd.Document(b'{"a": 1}').merge({"a": 2}, conflict="error")
    with pytest.raises(cd.ConflictError):
        cd.merge_into(left, 5)
    for wrong in ({"lists": "zip"}, {"conflict": "both"}):
        with pytest.raises(ValueError, match="it is 'r"):
            cd.merge({}, {}, **wrong)  # type: ignore[arg-type]


def test_merge_into_shares_nothing_with_the_right_one() -> None:
    """What was merged in may be changed without changing where it came from."""
    left: dict[str, Any] = {}
    right = {"a": {"b": [1]}}
    cd.merge_into(left, right)
    left["a"]["b"].append(2)
    assert right == {"a": {"b": [1]}}


def test_merge_patch() -> None:
    """The examples of RFC 7396."""
    cases = [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a"], {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({"a": "foo"}, "bar", "bar"),
    ]
    for document, change, made in cases:
        assert cd.merge_patch(document, change) == made


DOCUMENT = {"a": [1, 2, {"b": 3}], "c": {"d": 1}}


@pytest.mark.parametrize(
    ("operation", "made"),
    [
        ({"op": "add", "path": "/a/0", "value": 0}, {"a": [0, 1, 2, {"b": 3}], "c": {"d": 1}}),
        ({"op": "move", "from": "/a/2", "path": "/x"}, {"a": [1, 2], "c": {"d": 1}, "x": {"b": 3}}),
        ({"op": "move", "from": "/a", "path": "/a"}, DOCUMENT),
        ({"op": "copy", "from": "/c", "path": "/a/-"}, {"a": [1, 2, {"b": 3}, {"d": 1}], "c": {"d": 1}}),
        ({"op": "replace", "path": "/c/d", "value": None}, {"a": [1, 2, {"b": 3}], "c": {"d": None}}),
        ({"op": "replace", "path": "", "value": 5}, 5),
        ({"op": "add", "path": "", "value": 6}, 6),
        ({"op": "test", "path": "/c", "value": {"d": 1}}, DOCUMENT),
    ],
)
def test_operations(operation: dict[str, Any], made: Any) -> None:
    """Every operation of RFC 6902, on values and on text."""
    assert cd.patch(DOCUMENT, [operation]) == made
    document = cd.Document(json.dumps(DOCUMENT).encode())
    document.patch([operation])
    assert document.get() == made


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({"op": "add", "path": "/x/y", "value": 0}, "no key 'x'"),
        ({"op": "add", "path": "/a/9", "value": 0}, "2 elements"),
        ({"op": "add", "path": "/c/d/e", "value": 0}, "cannot hold"),
        ({"op": "remove", "path": "/a/-1"}, "no index of a JSON Patch"),
        ({"op": "remove", "path": ""}, "cannot be removed"),
        ({"op": "test", "path": "/c/d", "value": True}, "is 1, not True"),
        ({"op": "move", "from": "/c", "path": "/c/x"}, "into itself"),
        ({"op": "add", "path": "a", "value": 1}, "not a JSON pointer"),
        ({"op": "add", "path": "/a"}, "needs a value"),
        ({"op": "frob", "path": "/a"}, "no operation"),
        ("add", "no operation"),
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing(operation: Any, words: str) -> None:
    """The error says which operation, and nothing before it has been applied."""
    document = cd.Document(json.dumps(DOCUMENT).encode())
    with pytest.raises(cd.CbDictError, match=f"operation 1: .*{words}"):
        document.patch([{"op": "remove", "path": "/a/0"}, operation])
    assert document.get() == DOCUMENT


def test_moved_elements_are_aligned() -> None:
    """One element inserted in the middle is one operation; lists too long to be aligned still lead there."""
    assert cd.diff([1, 2, 3, 4], [1, 9, 2, 3, 8, 4]) == [
        {"op": "add", "path": "/1", "value": 9},
        {"op": "add", "path": "/4", "value": 8},
    ]
    left, right = list(range(2000)), [*range(5, 2000, 2), -1]
    assert cd.patch(left, cd.diff(left, right)) == right


def test_digits_count() -> None:
    """In text, numbers are compared digit for digit as decimals: no two of these are one double's rounding."""
    found = cd.Document(b'[0.1, 1.0, 1e2, 12345678901234567890.1, "a"]').raw()[0]
    other = cd.Document(b'[0.10, 1, 100.0, 12345678901234567890.2, "\\u0061"]').raw()[0]
    assert [one["path"] for one in operations(Raw(found), Raw(other))] == ["/1", "/3"]


def test_what_is_not_json() -> None:
    """Dates, tuples and other values are compared and copied as Python has them; keys that are no text are refused."""
    left = {"when": date(2026, 1, 1), "pair": (1, 2), "set": {1}}
    assert cd.diff(left, cd.deepcopy(left)) == []
    assert [one["path"] for one in cd.diff(left, {**left, "pair": (1, True), "set": {2}})] == ["/pair/1", "/set"]
    with pytest.raises(cd.TypeMismatch):
        cd.flatten({1: 2})


def test_circles_are_refused() -> None:
    """A document that contains itself is an error, not a crash."""
    circle: dict[str, Any] = {}
    circle["self"] = circle
    other: dict[str, Any] = {"self": {"self": {}}}
    other["self"]["self"]["self"] = other
    for function in (cd.deepcopy, cd.flatten, partial(cd.merge, other), partial(cd.diff, other)):
        with pytest.raises(cd.LimitError):
            function(circle)


def test_unflatten_refuses_what_cannot_be() -> None:
    """Two values for one place, a leaf above a leaf, a hole in a list."""
    for leaves in ({"a": 1, "a.b": 2}, {"a.b": 2, "a": 1}, {"a[1]": 1}, {"a[0]": 1, "a.b": 1}):
        with pytest.raises(cd.ConflictError):
            cd.unflatten(leaves)


def test_functions_can_be_sent_to_other_processes() -> None:
    """getter, diff and merge pickle, errors too."""
    for function in (cd.getter("a.b"), cd.diff, partial(cd.merge, lists="append")):
        assert repr(pickle.loads(pickle.dumps(function))) == repr(function)
    error = pickle.loads(pickle.dumps(cd.PathError("text", path="a", nearest="b")))
    assert (str(error), error.path, error.nearest) == ("text", "a", "b")


def test_numbers_of_any_size_are_compared() -> None:
    """Integers beyond 64 bits, and values that no format knows, are equal or not as Python has it, types included."""
    left = [{"n": 2**70, "one": 1}, {"s": {1}, "o": ...}]
    assert cd.diff(left, [dict(one) for one in left]) == []
    assert cd.diff(left, [{**left[0], "one": True}, left[1]]) == [{"op": "replace", "path": "/0/one", "value": True}]


def test_long_lists_are_compared_in_stretches() -> None:
    """Wherever in a long list elements differ, in values and in pieces of JSON of another layout."""
    left = [{"n": number, "l": [number]} for number in range(1000)]
    right: Any = cd.deepcopy(left)
    for at in (0, 31, 32, 500, 999):
        right[at]["l"][0] = True
    where = [f"/{at}/l/0" for at in (0, 31, 32, 500, 999)]
    assert [one["path"] for one in cd.diff(left, right)] == where
    pieces = [Raw(msgspec.json.format(json.dumps(one), indent=at).encode()) for at, one in enumerate((left, right))]
    assert [one["path"] for one in operations(*pieces)] == where
