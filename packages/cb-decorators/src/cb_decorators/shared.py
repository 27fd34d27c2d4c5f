"""A call through a store that processes share: one of them runs the function, the others wait for its result.

The steps are written once, as a generator that yields what is to be done: an operation of the store, or the function
itself. A plain function's call does them in its thread; a coroutine function's hands the store's operations to threads.

A store that does not answer never stops a caller, unless it is ``strict``: the function runs here, one warning says so,
and the store is left alone for a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Hashable
from contextvars import ContextVar
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any
from uuid import UUID

from cb_decorators.codec import codec_of
from cb_decorators.errors import DecoratorError, StoreUnavailable, UnhashableArgument
from cb_decorators.leases import Leases
from cb_decorators.policy import Policy
from cb_decorators.signature import name_of
from cb_decorators.stores import Claim, Store

__all__ = ["Shared", "call_of", "function_of"]

_AGAIN = 1.0  # seconds until a store that did not answer is asked again
_LOOK = 0.25  # seconds at most until a waiter looks for itself
_STABLE = frozenset({bool, int, float, str, bytes, type(None), Decimal, UUID, date})
_logger = logging.getLogger("cb_decorators")
_inside: ContextVar[tuple[str, ...]] = ContextVar("cb_decorators.shared", default=())
"""The tokens of the runs that the code running now is part of."""

Step = Callable[[], Any]


class Shared:
    """What ``cached(store=...)`` does beyond this process, for one function."""

    def __init__(self, store: Store, function: str, policy: Policy) -> None:
        self._store = store
        self._function = function
        self._policy = policy
        self._codec = codec_of(store.codec)
        self._leases = Leases(store)
        self._down_until = 0.0
        self._down = False

    def call(self, key: Hashable, run: Callable[[], Any], *, fresh: bool) -> tuple[Any, float, bool]:
        """Return the result, for how long this process may keep it too, and whether it was there already."""
        steps = self._steps(key, fresh=fresh)
        step = next(steps)
        while True:
            try:
                done = run() if step is None else step()
            except BaseException as error:  # noqa: BLE001 - the steps decide
                advance = partial(steps.throw, error)
            else:
                advance = partial(steps.send, done)
            try:
                step = advance()
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]

    async def acall(self, key: Hashable, run: Callable[[], Awaitable[Any]], *, fresh: bool) -> tuple[Any, float, bool]:
        """Do the same for a coroutine function."""
        steps = self._steps(key, fresh=fresh)
        step = next(steps)
        while True:
            try:
                done = await (run() if step is None else asyncio.to_thread(step))
            except BaseException as error:  # noqa: BLE001 - the steps decide
                advance = partial(steps.throw, error)
            else:
                advance = partial(steps.send, done)
            try:
                step = advance()
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]

    def _steps(self, key: Hashable, *, fresh: bool) -> Generator[Step | None, Any, tuple[Any, float, bool]]:
        call, token = call_of(key), token_hex(16)
        claim = yield from self._claim(call, token, fresh=fresh)
        if claim.state == "found":
            try:
                value = self._codec.loads(claim.value)
            except Exception as error:  # noqa: BLE001 - whatever the bytes make of the codec
                _logger.warning("%s: a result in the store cannot be read and is replaced: %s", self._function, error)
                claim = yield from self._claim(call, token, fresh=True)
            else:
                return value, min(self._store.local_ttl, claim.remaining), True
        if claim.state == "alone":
            return (yield None), 0.0, False
        published = False
        before = _inside.set((*_inside.get(), token))
        try:
            with self._leases.held(self._function, call, token):
                value = yield None
                lifetime = self._policy.lifetime(value)
                data = self._codec.dumps(value) if lifetime > 0 else None
                published = yield from self._try(
                    partial(self._store.publish, self._function, call, token, data, lifetime), instead=False
                )
        except GeneratorExit:  # nobody is there to take another step: the lease runs out
            raise
        except BaseException:
            with contextlib.suppress(StoreUnavailable):  # then the lease runs out
                yield from self._try(partial(self._store.publish, self._function, call, token, None), instead=False)
            raise
        finally:
            _inside.reset(before)
        return value, min(self._store.local_ttl, lifetime) if published else 0.0, False

    def _claim(self, call: str, token: str, *, fresh: bool) -> Generator[Step, Any, Claim]:
        while True:
            step = partial(self._store.claim, self._function, call, token, _inside.get(), fresh=fresh)
            claim: Claim = yield from self._try(step, instead=Claim("alone"))
            if claim.state != "busy":
                return claim
            pause = min(_LOOK, self._store.lock_ttl)
            yield from self._try(partial(self._store.wait, self._function, call, pause), instead=None)

    def _try(self, step: Step, *, instead: Any) -> Generator[Step, Any, Any]:
        """Take a step; where the store does not answer, say so once and go on with *instead*."""
        if time.monotonic() < self._down_until:
            return instead
        try:
            done = yield step
        except StoreUnavailable as error:
            if self._store.strict:
                raise
            if not self._down:
                _logger.warning("%s: computing here, the store cannot be used: %s", self._function, error)
            self._down, self._down_until = True, time.monotonic() + _AGAIN
            return instead
        if self._down:
            self._down = False
            _logger.info("%s: the store answers again", self._function)
        return done

    # What the decorated function offers

    def _now(self, step: Step, *, instead: Any) -> Any:
        """Take one step, in this thread."""
        steps = self._try(step, instead=instead)
        try:
            next(steps)
            try:
                done = step()
            except StoreUnavailable as error:
                steps.throw(error)
            else:
                steps.send(done)
        except StopIteration as stop:
            return stop.value
        raise AssertionError("a step is taken once")  # pragma: no cover

    def contains(self, key: Hashable) -> bool:
        """Whether a valid result is there."""
        return bool(self._now(partial(self._store.contains, self._function, call_of(key)), instead=False))

    def put(self, key: Hashable, value: Any) -> float:
        """Keep a result; return for how long this process may keep it too."""
        lifetime = self._policy.lifetime(value)
        self._now(
            partial(self._store.put, self._function, call_of(key), self._codec.dumps(value), lifetime), instead=None
        )
        return min(self._store.local_ttl, lifetime)

    def invalidate(self, key: Hashable) -> bool:
        """Forget a result everywhere but in other processes' ``local_ttl``."""
        return bool(self._now(partial(self._store.delete, self._function, call_of(key)), instead=False))

    def clear(self) -> int:
        """Forget all results of the function."""
        return int(self._now(partial(self._store.clear, self._function), instead=0))


def function_of(function: Callable[..., Any]) -> str:
    """Return the name that a function's results have in a store: the same in every process.

    Raises:
        DecoratorError: There is none: a lambda, or a function that depends on variables around it.
    """
    module, name = getattr(function, "__module__", None), name_of(function)
    code = getattr(function, "__code__", None)
    around = set(code.co_freevars) - {"__class__", getattr(function, "__name__", "")} if code else set()
    if module is None or "<lambda>" in name:
        raise DecoratorError(f"{name} has no name that other processes know it by (use a function made by def)")
    if around:
        raise DecoratorError(
            f"{name}() depends on {', '.join(sorted(around))} around it, which other processes do not see (make it an "
            "argument, or the function a top-level one)"
        )
    if module == "__main__":
        main = sys.modules["__main__"]
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        module = spec.name if spec else Path(file).stem if file else module
    return f"{module}.{name}"


def call_of(key: Hashable) -> str:
    """Return what a call's key is in a store: a digest of its arguments, the same in every process.

    Raises:
        UnhashableArgument: An argument has no form that is the same everywhere.

    >>> call_of((1, "a")) == call_of((1, "a")) != call_of((1.0, "a"))
    True
    """
    return hashlib.blake2b(_written(key).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _written(value: object) -> str:
    if type(value) in _STABLE:
        return repr(value)
    if type(value) is tuple:
        return f"({','.join(map(_written, value))})"
    if type(value) is frozenset:
        return f"{{{','.join(sorted(map(_written, value)))}}}"
    raise UnhashableArgument(
        f"a {type(value).__qualname__} has no form that all processes share (decorate with key= and return numbers, "
        "strings, bytes, dates, UUIDs, or tuples of them)"
    )
