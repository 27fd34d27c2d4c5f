"""Writing by path into the document itself: ``set_``, ``delete``, and ``add`` for counters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, MutableSequence
from decimal import Decimal
from typing import Any, TypeAlias

from cb_dict.errors import LimitError, PathError, TypeMismatch, shown
from cb_dict.path import EVERY, Path, PathLike, Step, index_of, path
from cb_dict.reading import MISSING, child, get, kind, missing

__all__ = ["Number", "add", "delete", "set_", "sums"]

Number: TypeAlias = int | float | Decimal


def set_(document: Any, where: PathLike, value: Any, *, create: bool = True) -> None:
    """Put *value* at a path, in the document itself.

    Dicts that are not there are made on the way (not with ``create=False``). ``-`` as the last step appends to a list;
    an index must be there. Raises ``PathError`` before anything has changed.

    >>> d = {"a": {"list": [1]}}
    >>> set_(d, "a.b.c", 5); set_(d, "a.list.-", 2); set_(d, "a.list[0]", 0)
    >>> d
    {'a': {'list': [0, 2], 'b': {'c': 5}}}
    """
    steps = _writable(where)
    parent, at = document, 0
    while at < len(steps) - 1 and (below := child(parent, steps[at])) is not MISSING:
        parent, at = below, at + 1
    rest = Path(steps[at:])
    if len(rest) > 1:
        if not create or not isinstance(parent, MutableMapping):
            raise missing(parent, rest, before=Path(steps[:at]))
        value = nested(value, rest, Path(steps[:at]))
    _put(parent, rest[0], value, Path(steps[:at]))


def nested(value: Any, rest: Path, above: Path) -> Any:
    """*value* in the dicts that *rest* names after its first step, which is missing in what stands at *above*."""
    if any(not isinstance(step, str) for step in rest[1:]):
        raise PathError(f"{above / rest[0]} is not there, and an index into it makes no list (set it to [] first)")
    for step in reversed(rest[1:]):
        value = {step: value}
    return value


def _put(parent: Any, step: Step, value: Any, before: Path) -> None:
    if isinstance(parent, MutableMapping):
        parent[step] = value
    elif isinstance(parent, MutableSequence) and step == "-":
        parent.append(value)
    elif isinstance(parent, MutableSequence) and child(parent, step) is not MISSING:
        parent[index_of(step) or 0] = value
    else:
        raise _unchangeable(parent, step, before)


def delete(document: Any, where: PathLike, *, missing_ok: bool = False) -> Any:
    """Take what is at a path out of the document itself, and return it; ``MISSING`` with *missing_ok* where nothing is.

    >>> d = {"a": [1, 2, 3], "b": 1}
    >>> delete(d, "a[0]"), delete(d, "b"), d
    (1, 1, {'a': [2, 3]})
    """
    steps = _writable(where)
    parent = document
    for at, step in enumerate(steps):
        below = child(parent, step)
        if below is MISSING:
            if missing_ok:
                return MISSING
            raise missing(parent, Path(steps[at:]), before=Path(steps[:at]))
        if at < len(steps) - 1:
            parent = below
    last = steps[-1]
    if isinstance(parent, MutableMapping):
        return parent.pop(last)
    if isinstance(parent, MutableSequence):
        return parent.pop(index_of(last) or 0)
    raise _unchangeable(parent, last, Path(steps[:-1]))


def named(where: PathLike) -> Path:
    """The steps to one place, which a change must name: ``[*]`` is many."""
    steps = path(where)
    if EVERY in steps:
        raise PathError(f"{steps}: [*] reads only (name one element to change it)", path=str(steps))
    return steps


def _writable(where: PathLike) -> Path:
    if not (steps := named(where)):
        raise PathError("the whole document cannot be replaced from within it (name a key)")
    return steps


def _unchangeable(parent: Any, step: Step, before: Path) -> Exception:
    if isinstance(parent, (MutableMapping, MutableSequence)):
        return missing(parent, Path((step,)), before=before)
    if isinstance(parent, (Mapping, tuple)):
        return TypeMismatch(f"{before or 'the document'} is a {type(parent).__name__}, which cannot be changed")
    return TypeMismatch(f"{before or 'the document'} is {kind(parent)} and cannot hold {step!r}")


def add(
    document: Any,
    deltas: Mapping[PathLike, Number],
    *,
    minimum: Mapping[PathLike, Number] | None = None,
    maximum: Mapping[PathLike, Number] | None = None,
) -> dict[str, Any]:
    """Add to counters in the document itself: all of them, or none. Returns the new values by path.

    A counter that is not there starts at 0. One that would pass its *minimum* or *maximum* raises ``LimitError``, one
    that is no number ``TypeMismatch``, and nothing has changed. Threads need a lock around it, files ``edit``.

    >>> product = {"sold": 1500, "stock": 1}
    >>> add(product, {"sold": 1, "stock": -1}, minimum={"stock": 0})
    {'sold': 1501, 'stock': 0}
    >>> add(product, {"sold": 1, "stock": -1}, minimum={"stock": 0})
    Traceback (most recent call last):
        ...
    cb_dict.errors.LimitError: stock: 0 - 1 is below its minimum of 0
    >>> product
    {'sold': 1501, 'stock': 0}
    """
    found = sums(lambda steps: get(document, steps, 0), deltas, minimum=minimum, maximum=maximum)
    before: list[tuple[Path, Any]] = []
    try:
        for steps, value in found.items():
            old = get(document, steps, None)
            set_(document, steps, value)
            before.append((steps, old))
    except (PathError, TypeMismatch):
        for steps, old in reversed(before):
            delete(document, steps) if old is None else set_(document, steps, old)
        raise
    return {str(steps): value for steps, value in found.items()}


def sums(
    look: Callable[[Path], Any],
    deltas: Mapping[PathLike, Number],
    *,
    minimum: Mapping[PathLike, Number] | None = None,
    maximum: Mapping[PathLike, Number] | None = None,
) -> dict[Path, Any]:
    """What ``add`` would write, by path; *look* gives the value at one, 0 where nothing is.

    Floats are added as the decimals they print as, so that 0.1 + 0.2 is 0.3.
    """
    lowest = {path(where): bound for where, bound in (minimum or {}).items()}
    highest = {path(where): bound for where, bound in (maximum or {}).items()}
    found: dict[Path, Any] = {}
    for where, delta in deltas.items():
        steps = _writable(where)
        old = found[steps] if steps in found else look(steps)
        if isinstance(old, bool) or not isinstance(old, (int, float, Decimal)):
            raise TypeMismatch(f"{steps} is {shown(old)}, not a number: nothing was added")
        new = _sum(old, delta)
        sign = f"{old} {'-' if delta < 0 else '+'} {abs(delta)}"
        if steps in lowest and new < lowest[steps]:
            raise LimitError(f"{steps}: {sign} is below its minimum of {lowest[steps]}")
        if steps in highest and new > highest[steps]:
            raise LimitError(f"{steps}: {sign} is above its maximum of {highest[steps]}")
        found[steps] = new
    return found


def _sum(old: Number, delta: Number) -> Number:
    if isinstance(old, int) and isinstance(delta, int):
        return old + delta
    exact = Decimal(str(old)) + Decimal(str(delta))
    return exact if isinstance(old, Decimal) or (isinstance(delta, Decimal) and isinstance(old, int)) else float(exact)
