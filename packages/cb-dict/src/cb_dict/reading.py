"""Reading by path: ``get``, ``getter``, ``has``, ``keys``, ``values``, ``items``, ``length``.

A path is compiled once to a function of plain subscripts that looks at the exact types ``dict`` and ``list``; whatever
else it meets (another mapping, a miss, ``[*]``) is left to ``walk``, which is slow and careful. So nothing here ever
calls ``__missing__``: looking into a ``defaultdict`` adds no key.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self, TypeGuard

from cb_dict.errors import PathError, TypeMismatch, shown
from cb_dict.path import EVERY, Path, PathLike, Step, index_of, path

__all__ = ["MISSING", "Getter", "Missing", "get", "getter", "has", "items", "keys", "length", "values"]


class Missing(enum.Enum):
    """The type of ``MISSING``."""

    MISSING = "nothing there"


MISSING: Final = Missing.MISSING
_KEPT: Final = 4096
_TOP: Final = Path()
_ABSENT: Final = object()  # a default that no document holds


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether *value* is a list for a path: a sequence, but no text and no bytes."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview))


def child(value: Any, step: Step) -> Any:
    """What is one *step* down, or ``MISSING``."""
    if isinstance(value, Mapping):
        return value.get(step, MISSING)
    if is_list(value) and (index := index_of(step)) is not None and -len(value) <= index < len(value):
        return value[index]
    return MISSING


def walk(document: Any, steps: Path, default: Any, before: Path = _TOP) -> Any:
    """What is at *steps*, whatever the types; with ``[*]``, the list of all that is there. *before* is for messages."""
    if EVERY in steps:
        return _every(document, steps, default, before)
    for at, step in enumerate(steps):
        below = child(document, step)
        if below is MISSING:
            if default is MISSING:
                raise missing(document, Path(steps[at:]), before=Path((*before, *steps[:at])))
            return default
        document = below
    return document


def _every(document: Any, steps: Path, default: Any, before: Path) -> Any:
    at = steps.index(EVERY)
    holder = walk(document, Path(steps[:at]), MISSING if default is MISSING else _ABSENT, before)
    if holder is _ABSENT:
        return default
    before, rest = Path((*before, *steps[:at])), Path(steps[at + 1 :])
    pairs = items_of(holder, before)
    found = [one for _, value in pairs for one in _matches(value, rest, default)]
    if pairs and not found:  # a typo, or lists that are all empty
        walk(pairs[0][1], rest, MISSING, before / pairs[0][0])
    return found


def _matches(value: Any, steps: Path, default: Any) -> list[Any]:
    for at, step in enumerate(steps):
        if step is EVERY:
            rest = Path(steps[at + 1 :])
            members = value.values() if isinstance(value, Mapping) else value if is_list(value) else None
            if members is not None:
                return [one for member in members for one in _matches(member, rest, default)]
            value = MISSING
        else:
            value = child(value, step)
        if value is MISSING:
            return [] if default is MISSING else [default]
    return [value]


def missing(document: Any, rest: Path, *, before: Path) -> PathError:
    """The error for *rest*, which is not in *document*, itself found at *before*."""
    for step in rest:
        if step is EVERY or (below := child(document, step)) is MISSING:
            break
        document, before = below, before / step
    else:  # pragma: no cover  # called only where something is missing
        step = ""
    where = str(before) or "the document"
    full = str(before / step)
    if isinstance(document, Mapping):
        near = nearest(str(step), [key for key in document if isinstance(key, str)])
        hint = f" (did you mean {Path((near,))}?)" if near else _some(document)
        return PathError(f"{full}: no key {step!r} in {where}{hint}", path=full, nearest=near)
    if is_list(document):
        what = f"{where} has {len(document)} elements" if index_of(step) is not None else f"{where} is a list"
        return PathError(
            f"{full}: {what} (take [0] to [{len(document) - 1}])" if document else f"{full}: {where} is an empty list",
            path=full,
        )
    return PathError(f"{full}: {where} is {kind(document)}, it has no keys", path=full)


def nearest(key: str, keys: Sequence[str]) -> str | None:
    """The one of *keys* that is spelt most like *key*, if one is close."""
    import difflib

    found = difflib.get_close_matches(key, keys[:10_000], 1)
    return found[0] if found else None


def kind(value: object) -> str:
    """The JSON name of a value's type: object, array, string, number, boolean, null; else the Python name."""
    if isinstance(value, Mapping):
        return "object"
    if is_list(value):
        return "array"
    names = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return next((name for base, name in names.items() if isinstance(value, base)), type(value).__name__)


def _some(document: Mapping[Any, Any]) -> str:
    names = [str(key) for key, _ in zip(document, range(6), strict=False)]
    more = ", …" if len(document) > len(names) else ""
    return f" (there are: {shown(', '.join(names))[1:-1]}{more})" if names else " (it is empty)"


_compiled: dict[PathLike, Callable[..., Any]] = {}


def _function(where: PathLike) -> Callable[..., Any]:
    made = _compile(path(where))
    if len(_compiled) >= _KEPT:
        _compiled.clear()
    _compiled[where] = made
    return made


def _compile(steps: Path) -> Callable[..., Any]:
    if EVERY in steps:
        return lambda document, default=MISSING: walk(document, steps, default)
    value, checks = "document", ["True"]
    for at, step in enumerate(steps):
        name = "v" if at else value
        found = f"v := {value}" if at else value
        if isinstance(step, str) and (index := index_of(step)) is not None:
            checks.append(f"(type({found}) is dict or type({name}) is list)")
            value = f"{name}[{index} if type({name}) is list else {step!r}]"
        else:
            checks.append(f"type({found}) is {'list' if isinstance(step, int) else 'dict'}")
            value = f"{name}[{step!r}]"
    # type, dict and list are arguments because those are read more quickly than the names of built-ins
    source = f"""def get(document, default=MISSING, type=type, dict=dict, list=list):
    try:
        if {" and ".join(checks)}:
            return {value}
    except (KeyError, IndexError):
        pass
    return walk(document, steps, default)"""
    scope: dict[str, Any] = {"MISSING": MISSING, "walk": walk, "steps": steps}
    exec(source, scope)  # noqa: S102  # keys and numbers get in by repr() alone
    return scope["get"]  # type: ignore[no-any-return]


class Getter(functools.partial[Any]):
    """``getter(path)``: call it with a document, and a default. It can be pickled and sent to another process."""

    path: Path

    def __new__(cls, where: PathLike) -> Self:  # a partial, because the call of one stays in C
        made = super().__new__(cls, _compile(path(where)))
        made.path = path(where)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Getter, (tuple(self.path),)

    def __repr__(self) -> str:
        return f"getter({str(self.path)!r})"


def getter(where: PathLike) -> Getter:
    """A function that takes one path from any document: ``map(getter("user.name"), records)``.

    It is compiled once, and it pickles.

    >>> list(map(getter("user.name"), [{"user": {"name": "Ann"}}, {"user": {"name": "Bo"}}]))
    ['Ann', 'Bo']
    """
    return Getter(where)


def get(document: Any, where: PathLike, default: Any = MISSING) -> Any:
    """What is at a path of nested dicts and lists; *default* where nothing is, else ``PathError``.

    With ``[*]`` it is the list of everything that matches: an element that lacks the rest of the path is passed over,
    or a *default* stands for it; if all of them lack it, it is a ``PathError``, since that is mostly a typo.

    Nothing is created, not even in a ``defaultdict``. The cost is three to four times that of writing the subscripts
    out; the path is compiled when first used (4,096 are kept).

    >>> d = {"a": {"b": [{"c": 1}, {"c": 2}]}}
    >>> get(d, "a.b[-1].c"), get(d, "a.b[*].c"), get(d, "a.x", None)
    (2, [1, 2], None)
    >>> get(d, "a.bb")
    Traceback (most recent call last):
        ...
    cb_dict.errors.PathError: a.bb: no key 'bb' in a (did you mean b?)
    """
    try:
        found = _compiled[where]
    except KeyError:
        found = _function(where)
    return found(document, default)


def has(document: Any, where: PathLike) -> bool:
    """Whether something, ``None`` included, is at a path. With ``[*]``: whether at least one thing matches.

    >>> has({"a": None}, "a"), has({"a": None}, "a.b"), has([], "[*]")
    (True, False, False)
    """
    try:
        found = get(document, where, _ABSENT)
    except TypeMismatch:  # [*] of what has no members
        return False
    if EVERY in path(where):
        return isinstance(found, list) and any(one is not _ABSENT for one in found)
    return found is not _ABSENT


def items_of(value: Any, where: Path) -> list[tuple[Any, Any]]:
    """Keys or indexes with their values, of what stands at *where*."""
    if isinstance(value, Mapping):
        return list(value.items())
    if is_list(value):
        return list(enumerate(value))
    raise TypeMismatch(f"{where or 'this'} is {kind(value)}: only objects and arrays have keys and values")


def items(document: Any, where: PathLike = "", *, sort: bool = False) -> list[tuple[Any, Any]]:
    """Pairs of key and value, or of index and value, in the document's order; by key with *sort*.

    A list of its own, not a live view: the document may be changed while it is gone through. Keys sort by code point;
    keys that do not compare raise ``TypeMismatch``.

    >>> items({"b": 1, "a": 2}), items({"b": 1, "a": 2}, sort=True), items({"x": ["y"]}, "x")
    ([('b', 1), ('a', 2)], [('a', 2), ('b', 1)], [(0, 'y')])
    """
    pairs = items_of(get(document, where), path(where))
    if not sort:
        return pairs
    try:
        return sorted(pairs, key=lambda pair: pair[0])
    except TypeError as error:
        raise TypeMismatch(f"the keys of {where or 'the document'} do not compare: {error}") from error


def keys(document: Any, where: PathLike = "", *, sort: bool = False) -> list[Any]:
    """The keys of a dict, or the indexes of a list; see ``items``.

    >>> keys({"name": "Ann", "age": 21}), keys([5, 6])
    (['name', 'age'], [0, 1])
    """
    return [key for key, _ in items(document, where, sort=sort)]


def values(document: Any, where: PathLike = "", *, sort: bool = False) -> list[Any]:
    """The values of a dict or list, by key with *sort*; see ``items``.

    >>> values({"b": 1, "a": 2}, sort=True)
    [2, 1]
    """
    return [value for _, value in items(document, where, sort=sort)]


def length(document: Any, where: PathLike = "") -> int:
    """The number of keys, elements or characters at a path.

    >>> length({"a": [1, 2, 3]}), length({"a": [1, 2, 3]}, "a"), length("four")
    (1, 3, 4)
    """
    found = get(document, where)
    if isinstance(found, (Mapping, Sequence)):
        return len(found)
    raise TypeMismatch(f"{where or 'this'} is {kind(found)}: it has no length")
