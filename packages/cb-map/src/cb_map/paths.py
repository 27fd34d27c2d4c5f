r"""Paths into records: ``user.name``, ``users.*.salt``, ``*password*``, ``**.token``.

A dot goes one level down, into an object by name or into an array by number; ``\.`` is a dot in a name. ``*`` and
``?`` match within a name, ``**`` matches any number of levels, none included. Paths are merged into one tree, so that
a record is walked once however many there are.

Values may be `msgspec.Raw`, as the command reads them: those are opened only where a path leads into them, so that what
no path touches keeps its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import translate
from functools import lru_cache
from typing import Any

_DOT = re.compile(r"(?<!\\)\.")


class Node:
    """A place in the tree of paths."""

    __slots__ = ("any_depth", "exact", "globs", "leaf")

    def __init__(self) -> None:
        self.exact: dict[str, Node] = {}
        self.globs: list[tuple[re.Pattern[str], Node]] = []
        self.any_depth: bool = False
        """A ``**``: also matches where it stands, however deep."""
        self.leaf: str | None = None
        """The path that ends here."""


def parse(path: str) -> list[str]:
    """The names in a path; raises ValueError for an empty one."""
    parts = _DOT.split(path)
    if not all(parts):
        raise ValueError(f"{path!r} is no path (names joined by single dots; \\. is a dot in a name)")
    return parts


def unescape(part: str) -> str:
    """The name that a part without wildcards stands for."""
    return part.replace("\\.", ".")


def is_glob(part: str) -> bool:
    """Whether a part may match several names."""
    return "*" in part or "?" in part


def tree(paths: Iterable[str]) -> Node:
    """The root of the tree of *paths*."""
    root = Node()
    for path in paths:
        node = root
        for part in parse(path):
            node = _child(node, part)
        if node.any_depth:
            raise ValueError(f"{path!r} ends in ** (say which name: **.name)")
        node.leaf = path
    return root


def _child(node: Node, part: str) -> Node:
    if not is_glob(part):
        return node.exact.setdefault(unescape(part), Node())
    child = Node()
    child.any_depth = part == "**"
    node.globs.append((re.compile(translate(unescape(part))), child))
    return child


State = tuple[Node, ...]


def start(root: Node) -> State:
    """Where a walk begins."""
    return _widen((root,))


def _widen(nodes: Iterable[Node]) -> State:
    """A ``**`` also stands for no level at all."""
    found: list[Node] = []
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += [child for _, child in node.globs if child.any_depth]
    return tuple(found)


@lru_cache(maxsize=4096)  # the same few names come again and again
def step(state: State, name: str) -> tuple[str | None, State]:
    """Go down to *name*: the path that ends there, if one does, and where paths go on."""
    after: list[Node] = []
    for node in state:
        if node.any_depth:
            after.append(node)
        if name in node.exact:
            after.append(node.exact[name])
        after += [child for pattern, child in node.globs if not child.any_depth and pattern.match(name)]
    leaf = next((node.leaf for node in after if node.leaf is not None), None)
    return leaf, _widen(after)


def opened(value: Any) -> dict[str, Any] | list[Any] | None:
    """The parts of an object or array, one level of it; None for anything else."""
    if isinstance(value, dict | list):
        return value  # pyright: ignore[reportUnknownVariableType]
    if type(value).__name__ == "Raw":
        from cb_map.codec import split

        return split(value)
    return None


def plain(value: Any) -> Any:
    """The value itself, where it is still in its bytes."""
    if type(value).__name__ == "Raw":
        from cb_map.codec import decode_value

        return decode_value(value)
    return value


def members(value: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of what `opened` gave."""
    return iter(value.items()) if isinstance(value, dict) else ((str(i), one) for i, one in enumerate(value))


Edit = Callable[[str, str, Any], tuple[str, Any] | None]
"""What to do at the end of a path: (path, name, value) to the new name and value, or None to leave the member out."""


def rewrite(value: Any, state: State, edit: Edit) -> Any:
    """A copy of *value*, edited where paths end. What no path leads into is shared, not copied."""
    container = opened(value)
    if container is None:
        return value
    if isinstance(container, dict) and len(state) == 1 and not state[0].globs and not state[0].any_depth:
        return _rewrite_named(container, state[0], edit)
    kept: list[tuple[str, Any]] = []
    for name, member in members(container):
        leaf, below = step(state, name)
        if leaf is not None:
            edited = edit(leaf, name, member)
            if edited is not None:
                kept.append(edited)
        else:
            kept.append((name, rewrite(member, below, edit) if below else member))
    return dict(kept) if isinstance(container, dict) else [member for _, member in kept]


def _rewrite_named(container: dict[str, Any], node: Node, edit: Edit) -> dict[str, Any]:
    """`rewrite` where no wildcard makes it look at every name."""
    copy = dict(container)
    for name, below in node.exact.items():
        if name not in copy:
            continue
        if below.leaf is None:
            copy[name] = rewrite(copy[name], (below,) if not below.globs else start(below), edit)
            continue
        edited = edit(below.leaf, name, copy[name])
        if edited is None:
            del copy[name]
        elif edited[0] == name:
            copy[name] = edited[1]
        else:  # a new name in the old place
            copy = dict(edited if old == name else (old, member) for old, member in copy.items() if old != edited[0])
    return copy


def has(value: Any, path: str) -> bool:
    """Whether a path without wildcards leads to something."""
    for part in parse(path):
        container = opened(value)
        if isinstance(container, dict) and unescape(part) in container:
            value = container[unescape(part)]
        elif isinstance(container, list) and part.isdecimal() and int(part) < len(container):
            value = container[int(part)]
        else:
            return False
    return True
