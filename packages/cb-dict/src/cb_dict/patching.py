"""``patch``: apply a JSON Patch (RFC 6902), all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cb_dict.errors import ConflictError, PathError, PathSyntaxError, TypeMismatch, shown
from cb_dict.path import Path, index_of, path
from cb_dict.reading import MISSING, child, kind, missing
from cb_dict.same import same

__all__ = ["patch", "pointer"]


def patch(document: Any, operations: Iterable[Mapping[str, Any]]) -> Any:
    """A new document with the *operations* applied in order: add, remove, replace, move, copy, test.

    *document* is not changed: what is on the way to a change is copied, once, the rest is shared. Raises ``PathError``
    for a place that is not there, ``ConflictError`` for a ``test`` that fails, and ``TypeMismatch`` for what is no
    operation; the message starts with the operation's number.

    >>> d = {"a": [1, 2]}
    >>> patch(d, [{"op": "add", "path": "/a/-", "value": 3}, {"op": "remove", "path": "/a/0"}]), d
    ({'a': [2, 3]}, {'a': [1, 2]})
    """
    work = _Work(document)
    for number, operation in enumerate(operations):
        try:
            work.apply(operation)
        except (PathError, ConflictError, TypeMismatch, PathSyntaxError) as error:
            error.args = (f"operation {number}: {error}", *error.args[1:])
            raise
    return work.root


def pointer(operation: Mapping[str, Any], name: str = "path") -> Path:
    """The path that an operation names."""
    text = operation.get(name)
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise TypeMismatch(f"{name} is {shown(text)}, not a JSON pointer such as '/a/0' (RFC 6901)")
    return path(text)


class _Work:
    """A document that is being changed, and the containers in it that are ours already."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._ours: dict[int, Any] = {}

    def apply(self, operation: Any) -> None:
        name = operation.get("op") if isinstance(operation, dict) else None
        if name not in ("add", "remove", "replace", "move", "copy", "test"):
            raise TypeMismatch(
                f"{shown(operation)} is no operation (its op is add, remove, replace, move, copy or test)"
            )
        where = pointer(operation)
        if name in ("add", "replace", "test") and "value" not in operation:
            raise TypeMismatch(f"{name} needs a value")
        if name == "add":
            self._add(where, operation["value"])
        elif name == "remove":
            self._remove(where)
        elif name == "replace":
            self._found(where)
            self._put(where, operation["value"])
        elif name == "test":
            if not same(found := self._found(where), operation["value"]):
                raise ConflictError(f"{where.pointer()!r} is {shown(found)}, not {shown(operation['value'])}")
        else:
            self._carry(pointer(operation, "from"), where, move=name == "move")

    def _carry(self, source: Path, where: Path, *, move: bool) -> None:
        value = self._found(source)
        if move and where[: len(source)] == source:
            if where == source:
                return
            raise ConflictError(f"{source.pointer()!r} cannot be moved into itself")
        if move:
            self._remove(source)
        else:
            self._ours.clear()  # what is now in two places belongs to neither
        self._add(where, value)

    def _found(self, where: Path) -> Any:
        value = self.root
        for at, step in enumerate(where):
            below = child(value, step)
            if isinstance(value, (list, tuple)) and str(step).startswith("-"):
                raise PathError(f"{Path(where[: at + 1])}: {step} is no index of a JSON Patch", path=str(where))
            if below is MISSING:
                raise missing(value, Path(where[at:]), before=Path(where[:at]))
            value = below
        return value

    def _parent(self, where: Path) -> Any:
        """The container above *where*, ours to change."""
        self.root = parent = self._own(self.root)
        for at, step in enumerate(where[:-1]):
            below = self._own(self._found(Path(where[: at + 1])))
            parent[step if isinstance(parent, dict) else index_of(step)] = below
            parent = below
        return parent

    def _own(self, value: Any) -> Any:
        if id(value) not in self._ours and isinstance(value, (dict, list)):
            value = value.copy()
            self._ours[id(value)] = value
        return value

    def _put(self, where: Path, value: Any) -> None:
        if not where:
            self.root = value
            return
        parent = self._parent(where)
        parent[where[-1] if isinstance(parent, dict) else index_of(where[-1])] = value

    def _add(self, where: Path, value: Any) -> None:
        if not where:
            self.root = value
            return
        parent = self._parent(where)
        step = where[-1]
        if isinstance(parent, dict):
            parent[step] = value
        elif isinstance(parent, list):
            index = len(parent) if step == "-" else index_of(step)
            if index is None or not 0 <= index <= len(parent):
                raise missing(parent, Path((step,)), before=Path(where[:-1]))
            parent.insert(index, value)
        else:
            raise TypeMismatch(f"{Path(where[:-1]) or 'the document'} is {kind(parent)} and cannot hold {step!r}")

    def _remove(self, where: Path) -> None:
        self._found(where)
        if not where:
            raise PathError("the whole document cannot be removed")
        parent = self._parent(where)
        if isinstance(parent, dict):
            del parent[where[-1]]
        else:
            del parent[index_of(where[-1]) or 0]
