"""Transforms of records, as plain callables: ``map(omit("salt"), users)``.

Each takes a record, a dict, and returns a new one. The record that came is never changed; nested values that no path
leads into are shared by both (`copy.deepcopy` the record first if you will change them). A transform that returns None
leaves the record out of `through`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

from cb_map import paths
from cb_map.errors import MissingField

Record: TypeAlias = dict[str, Any]
Transform: TypeAlias = Callable[[Record], Record | None]
Missing: TypeAlias = Literal["null", "skip", "raise"]


class pick:  # noqa: N801  # used as a verb: map(pick("name"), users)
    """Keep only these paths: the safe way to hide things, because a new field stays out until it is named.

    Args:
        paths: as in ``"id"``, ``"user.name"``, ``"users.*.name"``; no ``**``. Fields come in this order.
        missing: for a path without wildcards that leads nowhere: ``"null"`` (the default) puts None there, so that all
            records look alike, ``"skip"`` leaves it out, ``"raise"`` raises `MissingField`.

    >>> pick("name")({"name": "svinci", "salt": "098u n4v04"})
    {'name': 'svinci'}
    >>> pick("id", "user.name", missing="skip")({"user": {"name": "a", "age": 3}})
    {'user': {'name': 'a'}}
    """

    def __init__(self, *paths_: str, missing: Missing = "null") -> None:
        _check(missing, "null", "skip", "raise")
        if any("**" in paths.parse(path) for path in paths_):
            raise ValueError("pick takes no ** (name the levels, or use omit)")
        self.paths: tuple[str, ...] = paths_
        self.missing: Missing = missing
        self._root = paths.tree(paths_)

    def __call__(self, record: Record, /) -> Record:
        selected: Record = self._select(record, self._root, "")
        return selected

    def _select(self, value: Any, node: paths.Node, above: str) -> Any:
        container = paths.opened(value)
        if container is None and above:
            if self.missing == "raise":
                raise MissingField(above + next(iter(node.exact), "*"))
            return None if self.missing == "null" else value
        found = dict(paths.members(container or {}))
        kept: Record = {}
        for name, below in node.exact.items():
            if name in found:
                kept[name] = found[name] if below.leaf else self._select(found[name], below, f"{above}{name}.")
            elif self.missing == "raise":
                raise MissingField(above + name)
            elif self.missing == "null":
                kept[name] = None
        for pattern, below in node.globs:
            for name, member in found.items():
                if name not in kept and pattern.match(name):
                    kept[name] = member if below.leaf else self._select(member, below, f"{above}{name}.")
        return list(kept.values()) if isinstance(container, list) else kept


class _Edits(ABC):
    """What omit, redact and rename have in common: paths, and what is done where they end."""

    def __init__(self, paths_: Iterable[str], missing: str) -> None:
        _check(missing, "skip", "raise")
        self.paths: tuple[str, ...] = tuple(paths_)
        self._state = paths.start(paths.tree(self.paths))
        self.demanding: bool = missing == "raise"
        self._demanded: list[str] = []
        if self.demanding:
            self._demanded = [path for path in self.paths if not any(map(paths.is_glob, paths.parse(path)))]

    def __call__(self, record: Record, /) -> Record:
        for path in self._demanded:
            if not paths.has(record, path):
                raise MissingField(path)
        edited: Record = paths.rewrite(record, self._state, self._edit)
        return edited

    @abstractmethod
    def _edit(self, path: str, name: str, value: Any) -> tuple[str, Any] | None:
        """What stands in the place of a value at the end of a path, see `paths.Edit`."""


class omit(_Edits):  # noqa: N801
    """Leave these paths out; what is not there is no error, unless ``missing="raise"``.

    >>> omit("salt", "hashed_password")({"name": "admin", "salt": "0198234nva"})
    {'name': 'admin'}
    >>> omit("**.*password*")({"users": [{"name": "a", "db_password": "x"}]})
    {'users': [{'name': 'a'}]}
    """

    def __init__(self, *paths_: str, missing: Literal["skip", "raise"] = "skip") -> None:
        super().__init__(paths_, missing)

    def _edit(self, path: str, name: str, value: Any) -> tuple[str, Any] | None:  # noqa: ARG002
        return None


class redact(_Edits):  # noqa: N801
    """Put *with_* in the place of what stands at these paths, whatever it is.

    >>> redact("card.number")({"id": 1, "card": {"number": "4111", "name": "A"}})
    {'id': 1, 'card': {'number': '***', 'name': 'A'}}
    """

    def __init__(self, *paths_: str, with_: object = "***", missing: Literal["skip", "raise"] = "skip") -> None:
        super().__init__(paths_, missing)
        self.with_: object = with_

    def _edit(self, path: str, name: str, value: Any) -> tuple[str, Any] | None:  # noqa: ARG002
        return name, self.with_


class rename(_Edits):  # noqa: N801
    """Give fields new names; they keep their place. A field that already has the new name is replaced.

    >>> rename({"product_id": "product", "price.amt": "amount"})({"product_id": 1, "price": {"amt": 2}})
    {'product': 1, 'price': {'amount': 2}}
    """

    def __init__(self, names: Mapping[str, str], *, missing: Literal["skip", "raise"] = "skip") -> None:
        super().__init__(names, missing)
        self.names: Mapping[str, str] = dict(names)

    def _edit(self, path: str, name: str, value: Any) -> tuple[str, Any] | None:  # noqa: ARG002
        return self.names[path], value


class compose:  # noqa: N801
    """One transform of several, first to last. Ends with None at the first that returns it.

    >>> compose(omit("salt"), rename({"name": "user"}))({"name": "admin", "salt": "x"})
    {'user': 'admin'}
    """

    def __init__(self, *transforms: Transform) -> None:
        self.transforms: tuple[Transform, ...] = transforms

    def __call__(self, record: Record, /) -> Record | None:
        result: Record | None = record
        for transform in self.transforms:
            if result is None:
                break
            result = transform(result)
        return result


def through(records: Iterable[Record], *transforms: Transform) -> Iterator[Record]:
    """Put each record through the transforms, lazily; leave out those for which one returns None.

    >>> list(through([{"n": 1}, {"n": 2}], lambda r: r if r["n"] > 1 else None))
    [{'n': 2}]
    """
    step = compose(*transforms)
    return (result for record in records if (result := step(record)) is not None)


def _check(policy: str, *known: str) -> None:
    if policy not in known:
        raise ValueError(f"missing is {policy!r} (choose {', '.join(known)})")
