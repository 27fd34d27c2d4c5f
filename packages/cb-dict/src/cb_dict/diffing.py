"""The operations of RFC 6902 that turn one document into another.

Values may be Python's or ``Raw`` pieces of JSON; a Raw is opened only where its bytes differ from its counterpart's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import msgspec

from cb_dict.errors import LimitError, TypeMismatch
from cb_dict.raw import Raw, decoded, first, opened, same_scalar
from cb_dict.same import same

__all__ = ["Op", "diff", "operations"]

Op: TypeAlias = dict[str, Any]
_ALIGNED: Final = 250_000  # so many pairs of list elements are compared to align what has moved
_STRETCH: Final = 32  # so many elements of two lists are compared at once
_packed: Final = msgspec.msgpack.Encoder().encode
_ATOMS: Final = frozenset({str, int, float, bool, type(None)})


def diff(left: Any, right: Any) -> list[Op]:
    """Find the JSON Patch (RFC 6902) that turns *left* into *right*.

    ``patch(left, diff(left, right))`` is *right*. Types count: ``1``, ``1.0`` and ``True`` are three values. Lists
    are compared from both ends; what is between is aligned if it is at most some 500 elements on each side, and
    compared index by index if it is more. Dicts need text keys. The cost is one pass over both where they are
    equal.

    >>> diff({"a": [1, 2, 3], "b": 1}, {"a": [1, 3], "b": True})
    [{'op': 'remove', 'path': '/a/1'}, {'op': 'replace', 'path': '/b', 'value': True}]
    """
    return list(operations(left, right))


def operations(left: Any, right: Any) -> Iterator[Op]:
    """The same one by one, for pieces of JSON too."""
    try:
        yield from _between(left, right, "")
    except RecursionError as error:
        raise LimitError("nested too deep to compare (does it contain itself?)") from error


def _between(left: Any, right: Any, where: str) -> Iterator[Op]:
    if _equal(left, right):
        return
    both = isinstance(left, Raw) and isinstance(right, Raw)
    if both and first(left) not in b"{[" and first(right) not in b"{[":
        if not same_scalar(left, right):
            yield {"op": "replace", "path": where, "value": right}
        return
    old = opened(left) if isinstance(left, Raw) else left
    new = opened(right) if isinstance(right, Raw) else right
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _dicts(old, new, where)
    elif isinstance(old, (list, tuple)) and type(old) is type(new):
        yield from _lists(old, new, where)
    else:
        yield {"op": "replace", "path": where, "value": right}


def _dicts(old: dict[Any, Any], new: dict[Any, Any], where: str) -> Iterator[Op]:
    for key, value in old.items():
        if key not in new:
            yield {"op": "remove", "path": f"{where}/{_token(key)}"}
            continue
        other = new[key]
        kind = type(value)
        if value is other or (kind in _ATOMS and kind is type(other) and value == other):
            continue
        yield from _between(value, other, f"{where}/{_token(key)}")
    if len(new) != len(old) or new.keys() != old.keys():
        for key, value in new.items():
            if key not in old:
                yield {"op": "add", "path": f"{where}/{_token(key)}", "value": value}


def _lists(old: Any, new: Any, where: str) -> Iterator[Op]:
    start = _alike(old, new)
    end = _alike(old[start:][::-1], new[start:][::-1])
    old, new = old[start : len(old) - end], new[start : len(new) - end]
    shift = start
    for old_from, old_to, new_from, new_to in _aligned(old, new):
        at = old_from + shift
        pairs = min(old_to - old_from, new_to - new_from)
        for step in _unequal(old[old_from : old_from + pairs], new[new_from : new_from + pairs]):
            yield from _between(old[old_from + step], new[new_from + step], f"{where}/{at + step}")
        for step in reversed(range(pairs, old_to - old_from)):
            yield {"op": "remove", "path": f"{where}/{at + step}"}
        for step in range(pairs, new_to - new_from):
            yield {"op": "add", "path": f"{where}/{at + step}", "value": new[new_from + step]}
        shift += (new_to - new_from) - (old_to - old_from)


def _aligned(old: Any, new: Any) -> list[tuple[int, int, int, int]]:
    """Stretches that belong together."""
    if not old or not new or len(old) * len(new) > _ALIGNED or len(old) == len(new) == 1:
        return [(0, len(old), 0, len(new))]
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(None, [_key(one) for one in old], [_key(one) for one in new], autojunk=False)
    return [(a, b, c, d) for _, a, b, c, d in matcher.get_opcodes()]


def _key(value: Any) -> str:
    return repr(decoded(value) if isinstance(value, Raw) else value)


def _alike(old: Any, new: Any) -> int:
    """How many elements from the start need no operation."""
    for at in _unequal(old, new):
        if not isinstance(old[at], Raw) or any(True for _ in _between(old[at], new[at], "")):
            return at
    return min(len(old), len(new))


def _unequal(old: Any, new: Any) -> Iterator[int]:
    """Where elements are not the same for sure, as far as both lists go. Equal stretches are compared at once."""
    for start in range(0, min(len(old), len(new)), _STRETCH):
        one, two = old[start : start + _STRETCH], new[start : start + _STRETCH]
        if not _equal(one, two):
            for at, (left, right) in enumerate(zip(one, two, strict=False), start):
                if not _equal(left, right):
                    yield at


def _equal(left: Any, right: Any) -> bool:
    """Whether two values are the same for sure; two Raws that are not the same bytes may be all the same."""
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    if type(left) in _ATOMS or isinstance(left, Raw) or left != right:
        return bool(left == right)
    if type(left) is list and left and isinstance(left[0], Raw):
        return True
    try:
        return _packed(left) == _packed(right) or same(left, right)  # 1 == True, but not their MessagePack
    except (TypeError, ValueError, OverflowError):
        return same(left, right)


def _token(key: object) -> str:
    if not isinstance(key, str):
        raise TypeMismatch(f"the key {key!r} has no JSON pointer: only text keys can be compared")
    return key.replace("~", "~0").replace("/", "~1")
