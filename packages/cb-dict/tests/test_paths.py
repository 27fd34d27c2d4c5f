"""The path language, and reading and writing by it."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from types import MappingProxyType
from typing import Any

import cb_dict as cd
import pytest
from cb_dict import EVERY, Path, path
from hypothesis import given
from hypothesis import strategies as st

STEPS = st.lists(st.text(max_size=4) | st.integers(-(10**17), 10**17) | st.just(EVERY), max_size=5)


@given(STEPS)
def test_a_path_prints_back(steps: list[Any]) -> None:
    """Whatever the keys: the text of a path parses to the same path, and prints the same."""
    made = Path(steps)
    assert path(str(made)) == made
    assert str(path(str(made))) == str(made)


@given(st.lists(st.text(max_size=4), max_size=4))
def test_a_pointer_prints_back(steps: list[str]) -> None:
    """The same of RFC 6901 pointers."""
    assert path(Path(steps).pointer()) == Path(steps)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("a..b", 3),
        (".a", 1),
        ("a.", 3),
        ("a[x]", 2),
        ("a]b", 2),
        ('a."x', 3),
        ('a"x"', 2),
        ("a[1]b", 5),
        ('"\\q"', 1),
        ("/a~2", 2),
    ],
)
def test_no_path(text: str, column: int) -> None:
    """What is no path is refused with the column."""
    with pytest.raises(cd.PathSyntaxError) as caught:
        path(text)
    assert caught.value.column == column


def test_steps_are_checked() -> None:
    """A tuple of steps may hold strings, integers and EVERY."""
    with pytest.raises(cd.PathSyntaxError, match="no step"):
        path((1.5,))  # type: ignore[arg-type]
    with pytest.raises(cd.PathSyntaxError, match="no pointer"):
        path("a[*]").pointer()


@pytest.mark.parametrize(
    ("document", "where", "found"),
    [
        ({"a": [10, 20]}, "a.1", 20),
        ({"a": [10, 20]}, "a.-1", 20),
        ({"a": {"1": "key"}}, "a.1", "key"),
        ({"a": {1: "number"}}, "a[1]", "number"),
        ({"a": (1, 2)}, "a[1]", 2),
        (MappingProxyType({"a": OrderedDict(b=1)}), "a.b", 1),
        ({"a": [{"b": 1}, {"b": 2}]}, "a[*].b", [1, 2]),
        ({"a": {"x": [1], "y": [2, 3]}}, "a[*][*]", [1, 2, 3]),
        ([], "", []),
    ],
)
def test_get(document: Any, where: str, found: Any) -> None:
    """Digits are an index on a list and a key on a dict; any mapping and sequence will do."""
    assert cd.get(document, where) == found
    assert pickle.loads(pickle.dumps(cd.getter(where)))(document) == found
    assert cd.has(document, where)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("a.b.c", "a.b is a string|no key|number"),
        ("a.l[2]", "a.l has 2 elements"),
        ("a.l.x", "a.l is a list"),
        ("a.e[0]", "empty list"),
        ("a.lisst", "did you mean list"),
        ("s[0]", "s is string, it has no keys"),
        ("a.d[*].x", "a.d.q.x"),
        ("o.x", "it is empty"),
    ],
)
def test_misses_say_what_is_there(where: str, words: str) -> None:
    """The error names the step that failed, and what is there instead."""
    document = {"a": {"l": [1, 2], "e": [], "list": 1, "d": {"q": {}}, "b": 1}, "s": "text", "o": {}}
    with pytest.raises(cd.PathError, match=words):
        cd.get(document, where)
    assert not cd.has(document, where)
    assert cd.get(document, where, 5) in (5, [5])


def test_many_paths_are_compiled() -> None:
    """More paths than are kept work all the same."""
    document = {str(number): number for number in range(5000)}
    assert [cd.get(document, f'"{number}"') for number in range(5000)] == list(range(5000))
    assert repr(cd.getter("a[0]")) == "getter('a[0]')"
    assert repr(path("a[0]")) == "Path('a[0]')"


@pytest.mark.parametrize("where", ["x.y[0]", "l[9]", "l.x", "s.x", "[*]", "", "l[0].x", "t[0]", "f.x"])
def test_what_cannot_be_set_changes_nothing(where: str) -> None:
    """Places that cannot be made raise, before anything has changed."""
    document = {"l": [1], "s": "text", "t": (1,), "f": MappingProxyType({})}
    with pytest.raises((cd.PathError, cd.TypeMismatch)):
        cd.set_(document, where, 5)
    assert document == {"l": [1], "s": "text", "t": (1,), "f": MappingProxyType({})}
    with pytest.raises(cd.PathError):
        cd.set_({}, "a.b", 1, create=False)


def test_delete() -> None:
    """What is deleted is returned; what is not there raises, or is passed over."""
    document = {"a": {"b": [1, 2]}, "t": (1,)}
    assert cd.delete(document, "a.b[-1]") == 2
    assert cd.delete(document, "a.x", missing_ok=True) is cd.MISSING
    with pytest.raises(cd.PathError):
        cd.delete(document, "a.x")
    with pytest.raises(cd.TypeMismatch, match="tuple"):
        cd.delete(document, "t[0]")
    assert document == {"a": {"b": [1]}, "t": (1,)}


def test_add_is_exact_and_undone() -> None:
    """Decimals add up as they print; when one place cannot be written, none is."""
    document: dict[str, Any] = {"a": 0.1, "l": [1]}
    assert cd.add(document, {"a": 0.2}) == {"a": 0.3}
    with pytest.raises(cd.PathError):
        cd.add(document, {"a": 1, "n": 1, "l[5]": 1})
    assert document == {"a": 0.3, "l": [1]}
    with pytest.raises(cd.LimitError, match="above its maximum"):
        cd.add(document, {"a": 1}, maximum={"a": 1})


def test_questions_of_what_has_no_members() -> None:
    """A string has no keys, a number no length; a list of one has indexes."""
    with pytest.raises(cd.TypeMismatch, match="a is number"):
        cd.keys({"a": 1}, "a")
    with pytest.raises(cd.TypeMismatch, match="no length"):
        cd.length({"a": 1}, "a")
    assert cd.values([5], sort=True) == [5]
