"""How a call goes that is not answered at once: in a thread, and in a task.

In a thread the caller that leads runs the function itself. In asyncio the function runs in a task of its own: a caller
that is cancelled, the leader like any other, only stops waiting; the task is cancelled when nobody is left.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextvars import copy_context
from typing import Any, Protocol

from cb_decorators.cache import Backing, Cache
from cb_decorators.call import Call
from cb_decorators.flight import Flight, TaskWaiter, ThreadWaiter, inside, leave
from cb_decorators.policy import Policy

__all__ = ["AsyncCache", "SharedBacking", "SyncCache"]

_LOOK_AGAIN = 1.0  # seconds between looks at whether another thread's event loop still lives


class SharedBacking(Backing, Protocol):
    """A backing that also sees to it that one process runs the function and the others wait."""

    def call(self, key: Hashable, run: Callable[[], Any], *, fresh: bool) -> tuple[Any, float, bool]:
        """Return the result, for how many seconds this process may keep it too, and whether it was there already."""

    async def acall(self, key: Hashable, run: Callable[[], Awaitable[Any]], *, fresh: bool) -> tuple[Any, float, bool]:
        """Do the same for a coroutine function."""


class _Runs(Cache):
    def __init__(self, function: Callable[..., Any], policy: Policy, backing: SharedBacking | None = None) -> None:
        super().__init__(policy, backing)
        self.function: Callable[..., Any] = function
        self._shared = backing

    def _run(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Call the function: for a coroutine function, make the coroutine."""
        self.count_run()
        if self.policy.on_miss is not None:
            self.policy.on_miss(Call(self.function, args, kwargs))
        return self.function(*args, **kwargs)


class SyncCache(_Runs):
    """The cache of a plain function."""

    def call(self, key: Hashable, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, fresh: bool = False) -> Any:
        """Answer a call that the table could not answer without the lock."""
        while True:
            entry, flight, waiter = self.enter(key, ThreadWaiter, fresh=fresh)
            if entry is not None:
                return self.fresh(entry.value)
            if flight is None:
                return self._run(args, kwargs)
            if waiter is None:
                return self._lead(flight, key, args, kwargs, fresh=fresh)
            try:
                waiter.wait()
                if not flight.abandoned:
                    return self.fresh(flight.result())
            finally:
                leave(flight)
                self.disembark(flight)

    def _lead(
        self, flight: Flight, key: Hashable, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, fresh: bool
    ) -> Any:
        token = inside.set((*inside.get(), flight))
        try:
            if self._shared is None:
                value = self._run(args, kwargs)
                lifetime = self.policy.lifetime(value)
            else:
                value, lifetime, found = self._shared.call(key, lambda: self._run(args, kwargs), fresh=fresh)
                if found:
                    self.count_found()
            own = self.fresh(value)
        except Exception as error:
            self.crash(key, flight, error)
            raise
        except BaseException:
            self.abandon(key, flight)
            raise
        finally:
            inside.reset(token)
        self.land(key, flight, value, lifetime)
        return own


class AsyncCache(_Runs):
    """The cache of a coroutine function. Usable from several event loops at once."""

    async def call(
        self, key: Hashable, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, fresh: bool = False
    ) -> Any:
        """Answer a call that the table could not answer without the lock."""
        while True:
            entry, flight, waiter = self.enter(key, TaskWaiter, fresh=fresh)
            if entry is not None:
                return self.fresh(entry.value)
            if flight is None:
                return await self._run(args, kwargs)
            leader = waiter is None
            if waiter is None:
                waiter = self._take_off(flight, key, args, kwargs, fresh=fresh)
            try:
                await self._wait(flight, key, waiter)
                if not flight.abandoned:
                    return self.fresh(flight.result(leader=leader))
                if leader and flight.task is not None:  # the function cancelled itself: that is its outcome
                    await flight.task
            except asyncio.CancelledError:
                if flight.task is not None and flight.passengers == 1:
                    await self._cancel(flight, key)
                raise
            finally:
                if not leader:
                    leave(flight)
                self.disembark(flight)

    def _take_off(
        self, flight: Flight, key: Hashable, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, fresh: bool
    ) -> TaskWaiter:
        waiter = TaskWaiter()
        self.board(flight, waiter)
        context = copy_context()
        context.run(inside.set, (*inside.get(), flight))
        flight.loop = waiter.loop
        flight.task = waiter.loop.create_task(self._fly(flight, key, args, kwargs, fresh=fresh), context=context)
        return waiter

    async def _fly(
        self, flight: Flight, key: Hashable, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, fresh: bool
    ) -> None:
        try:
            if self._shared is None:
                value = await self._run(args, kwargs)
                lifetime = self.policy.lifetime(value)
            else:
                value, lifetime, found = await self._shared.acall(key, lambda: self._run(args, kwargs), fresh=fresh)
                if found:
                    self.count_found()
        except Exception as error:  # noqa: BLE001 - handed to everyone who waits
            self.crash(key, flight, error)
        except BaseException:
            self.abandon(key, flight)
            raise
        else:
            self.land(key, flight, value, lifetime)

    async def _wait(self, flight: Flight, key: Hashable, waiter: TaskWaiter) -> None:
        if flight.loop is waiter.loop:
            await waiter.future
            return
        while not waiter.future.done():
            await asyncio.wait([waiter.future], timeout=_LOOK_AGAIN)
            if flight.loop is not None and flight.loop.is_closed() and not waiter.future.done():
                self.abandon(key, flight)

    async def _cancel(self, flight: Flight, key: Hashable) -> None:
        """Nobody else waits: end the run, and see it ended where it runs in this loop."""
        task, loop = flight.task, flight.loop
        assert task is not None
        assert loop is not None
        self.abandon(key, flight)
        if loop is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait([task])
        else:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                loop.call_soon_threadsafe(task.cancel)
