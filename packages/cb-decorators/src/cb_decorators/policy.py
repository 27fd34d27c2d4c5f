"""What a cache was told: for how long, how many, what is a failure."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import inf, isfinite
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, TypeAlias

from cb_decorators.call import Call
from cb_decorators.errors import DecoratorError

__all__ = ["Lifetime", "Policy", "Seconds", "seconds_of"]

Seconds: TypeAlias = float | timedelta
Lifetime: TypeAlias = Seconds | None
"""How long a result stays valid; None for as long as there is room."""


def seconds_of(value: object, what: str) -> float:
    """Return a length of time in seconds; it must be a number above 0.

    Raises:
        DecoratorError: It is not.
    """
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if not isinstance(number, int | float) or number is True or not (isfinite(number) and number > 0):
        raise DecoratorError(f"{what} must be seconds or a timedelta above 0, not {value!r}")
    return number


@dataclass(frozen=True, slots=True)
class Policy:
    """The options of ``cached`` that the cache itself follows, already checked."""

    maxsize: int | None = 128
    ttl: float | Callable[[Any], Lifetime] | None = None
    jitter: float = 0.0
    stale: float = 0.0
    copy: Callable[[Any], Any] | None = None
    errors: tuple[float, tuple[type[Exception], ...]] | None = None
    on_miss: Callable[[Call[Any]], object] | None = None
    clock: Callable[[], float] = time.monotonic

    def lifetime(self, value: Any) -> float:
        """Return for how many seconds *value* is valid: infinite without ``ttl``, 0 where it must not be kept.

        Raises:
            TypeError: The value can be used only once, so it cannot be kept.
        """
        if isinstance(value, CoroutineType | GeneratorType | AsyncGeneratorType):
            raise TypeError(
                f"a {type(value).__name__} can be used only once and cannot be cached (cache the async def "
                "itself, or return a list)"
            )
        ttl = self.ttl
        if callable(ttl):
            found = ttl(value)
            ttl = found.total_seconds() if isinstance(found, timedelta) else found
        if ttl is None:
            return inf
        # Never longer than the ttl: a deadline is a promise.
        return ttl - random.random() * self.jitter if self.jitter else ttl  # noqa: S311 - spreads load, hides nothing
