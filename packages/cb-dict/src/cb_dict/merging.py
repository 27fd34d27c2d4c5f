"""Merging documents: ``merge`` to a new one, ``merge_into`` an old one, ``merge_patch`` (RFC 7396)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from cb_dict.copying import deepcopy
from cb_dict.errors import ConflictError, LimitError, shown
from cb_dict.path import Path
from cb_dict.same import same

__all__ = ["Conflict", "Lists", "merge", "merge_into", "merge_patch"]

Lists: TypeAlias = Literal["replace", "append", "union", "index"] | Callable[[list[Any], list[Any]], list[Any]]
Conflict: TypeAlias = Literal["right", "left", "error"]


def merge(left: Any, right: Any, *more: Any, lists: Lists = "replace", conflict: Conflict = "right") -> Any:
    """A new document with everything of both: dicts are merged key by key, as deep as both are dicts.

    *lists*: ``replace`` takes the right one, ``append`` puts it after the left one, ``union`` appends what is not there
    yet, ``index`` merges element by element; or a function of both. *conflict* says what holds where both have another
    value: the ``right`` one, the ``left`` one, or ``ConflictError``.

    The inputs are not changed. Only dicts on the way to a change are copied, the rest is shared with the inputs: use
    ``deepcopy`` first, or ``merge_into``, if you mean to change what comes out.

    >>> merge({"a": {"x": 1}, "l": [1]}, {"a": {"y": 2}, "l": [2]}, lists="append")
    {'a': {'x': 1, 'y': 2}, 'l': [1, 2]}
    """
    join = _joiner(lists, conflict)
    try:
        for one in (right, *more):
            left = join(left, one, ())
    except RecursionError as error:
        raise LimitError("nested too deep to merge (does it contain itself?)") from error
    return left


def merge_into(left: dict[Any, Any], right: Any, *, lists: Lists = "replace", conflict: Conflict = "right") -> None:
    """The same in the dict *left* itself, which afterwards shares nothing with *right*. All or nothing.

    >>> settings = {"db": {"port": 5432}}
    >>> merge_into(settings, {"db": {"host": "h"}})
    >>> settings
    {'db': {'port': 5432, 'host': 'h'}}
    """
    merged = merge(left, deepcopy(right), lists=lists, conflict=conflict)
    if not isinstance(merged, dict):
        raise ConflictError(f"a document that is {shown(right)} cannot be merged into a dict")
    left.update(merged)


def merge_patch(document: Any, change: Any) -> Any:
    """RFC 7396: a new document with the keys of *change* set, and those that are ``None`` in it removed.

    >>> merge_patch({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"d": 3}})
    {'b': {'c': 2, 'd': 3}}
    """
    if not isinstance(change, dict):
        return change
    made = dict(document) if isinstance(document, dict) else {}
    for key, value in change.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merge_patch(made.get(key), value)
    return made


def _joiner(lists: Lists, conflict: Conflict) -> _Join:
    if not (callable(lists) or lists in ("replace", "append", "union", "index")):
        raise ValueError(f"lists={lists!r}: it is 'replace', 'append', 'union', 'index' or a function of two lists")
    if conflict not in ("right", "left", "error"):
        raise ValueError(f"conflict={conflict!r}: it is 'right', 'left' or 'error'")
    return _Join(lists, conflict)


class _Join:
    """The rules of one merge, applied from the top down."""

    def __init__(self, lists: Lists, conflict: Conflict) -> None:
        self._lists = lists
        self._conflict = conflict

    def __call__(self, left: Any, right: Any, where: tuple[Any, ...]) -> Any:
        if left is right:
            return left
        if isinstance(left, dict) and isinstance(right, dict):
            return self._dicts(left, right, where)
        if self._lists != "replace" and isinstance(left, list) and isinstance(right, list):
            return self._joined(left, right, where)
        if self._conflict == "right" or same(left, right):
            return right
        if self._conflict == "left":
            return left
        raise ConflictError(f"{Path(where) or 'the document'}: {shown(left)} here, {shown(right)} there")

    def _dicts(self, left: dict[Any, Any], right: dict[Any, Any], where: tuple[Any, ...]) -> dict[Any, Any]:
        made = left
        for key, new in right.items():
            if key not in left:
                value = new
            elif (value := self(left[key], new, (*where, key))) is left[key]:
                continue
            if made is left:
                made = left.copy()
            made[key] = value
        return made

    def _joined(self, left: list[Any], right: list[Any], where: tuple[Any, ...]) -> list[Any]:
        if callable(self._lists):
            return self._lists(left, right)
        if self._lists == "append":
            return left + right
        if self._lists == "index":
            both = zip(left, right, strict=False)
            pairs = [self(old, new, (*where, at)) for at, (old, new) in enumerate(both)]
            return pairs + left[len(pairs) :] + right[len(pairs) :]
        made = list(left)
        for new in right:
            if not any(same(old, new) for old in made):
                made.append(new)
        return made
