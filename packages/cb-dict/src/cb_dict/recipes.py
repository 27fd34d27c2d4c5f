"""The chapter's recipes, corrected: each yields the lines that it prints. ``cb-dict recipes`` runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from cb_dict import (
    TypeMismatch,
    add,
    deepcopy,
    delete,
    get,
    has,
    items,
    keys,
    length,
    set_,
)

__all__ = ["RECIPES"]


def example() -> dict[str, Any]:
    """The dictionary that the recipes read and change."""
    return {
        "animals": ["dog", "cat", "fish"],
        "a_number": 1,
        "a_name": "Sebastian",
        "a_boolean": True,
        "another_dict": {"you could": "keep going", "like this": "forever"},
    }


def person() -> dict[str, Any]:
    """Three keys, in this order on every run."""
    return {"name": "Sebastian", "last_name": "Vinci", "age": 21}


def read() -> Iterator[str]:
    """Read values; a key that is missing raises, and the message says what is near."""
    document = example()
    yield str(get(document, "animals"))
    yield str(get(document, "a_number"))
    try:
        get(document, "this_one_does_not_exist")
    except KeyError as error:
        yield f"{type(error).__name__}: {error}"


def default() -> Iterator[str]:
    """Read with a default, and without."""
    document = example()
    for where in ("animals", "a_number"):
        yield str(get(document, where))
    try:
        get(document, "this_one_does_not_exist")
    except KeyError:
        yield "KeyError"
    for where in ("animals", "a_number"):
        yield str(get(document, where, "oops, key not found"))
    yield str(get(document, "this_one_does_not_exist", None))
    yield get(document, "this_one_does_not_exist", "oops, key not found")


def write() -> Iterator[str]:
    """Create, update, delete."""
    document = example()
    set_(document, "this_one_does_not_exist", "it exists now")
    yield get(document, "this_one_does_not_exist", "Key was not found")
    set_(document, "a_boolean", False)
    yield str(get(document, "a_boolean", "Key was not found"))
    delete(document, "this_one_does_not_exist")
    yield get(document, "this_one_does_not_exist", "Key was not found")


def membership() -> Iterator[str]:
    """Ask whether a key is there."""
    document = {"name": "Sebastian", "age": 21}
    for where in ("name", "age", "address"):
        yield str(get(document, where)) if has(document, where) else f"{where.title()} was not present"


def all_keys() -> Iterator[str]:
    """List the keys, and check how many there are."""
    document = {"name": "Sebastian", "age": 21}
    found = checked(keys(document), document)
    yield str(found)
    found.append("break the program plz")
    try:
        checked(found, document)
    except TypeMismatch as error:
        yield str(error)


def checked(found: list[str], document: dict[str, Any]) -> list[str]:
    """The keys that were found, if they are as many as there are."""
    if len(found) != length(document):
        raise TypeMismatch(f"expected {length(document)} keys. got {len(found)}")
    return found


def keys_values() -> Iterator[str]:
    """Keys with their values, in the order in which they were put in."""
    yield from (f"{key}: {value}" for key, value in items(person()))


def sorted_keys() -> Iterator[str]:
    """Keys with their values, sorted by key."""
    yield from (f"{key}: {value}" for key, value in items(person(), sort=True))


def pairs() -> Iterator[str]:
    """Pairs are tuples: what is in one cannot be replaced."""
    every: list[Any] = items(person())
    yield from (f"{key}: {value}" for key, value in every)
    try:
        every[0][0] = 1
    except TypeError as error:
        yield f"TypeError: {error}"


def update() -> Iterator[str]:
    """Sell a hundred: both counters change, or neither, and the stock never goes below nothing."""
    product = {"description": "WCG E-Book", "price": 2.75, "sold": 1500, "stock": 5700}

    def line() -> str:
        return ", ".join(f"{key}: {value}" for key, value in items(product, sort=True))

    yield line()
    for _ in range(100):
        add(product, {"sold": 1, "stock": -1}, minimum={"stock": 0})
    yield line()


def copying() -> Iterator[str]:
    """A copy shares what is nested; a deep copy shares nothing."""
    for copied in (dict.copy, deepcopy):
        me = {"name": {"first": "Sebastian", "last": "Vinci"}, "age": 21}
        clone = copied(me)
        set_(clone, "age", 22)
        yield f"my age: {get(me, 'age')}, my clone's age: {get(clone, 'age')}"
        set_(clone, "name.first", "Michael")
        yield f"my name: {get(me, 'name.first')}, my clone's name: {get(clone, 'name.first')}"


RECIPES: Final[dict[str, Callable[[], Iterator[str]]]] = {
    "read": read,
    "default": default,
    "write": write,
    "has": membership,
    "keys": all_keys,
    "items": keys_values,
    "sorted": sorted_keys,
    "pairs": pairs,
    "update": update,
    "copy": copying,
}
