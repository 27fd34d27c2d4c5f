"""Time it, cache it, check it: decorators for functions, coroutine functions and methods."""

from __future__ import annotations

from cb_decorators.announcing import announce, decorator
from cb_decorators.cache import CacheInfo
from cb_decorators.caching import cached
from cb_decorators.call import Call
from cb_decorators.errors import DecoratorError, StoreError, StoreUnavailable, UnhashableArgument, ValidationError
from cb_decorators.protocols import Cached, CachedClassMethod, CachedFunction, CachedStaticMethod
from cb_decorators.stats import Summary
from cb_decorators.timing import SPENT_TIME, TOOK, Timer, Timings, timed
from cb_decorators.validation import RAISE, no_whitespace, validated

__version__ = "0.1.0"
__all__ = [
    "RAISE",
    "SPENT_TIME",
    "TOOK",
    "CacheInfo",
    "Cached",
    "CachedClassMethod",
    "CachedFunction",
    "CachedStaticMethod",
    "Call",
    "DecoratorError",
    "StoreError",
    "StoreUnavailable",
    "Summary",
    "Timer",
    "Timings",
    "UnhashableArgument",
    "ValidationError",
    "__version__",
    "announce",
    "cached",
    "decorator",
    "no_whitespace",
    "timed",
    "validated",
]
