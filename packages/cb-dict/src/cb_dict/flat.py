"""One level instead of many: ``flatten`` and ``unflatten``."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from cb_dict.errors import ConflictError, LimitError, TypeMismatch
from cb_dict.path import Path, path
from cb_dict.reading import is_list

__all__ = ["flatten", "unflatten"]


def flatten(document: Any) -> dict[str, Any]:
    """Every leaf by its path; empty dicts and lists are leaves. ``unflatten`` makes the document again.

    >>> flatten({"a": {"b": [1, {"c": 2}]}, "e": {}})
    {'a.b[0]': 1, 'a.b[1].c': 2, 'e': {}}
    """
    found: dict[str, Any] = {}
    waiting: list[tuple[Path, Any]] = [(Path(), document)]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, Mapping) and value:
            below = [(where / _text(key, where), one) for key, one in value.items()]
        elif is_list(value) and value:
            below = [(where / index, one) for index, one in enumerate(value)]
        else:
            found[str(where)] = value
            continue
        if len(where) > 10_000:
            raise LimitError("nested more than 10,000 deep (is it a dict that contains itself?)")
        waiting.extend(reversed(below))
    return found


def unflatten(leaves: Mapping[str, Any]) -> Any:
    """The document of which *leaves* are the leaves: ``[0]`` makes lists, other steps dicts.

    Indexes of a list must all be there, in any order. ``ConflictError`` where two paths cannot both be.

    >>> unflatten({"a.b[1]": 2, "a.b[0]": 1, "c": {}})
    {'a': {'b': [1, 2]}, 'c': {}}
    """
    root: dict[Any, Any] = {}
    for text, value in leaves.items():
        node = root
        steps = (None, *path(text))
        for step, after in itertools.pairwise(steps):
            node = node.setdefault(step, _Node())
            if not isinstance(node, _Node) or (node and isinstance(next(iter(node)), int) != isinstance(after, int)):
                raise ConflictError(f"{text}: what is above it is something else already")
        if steps[-1] in node:
            raise ConflictError(f"{text}: it is there already")
        node[steps[-1]] = value
    return _built(root.get(None, {}), Path())


class _Node(dict[Any, Any]):
    """A container of which it is not said yet whether it is complete."""


def _built(node: Any, where: Path) -> Any:
    if not isinstance(node, _Node):
        return node
    made = {step: _built(value, where / step) for step, value in node.items()}
    if not isinstance(next(iter(made)), int):
        return made
    if lacking := set(range(len(made))) - made.keys():
        raise ConflictError(f"{where / min(lacking)}: it is not there, but later elements are")
    return [made[index] for index in range(len(made))]


def _text(key: object, where: Path) -> str:
    if isinstance(key, str):
        return key
    raise TypeMismatch(f"{where or 'the document'} has the key {key!r}: only text keys have paths that lead back")
