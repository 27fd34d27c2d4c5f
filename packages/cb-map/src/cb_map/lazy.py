"""The map of the chapter: lazy, over one iterable or several, at the speed of the builtin.

The builtin takes a StopIteration that the *function* raises for the end of the input, and drops the rest without a
word. Here the input is chained to a marker that says whether it has really ended: some nanoseconds an item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, starmap, zip_longest
from typing import Any, Literal, TypeAlias, TypeVar, overload

from cb_map.errors import LengthMismatch

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
R = TypeVar("R")

Mode: TypeAlias = Literal["shortest", "longest", "strict"]
Same: TypeAlias = Literal["shortest", "strict"]


def rows_of(iterables: tuple[Iterable[Any], ...], mode: Mode, fill: object) -> Iterator[Any]:
    """Items of one iterable, tuples of several; raises LengthMismatch, TypeError and ValueError for what cannot be."""
    if not iterables:
        raise TypeError("map needs at least one iterable after the function")
    if mode not in {"shortest", "longest", "strict"}:
        raise ValueError(f"mode is {mode!r} (choose shortest, longest or strict)")
    for position, iterable in enumerate(iterables, 1):
        if not isinstance(iterable, Iterable) and not hasattr(iterable, "__getitem__"):
            raise TypeError(f"argument {position} after the function is no iterable but {type(iterable).__name__}")
    if len(iterables) == 1:
        return iter(iterables[0])
    if mode == "longest":
        return zip_longest(*iterables, fillvalue=fill)
    return _strict(iterables) if mode == "strict" else zip(*iterables, strict=False)


def _strict(iterables: tuple[Iterable[Any], ...]) -> Iterator[Any]:
    rows = zip(*iterables, strict=True)
    count = 0
    try:
        for count, row in enumerate(rows, 1):  # noqa: B007  # told in the error
            yield row
    except ValueError as error:
        if not str(error).startswith("zip() argument"):
            raise
        what = str(error).removeprefix("zip() ").replace("argument", "iterable")
        raise LengthMismatch(f"{what}, after {count} rows (mode='longest' fills, 'shortest' stops there)") from None


class _Ended:
    """An empty iterator that remembers having been asked: what stands before it in a chain is used up."""

    __slots__ = ("reached",)

    def __init__(self) -> None:
        self.reached = False

    def __iter__(self) -> Iterator[Any]:
        self.reached = True
        return iter(())


class _Verdict:
    """The empty last part of a result: an error where the function, not the input, ended the map."""

    __slots__ = ("ended", "function")

    def __init__(self, ended: _Ended, function: Callable[..., Any]) -> None:
        self.ended = ended
        self.function = function

    def __iter__(self) -> Iterator[Any]:
        if not self.ended.reached:
            raise stopped(self.function)
        return iter(())


def stopped(function: Callable[..., Any]) -> RuntimeError:
    """What is raised in place of a function's StopIteration."""
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return RuntimeError(f"{name} raised StopIteration, which would have cut the output (raise another exception)")


@overload
def imap(fn: Callable[[A], R], a: Iterable[A], /, *, mode: Mode = ...) -> Iterator[R]: ...
@overload
def imap(fn: Callable[[A, B], R], a: Iterable[A], b: Iterable[B], /, *, mode: Same = ...) -> Iterator[R]: ...
@overload
def imap(
    fn: Callable[[A, B, C], R], a: Iterable[A], b: Iterable[B], c: Iterable[C], /, *, mode: Same = ...
) -> Iterator[R]: ...
@overload
def imap(
    fn: Callable[[A, B, C, D], R],
    a: Iterable[A],
    b: Iterable[B],
    c: Iterable[C],
    d: Iterable[D],
    /,
    *,
    mode: Same = ...,
) -> Iterator[R]: ...
@overload
def imap(
    fn: Callable[[A, B, C, D, E], R],
    a: Iterable[A],
    b: Iterable[B],
    c: Iterable[C],
    d: Iterable[D],
    e: Iterable[E],
    /,
    *,
    mode: Same = ...,
) -> Iterator[R]: ...
@overload
def imap(
    fn: Callable[..., R], /, *iterables: Iterable[object], mode: Literal["longest"], fill: object = ...
) -> Iterator[R]: ...
def imap(
    fn: Callable[..., R], /, *iterables: Iterable[Any], mode: Mode = "shortest", fill: object = None
) -> Iterator[R]:
    """Call *fn* with the items of one iterable, or side by side with those of several, when a result is asked for.

    Args:
        fn: takes as many arguments as there are iterables.
        iterables: one to as many as you like; checked at once, read when a result is asked for.
        mode: ``"shortest"`` stops at the first end, ``"longest"`` goes on with *fill*, ``"strict"`` wants one length.
        fill: what stands for missing items under ``mode="longest"``.

    Returns an iterator, which can be walked once. Takes constant memory, never reads ahead.

    Raises:
        TypeError: an argument is no iterable, at the call and not at the first result.
        LengthMismatch: under ``mode="strict"``, after the results that all iterables have items for.
        RuntimeError: *fn* raised StopIteration. The builtin ``map`` would end there as if all were done.

    >>> list(imap(lambda x, y: x * y, [1, 2, 3, 4, 5, 6, 7, 8], [2, 3, 4, 5, 6, 7]))
    [2, 6, 12, 20, 30, 42]
    >>> list(imap(lambda x, y: (x, y), "abc", "xy", mode="longest", fill="-"))
    [('a', 'x'), ('b', 'y'), ('c', '-')]
    """
    rows = rows_of(iterables, mode, fill)
    ended = _Ended()
    marked = chain(rows, ended)
    results: Iterator[R] = map(fn, marked) if len(iterables) == 1 else starmap(fn, marked)
    return chain(results, _Verdict(ended, fn))


@overload
def map_list(fn: Callable[[A], R], a: Iterable[A], /, *, mode: Mode = ...) -> list[R]: ...
@overload
def map_list(fn: Callable[[A, B], R], a: Iterable[A], b: Iterable[B], /, *, mode: Same = ...) -> list[R]: ...
@overload
def map_list(
    fn: Callable[[A, B, C], R], a: Iterable[A], b: Iterable[B], c: Iterable[C], /, *, mode: Same = ...
) -> list[R]: ...
@overload
def map_list(
    fn: Callable[[A, B, C, D], R],
    a: Iterable[A],
    b: Iterable[B],
    c: Iterable[C],
    d: Iterable[D],
    /,
    *,
    mode: Same = ...,
) -> list[R]: ...
@overload
def map_list(
    fn: Callable[[A, B, C, D, E], R],
    a: Iterable[A],
    b: Iterable[B],
    c: Iterable[C],
    d: Iterable[D],
    e: Iterable[E],
    /,
    *,
    mode: Same = ...,
) -> list[R]: ...
@overload
def map_list(
    fn: Callable[..., R], /, *iterables: Iterable[object], mode: Literal["longest"], fill: object = ...
) -> list[R]: ...
def map_list(
    fn: Callable[..., R], /, *iterables: Iterable[Any], mode: Mode = "shortest", fill: object = None
) -> list[R]:
    """The list of what `imap` gives, with the same arguments and errors.

    >>> map_list(lambda x: x + 1, [1, 2, 3, 4, 5])
    [2, 3, 4, 5, 6]
    """
    results: Callable[..., Iterator[R]] = imap
    return list(results(fn, *iterables, mode=mode, fill=fill))
