"""Transforms of records."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from cb_map import Incomparable, MissingField, attach, compose, latest, omit, pick, redact, rename, through
from hypothesis import given
from hypothesis import strategies as st

RECORD: dict[str, Any] = {
    "id": 1,
    "user": {"name": "a", "salt": "s"},
    "keys": [{"token": "t1", "host": "h"}, {"token": "t2"}],
    "a.b": 5,
}


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        (pick("user.name", "id"), {"user": {"name": "a"}, "id": 1}),
        (pick("keys.*.host"), {"keys": [{"host": "h"}, {"host": None}]}),
        (pick("keys.*.host", missing="skip"), {"keys": [{"host": "h"}, {}]}),
        (pick("keys.0"), {"keys": [{"token": "t1", "host": "h"}]}),
        (pick("u*"), {"user": {"name": "a", "salt": "s"}}),
        (pick(r"a\.b"), {"a.b": 5}),
        (pick("id.deeper"), {"id": None}),
        (pick("id.deeper", missing="skip"), {"id": 1}),
        (pick("no.such"), {"no": None}),
        (omit("user.salt", "keys", r"a\.b"), {"id": 1, "user": {"name": "a"}}),
        (omit("keys.1", "user", "a?b"), {"id": 1, "keys": [{"token": "t1", "host": "h"}]}),
        (omit("**.token", "user", r"a\.b", "id"), {"keys": [{"host": "h"}, {}]}),
        (omit("**.*", "nothing.at.all"), {}),
        (omit("**.host", "**.token", "id", r"a\.b", "user"), {"keys": [{}, {}]}),
        (redact("keys.*.token", "user", r"a\.b"), {
            "id": 1, "user": "***", "keys": [{"token": "***", "host": "h"}, {"token": "***"}], "a.b": "***",
        }),
        (rename({"id": "nr", "user.name": "login", "keys": "k", r"a\.b": "c"}), {
            "nr": 1, "user": {"login": "a", "salt": "s"}, "k": RECORD["keys"], "c": 5,
        }),
        (rename({"id": "user", "keys": "a.b"}), {"user": 1, "a.b": RECORD["keys"]}),
        (rename({"id": "id"}), RECORD),
    ],
)  # fmt: skip
def test_paths_lead_where_they_say(transform: Any, expected: dict[str, Any]) -> None:
    """And the record that came is as it was; fields keep their order."""
    before = copy.deepcopy(RECORD)
    made = transform(RECORD)
    assert made == expected
    assert list(made) == list(expected)
    assert before == RECORD


@pytest.mark.parametrize(
    "transform",
    [pick("id", "user.age", missing="raise"), pick("id.deeper", missing="raise"), pick("nope.x", missing="raise"),
     omit("id", "user.age", missing="raise"), redact("keys.7", missing="raise"),
     rename({"id.x": "y"}, missing="raise")],
)  # fmt: skip
def test_absent_fields_can_be_errors(transform: Any) -> None:
    """They name the path."""
    with pytest.raises(MissingField, match="no field"):
        transform(RECORD)


def test_present_fields_are_no_errors() -> None:
    """Through objects and arrays; wildcards demand nothing."""
    assert omit("id", "user", "keys.1.token", "*zzz*", r"a\.b", missing="raise")(RECORD) == {
        "keys": [{"token": "t1", "host": "h"}, {}]
    }


@pytest.mark.parametrize("path", ["", "a..b", ".a", "a.", "a.**"])
def test_a_path_that_cannot_be_is_refused(path: str) -> None:
    """At the call."""
    with pytest.raises(ValueError, match=r"path|ends in"):
        omit(path)


def test_policies_that_cannot_be_are_refused() -> None:
    """At the call, with those that there are."""
    wrong: Any = "maybe"
    with pytest.raises(ValueError, match="choose null, skip, raise"):
        pick("a", missing=wrong)
    with pytest.raises(ValueError, match="choose skip, raise"):
        omit("a", missing=wrong)
    with pytest.raises(ValueError, match="choose null, keep, skip, raise"):
        attach({}, key="a", into="b", missing=wrong)
    with pytest.raises(ValueError, match=r"takes no \*\*"):
        pick("**.a")


def test_any_depth_is_any_depth() -> None:
    """Below names that match nothing, and more than once."""
    assert omit("**.a")({"a": 0, "b": {"b": {"a": 0, "c": {"a": 1}}}}) == {"b": {"b": {"c": {}}}}


def test_compose_ends_at_none() -> None:
    """What one leaves out, the next does not see."""
    seen: list[Any] = []
    assert compose(lambda _: None, seen.append)({}) is None
    assert seen == []
    assert list(through([{"a": 1}, {"b": 2}], rename({"a": "c"}), omit("b"))) == [{"c": 1}, {}]


def test_latest_reads_iso_dates_as_moments() -> None:
    """With and without Z, offsets and fractions; other strings compare as strings."""
    rows = [{"k": 1, "on": "2016-02-05T01:00:00+02:00"}, {"k": 1, "on": "2016-02-04T23:30:00Z"}]
    assert latest(rows, by="k", on="on", iso=True) == {1: rows[1]}
    assert latest(rows, by="k", on="on") == {1: rows[0]}
    words = [{"k": 1, "on": "b"}, {"k": 1, "on": "a"}]
    assert latest(words, by="k", on="on", iso=True) == {1: words[0]}
    with pytest.raises(Incomparable):
        latest([*rows, {"k": 1, "on": "2016-02-05"}], by="k", on="on", iso=True)


def test_latest_wants_its_fields() -> None:
    """A row without one is named, and a key must be one."""
    with pytest.raises(MissingField, match="'on'"):
        latest([{"k": 1}], by="k", on="on")
    with pytest.raises(Incomparable, match="no key"):
        latest([{"k": [1], "on": 1}], by="k", on="on")


NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner))
RECORDS = st.dictionaries(NAMES, VALUES)
PATHS = st.lists(st.lists(st.sampled_from(["a", "b", "*", "**", "0"]), min_size=1, max_size=3), max_size=3)


def removed(value: Any, paths: list[list[str]]) -> Any:
    """What omit does, said slowly: every place is compared with every path."""

    def matches(place: list[str], path: list[str]) -> bool:
        if not path:
            return not place
        if path[0] == "**":
            return matches(place, path[1:]) or bool(place and matches(place[1:], path))
        return bool(place) and path[0] in {"*", place[0]} and matches(place[1:], path[1:])

    def walk(value: Any, place: list[str]) -> Any:
        if isinstance(value, dict):
            return {
                name: walk(one, [*place, name])
                for name, one in value.items()
                if not any(matches([*place, name], path) for path in paths)
            }
        if isinstance(value, list):
            return [
                walk(one, [*place, str(at)])
                for at, one in enumerate(value)
                if not any(matches([*place, str(at)], path) for path in paths)
            ]
        return value

    return walk(value, [])


@given(record=RECORDS, paths=PATHS)
def test_omit_is_what_it_says_for_all_paths(record: dict[str, Any], paths: list[list[str]]) -> None:
    """Against a slow one that compares every place with every path."""
    paths = [path for path in paths if path[-1] != "**"]
    assert omit(*(".".join(path) for path in paths))(record) == removed(record, paths)


def test_dates_are_not_touched() -> None:
    """Values are whatever they are."""
    when = datetime(2016, 1, 1, tzinfo=UTC)
    assert pick("on")({"on": when}) == {"on": when}
