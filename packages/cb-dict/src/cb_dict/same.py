"""Equality as JSON means it: ``1``, ``1.0`` and ``True`` are three values, in whatever depth they stand."""

from __future__ import annotations

from typing import Any

__all__ = ["same"]


def same(left: Any, right: Any) -> bool:
    """Whether two documents are equal, types included. The order of keys does not count.

    >>> same({"a": [1]}, {"a": [1]}), same({"a": [1]}, {"a": [True]}), same(1, 1.0)
    (True, False, False)
    """
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        if len(left) != len(right):
            return False
        return all(key in right and same(value, right[key]) for key, value in left.items())
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)
