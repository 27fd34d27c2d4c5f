"""Timing what a generator does between two of its yields, and not what its consumer does meanwhile.

These are ``yield from``, and what an asynchronous ``yield from`` would be, written out so that a clock can run while
the inner generator does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial
from time import perf_counter
from typing import Any

__all__ = ["Record", "measured", "measured_async"]

Record = Callable[[float, BaseException | None], None]
"""Told once, at the end: the seconds, and what ended it other than its own end."""


def measured(inner: Generator[Any, Any, Any], record: Record) -> Generator[Any, Any, Any]:
    """Yield what *inner* yields, hand it what is sent and thrown, return what it returns."""
    spent, error = 0.0, None
    step: Callable[[], Any] = partial(next, inner)
    try:
        while True:
            start = perf_counter()
            try:
                item = step()
            except StopIteration as stop:
                return stop.value
            except BaseException as raised:
                error = raised
                raise
            finally:
                spent += perf_counter() - start
            try:
                step = partial(inner.send, (yield item))
            except GeneratorExit:
                start = perf_counter()
                inner.close()
                spent += perf_counter() - start
                raise
            except BaseException as thrown:  # noqa: BLE001 - handed on, whatever it is
                step = partial(inner.throw, thrown)
    finally:
        record(spent, error)


async def measured_async(inner: AsyncGenerator[Any, Any], record: Record) -> AsyncGenerator[Any, Any]:
    """Do the same for an asynchronous generator; waiting for what it awaits is its own time."""
    spent, error = 0.0, None
    step: Callable[[], Any] = partial(inner.asend, None)  # codespell:ignore asend
    try:
        while True:
            start = perf_counter()
            try:
                item = await step()
            except StopAsyncIteration:
                return
            except BaseException as raised:
                error = raised
                raise
            finally:
                spent += perf_counter() - start
            try:
                step = partial(inner.asend, (yield item))  # codespell:ignore asend
            except GeneratorExit:
                start = perf_counter()
                await inner.aclose()
                spent += perf_counter() - start
                raise
            except BaseException as thrown:  # noqa: BLE001 - handed on, whatever it is
                step = partial(inner.athrow, thrown)
    finally:
        record(spent, error)
