"""`apmap`: the same engine for asyncio programs.

The engine is driven by one helper thread, so that the event loop never waits; coroutines run in the caller's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, Unpack, overload

from cb_map.engine import Engine, Stats
from cb_map.errors import ItemError
from cb_map.mapped import Common, Options, plan

R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")


class AsyncMapped(Generic[R]):
    """The results, as an async iterator and async context manager; use it as one where you may leave early."""

    __slots__ = ("_batches", "_ended", "_engine", "_ready", "_sources", "_thread")

    def __init__(self, engine: Engine, sources: list[_Bridge]) -> None:
        self._engine = engine
        self._batches = engine.batches()
        self._ready: Iterator[R] = iter(())
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cb-map-apmap")
        self._sources = sources
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R:
        for result in self._ready:
            return result
        if self._ended:
            raise StopAsyncIteration
        pending = asyncio.get_running_loop().run_in_executor(self._thread, next, self._batches, None)
        try:
            batch = await asyncio.shield(pending)
        except asyncio.CancelledError:
            await self.aclose()
            raise
        except BaseException:
            self._end()
            raise
        if batch is None:
            self._end()
            raise StopAsyncIteration
        self._ready = iter(batch)
        return next(self._ready)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the workers and drop what they are at. Waits until the functions of coroutines have seen it."""
        self._ready = iter(())
        if self._ended:
            return
        for source in self._sources:
            source.stop()
        self._engine.wake()
        closing = self._thread.submit(self._batches.close)
        self._end()
        await asyncio.wrap_future(closing)

    def _end(self) -> None:
        self._ended = True
        self._thread.shutdown(wait=False)

    def stats(self) -> Stats:
        """The counts at this moment, also after the end."""
        return self._engine.stats()


class _Bridge:
    """An async iterable, read from the helper thread."""

    def __init__(self, source: AsyncIterable[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._iterator = aiter(source)
        self._loop = loop
        self._stopped = False
        self._pending: Any = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._stopped:
            raise StopIteration
        self._pending = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        ended, value = self._pending.result()
        if ended:
            raise StopIteration
        return value

    async def _next(self) -> tuple[bool, Any]:
        try:
            return False, await anext(self._iterator)
        except (StopAsyncIteration, asyncio.CancelledError):
            return True, None

    def stop(self) -> None:
        self._stopped = True
        if self._pending is not None:
            self._pending.cancel()


@overload
def apmap(
    fn: Callable[[A], Awaitable[R]],
    a: Iterable[A] | AsyncIterable[A],
    /,
    *,
    backend: Literal["async"] = ...,
    errors: Literal["raise", "skip"] = ...,
    **options: Unpack[Common],
) -> AsyncMapped[R]: ...
@overload
def apmap(
    fn: Callable[[A], Awaitable[R]],
    a: Iterable[A] | AsyncIterable[A],
    /,
    *,
    backend: Literal["async"] = ...,
    errors: Literal["return"],
    **options: Unpack[Common],
) -> AsyncMapped[R | ItemError]: ...
@overload
def apmap(
    fn: Callable[[A, B], Awaitable[R]],
    a: Iterable[A] | AsyncIterable[A],
    b: Iterable[B] | AsyncIterable[B],
    /,
    *,
    backend: Literal["async"] = ...,
    errors: Literal["raise", "skip"] = ...,
    **options: Unpack[Common],
) -> AsyncMapped[R]: ...
@overload
def apmap(
    fn: Callable[..., R],
    /,
    *iterables: Iterable[object] | AsyncIterable[object],
    errors: Literal["raise", "skip"] = ...,
    **options: Unpack[Options],
) -> AsyncMapped[R]: ...
@overload
def apmap(
    fn: Callable[..., R],
    /,
    *iterables: Iterable[object] | AsyncIterable[object],
    errors: Literal["return"],
    **options: Unpack[Options],
) -> AsyncMapped[R | ItemError]: ...
def apmap(
    fn: Callable[..., Any], /, *iterables: Iterable[Any] | AsyncIterable[Any], backend: Any = "async", **options: Any
) -> AsyncMapped[Any]:
    """`pmap` for ``async for``: the arguments and errors of `pmap`; must be called in a running event loop.

    The backend is ``"async"`` where no other is named: coroutines in the caller's loop, 64 at once. With the others,
    functions run where they do under `pmap`, and the loop stays free. Iterables may be asynchronous.

    >>> import asyncio
    >>> async def double(x: int) -> int:
    ...     return 2 * x
    >>> async def main() -> list[int]:
    ...     async with apmap(double, range(4)) as doubled:
    ...         return [one async for one in doubled]
    >>> asyncio.run(main())
    [0, 2, 4, 6]
    """
    loop = asyncio.get_running_loop()
    bridges: list[_Bridge] = []
    sources: list[Iterable[Any]] = []
    for iterable in iterables:
        if isinstance(iterable, AsyncIterable):
            bridges.append(_Bridge(iterable, loop))
            sources.append(bridges[-1])
        else:
            sources.append(iterable)
    return AsyncMapped(Engine(plan(fn, tuple(sources), backend=backend, loop=loop, **options)), bridges)
