"""`pmap`: the parallel map, one call for every backend."""

from __future__ import annotations

import concurrent.futures
import inspect
import os
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from itertools import chain
from types import TracebackType
from typing import Any, Generic, Literal, Protocol, Self, TypeAlias, TypedDict, TypeVar, Unpack, overload

from cb_map.backend import Backend
from cb_map.chunk import Job, pack_job
from cb_map.engine import Engine, Plan, Stats
from cb_map.errors import ItemError
from cb_map.lazy import Mode, rows_of

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
R = TypeVar("R")


class DaskClient(Protocol):
    """What `pmap` uses of a `distributed.Client`."""

    def submit(self, func: Callable[..., object], *args: object, pure: bool = ...) -> object: ...
    def nthreads(self) -> dict[str, int]: ...


Where: TypeAlias = Literal["inline", "thread", "process", "ray"] | concurrent.futures.Executor | DaskClient


class Common(TypedDict, total=False):
    """The options that every call takes, see `pmap`."""

    workers: int | None
    ordered: bool
    chunk: int | Literal["auto"]
    buffer: int | None
    retries: int
    timeout: float | None
    progress: Callable[[Stats], object] | None
    mode: Mode
    fill: object


class Options(Common, total=False):
    """`Common`, and where to run."""

    backend: Where


class Mapped(Generic[R]):
    """The results, as an iterator: made when they are asked for, once. A context manager, which is closed at its end.

    Iterating (`for`, `list`) goes through a C loop over whole chunks; `iter()` therefore gives another object, which
    goes on where this one stands.
    """

    __slots__ = ("_batches", "_engine", "_results")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # The engine does not know this generator: without a cycle, whoever drops the results ends the workers at once.
        self._batches: Generator[list[R], None, None] = engine.batches()
        self._results: Iterator[R] = chain.from_iterable(self._batches)

    def __iter__(self) -> Iterator[R]:
        return self._results

    def __next__(self) -> R:
        return next(self._results)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers and drop what they are at. Called by itself at the end, at an error, and on garbage."""
        self._batches.close()

    def stats(self) -> Stats:
        """The counts at this moment, also after the end."""
        return self._engine.stats()


@overload
def pmap(
    fn: Callable[..., Awaitable[R]],
    /,
    *iterables: Iterable[object],
    backend: Literal["async"],
    errors: Literal["raise", "skip"] = ...,
    **options: Unpack[Common],
) -> Mapped[R]: ...
@overload
def pmap(
    fn: Callable[..., Awaitable[R]],
    /,
    *iterables: Iterable[object],
    backend: Literal["async"],
    errors: Literal["return"],
    **options: Unpack[Common],
) -> Mapped[R | ItemError]: ...
@overload
def pmap(
    fn: Callable[[A], R], a: Iterable[A], /, *, errors: Literal["raise", "skip"] = ..., **options: Unpack[Options]
) -> Mapped[R]: ...
@overload
def pmap(
    fn: Callable[[A], R], a: Iterable[A], /, *, errors: Literal["return"], **options: Unpack[Options]
) -> Mapped[R | ItemError]: ...
@overload
def pmap(
    fn: Callable[[A], R], a: Iterable[A], /, *, errors: Callable[[ItemError], F], **options: Unpack[Options]
) -> Mapped[R | F]: ...
@overload
def pmap(
    fn: Callable[[A, B], R],
    a: Iterable[A],
    b: Iterable[B],
    /,
    *,
    errors: Literal["raise", "skip"] = ...,
    **options: Unpack[Options],
) -> Mapped[R]: ...
@overload
def pmap(
    fn: Callable[[A, B, C], R],
    a: Iterable[A],
    b: Iterable[B],
    c: Iterable[C],
    /,
    *,
    errors: Literal["raise", "skip"] = ...,
    **options: Unpack[Options],
) -> Mapped[R]: ...
@overload
def pmap(
    fn: Callable[[A, B, C, D], R],
    a: Iterable[A],
    b: Iterable[B],
    c: Iterable[C],
    d: Iterable[D],
    /,
    *,
    errors: Literal["raise", "skip"] = ...,
    **options: Unpack[Options],
) -> Mapped[R]: ...
@overload
def pmap(
    fn: Callable[[A, B, C, D, E], R],
    a: Iterable[A],
    b: Iterable[B],
    c: Iterable[C],
    d: Iterable[D],
    e: Iterable[E],
    /,
    *,
    errors: Literal["raise", "skip"] = ...,
    **options: Unpack[Options],
) -> Mapped[R]: ...
@overload
def pmap(
    fn: Callable[..., R],
    a: Iterable[object],
    b: Iterable[object],
    /,
    *more: Iterable[object],
    errors: Literal["return"] | Callable[[ItemError], F],
    **options: Unpack[Options],
) -> Mapped[R | ItemError | F]: ...
def pmap(fn: Callable[..., Any], /, *iterables: Iterable[Any], **options: Any) -> Mapped[Any]:
    """Map in parallel: lazy, in order, with a bounded number of items under way, and nothing lost.

    Options:
        fn: takes as many arguments as there are iterables; a coroutine function under ``backend="async"``. It runs
            once for each item; again for items whose worker died, and for retries.
        iterables: read in the caller's thread and only while results are asked for; may be infinite.
        backend: ``"thread"`` (the default), ``"process"``, ``"inline"``, ``"async"``, any
            `concurrent.futures.Executor`, a Dask ``Client``, or ``"ray"``.
        workers: how many at once; the number of cores, 64 coroutines, or what executor and cluster have.
        ordered: results in the order of the input (the default), or as they come.
        chunk: items a worker is handed together. ``"auto"`` begins with one and grows to what takes about 20 ms; give 1
            where costs differ wildly.
        buffer: the most items taken from the input ahead of the results; 16384 by default, and far less until
            functions are seen to be quick.
        errors: ``"raise"`` (the default) raises `ItemError` after all results before it; ``"skip"`` leaves failed items
            out; ``"return"`` puts the `ItemError` in their place; a function is called with it and gives the value
            for their place.
        retries: how often to call again for an item that failed.
        timeout: seconds for an item. Process workers are killed, Dask's restarted, coroutines cancelled, threads left
            behind; with an executor or a cluster it counts from the hand-over. Items then go one by one.
        progress: called with `Stats` about ten times a second, and at the end.
        mode: what to do with iterables of different lengths, and *fill*: see `imap`.

    Returns `Mapped`. Takes about 1 µs an item with threads or processes for functions that do nothing.

    Raises:
        ItemError: an item failed, see *errors*; `__cause__` is what *fn* raised. StopIteration counts as a failure.
        UnpicklableFunction: before any worker is started.

    >>> with pmap(pow, range(5), [2] * 5, backend="thread") as squares:
    ...     list(squares)
    [0, 1, 4, 9, 16]
    >>> [str(one) for one in pmap(int, ["7", "x"], errors="return")]
    ['7', "item 1 ('x'): ValueError: invalid literal for int() with base 10: 'x'"]
    """
    return Mapped(Engine(plan(fn, iterables, **options)))


def plan(
    fn: Callable[..., Any],
    iterables: tuple[Iterable[Any], ...],
    *,
    backend: Any = "thread",
    workers: int | None = None,
    ordered: bool = True,
    chunk: int | Literal["auto"] = "auto",
    buffer: int | None = None,
    errors: Any = "raise",
    retries: int = 0,
    timeout: float | None = None,
    progress: Callable[[Stats], object] | None = None,
    mode: Mode = "shortest",
    fill: object = None,
    loop: Any = None,
) -> Plan:
    """Check what was asked for; raises TypeError and ValueError that say what to do."""
    if not callable(fn):
        raise TypeError(f"the first argument is the function, not {type(fn).__name__}")
    for name, value, least in (("workers", workers, 1), ("buffer", buffer, 1), ("retries", retries, 0)):
        if value is not None and value < least:
            raise ValueError(f"{name} is {value} (at least {least})")
    if timeout is not None and timeout <= 0:
        raise ValueError(f"timeout is {timeout} (seconds, more than 0)")
    if chunk != "auto" and chunk < 1:
        raise ValueError(f"chunk is {chunk} (a number of items, or 'auto')")
    if timeout is not None and (chunk not in {"auto", 1} or backend == "inline"):
        raise ValueError("timeout is for an item: leave chunk out, and take another backend than inline")
    if errors not in {"raise", "skip", "return"} and not callable(errors):
        raise ValueError(f"errors is {errors!r} (choose raise, skip, return, or give a function)")
    rows = rows_of(iterables, mode, fill)
    job = Job(fn, len(iterables) > 1, retries, errors == "raise")
    return Plan(
        rows=rows,
        job=job,
        start=starter(job, backend, workers, loop),
        ordered=ordered,
        chunk=1 if timeout is not None else None if chunk == "auto" else chunk,
        buffer=buffer,
        timeout=timeout,
        retries=retries,
        skip=errors == "skip",
        replace=_itself if errors == "return" else errors if callable(errors) else None,
        progress=progress,
    )


def _itself(error: ItemError) -> ItemError:
    return error


def _is_coroutine_function(fn: Any) -> bool:
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(type(fn).__call__)


def starter(job: Job, backend: Any, workers: int | None, loop: Any) -> Callable[[], Backend]:
    """What starts the backend at the first result; a function that cannot be pickled is refused here and now."""
    cores = workers or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if (backend == "async") != _is_coroutine_function(job.fn):
        wrong = f"backend='async' wants a coroutine function, not {job.fn!r} (use backend='thread')"
        raise TypeError(wrong if backend == "async" else f"{job.fn!r} is a coroutine function (use backend='async')")
    # Imported where they are used: asyncio alone takes longer than 20 000 items.
    if backend in ("thread", "inline"):
        from cb_map.threads import Inline, Threads

        return (lambda: Threads(job, cores)) if backend == "thread" else (lambda: Inline(job))
    if backend == "async":
        from cb_map.coroutines import event_loop

        return lambda: event_loop(job, workers, loop)
    if backend == "process":
        from cb_map.processes import Processes

        packed = pack_job(job)
        return lambda: Processes(packed, cores)
    from cb_map import futures

    if isinstance(backend, concurrent.futures.ThreadPoolExecutor):
        return lambda: futures.executor(backend, workers, job)
    if isinstance(backend, concurrent.futures.Executor):
        packed = pack_job(job)
        return lambda: futures.executor(backend, workers, packed)
    if backend == "ray":
        packed = pack_job(job)
        return lambda: futures.ray(packed, workers)
    if hasattr(backend, "submit") and hasattr(backend, "nthreads"):
        packed = pack_job(job)
        return lambda: futures.dask(packed, backend, workers)
    known = "'thread', 'process', 'inline', 'async', 'ray', an Executor or a Dask client"
    raise ValueError(f"backend is {backend!r} (choose {known})")
