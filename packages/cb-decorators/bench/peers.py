"""The contenders: who decorates a function how. A peer that is not installed is left out, and said to be."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from importlib import metadata
from typing import Any

from cb_decorators import Timings, cached, validated

SIZE, TTL = 2048, 1000.0
LEFT_OUT: list[str] = []
PEERS = ("cachebox", "cachetools", "async-lru", "dogpile.cache", "codetiming", "deal", "icontract", "beartype", "redis")


def versions() -> str:
    """Of all that are here."""
    found = []
    for name in PEERS:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            LEFT_OUT.append(f"left out: {name} is not installed here")
    return ", ".join(found)


def available(makers: dict[str, Callable[[Callable[..., Any]], Any]], function: Callable[..., Any]) -> dict[str, Any]:
    """The function decorated by everyone who is installed."""
    found = {}
    for name, make in makers.items():
        try:
            found[name] = make(function)
        except ImportError:
            continue
    return found


def printed_cache(function: Callable[..., Any]) -> Callable[..., Any]:
    """As the book prints it, without the line it says."""
    cache: dict[int, Any] = {}

    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        key = hash(str(args))
        if key not in cache:
            cache[key] = function(*args)
        return cache[key]

    return wrapper


def _cachebox(function: Any) -> Any:
    import cachebox

    return cachebox.cached(cachebox.TTLCache(SIZE, TTL))(function)


def _ttl_cache(function: Any) -> Any:
    import cachetools.func

    return cachetools.func.ttl_cache(SIZE, TTL)(function)


def _condition(function: Any) -> Any:
    import cachetools

    return cachetools.cached(cachetools.TTLCache(SIZE, TTL), condition=threading.Condition())(function)


def _dogpile(function: Any) -> Any:
    from dogpile.cache import make_region

    return make_region().configure("dogpile.cache.memory", expiration_time=TTL).cache_on_arguments()(function)


def _async_lru(function: Any) -> Any:
    from async_lru import alru_cache

    return alru_cache(maxsize=SIZE, ttl=TTL)(function)


CACHES: dict[str, Callable[[Any], Any]] = {
    "plain call": lambda function: function,
    "functools.lru_cache (no ttl)": functools.lru_cache(SIZE),
    "cb-decorators (no ttl)": cached(maxsize=SIZE),
    "cb-decorators": cached(maxsize=SIZE, ttl=TTL),
    "cachebox": _cachebox,
    "cachetools ttl_cache": _ttl_cache,
    "cachetools with condition": _condition,
    "dogpile memory": _dogpile,
    "the book's": printed_cache,
}
ASYNC: dict[str, Callable[[Any], Any]] = {
    "plain await": lambda function: function,
    "cb-decorators": cached(maxsize=SIZE, ttl=TTL),
    "async-lru": _async_lru,
    "cachebox": _cachebox,
}


def _codetiming(function: Any) -> Any:
    from codetiming import Timer

    return Timer(name="x", logger=None)(function)


def _deal(function: Any) -> Any:
    import deal

    return deal.pre(lambda x, y: x > 0)(function)


def _icontract(function: Any) -> Any:
    import icontract

    return icontract.require(lambda x: x > 0)(function)


def _beartype(function: Any) -> Any:
    import beartype

    return beartype.beartype(function)


def printed_validation(function: Any) -> Any:
    """As the book prints it, with its missing parenthesis."""

    def check(*args: Any) -> bool:
        return args[0] > 0

    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        if check(*args):
            return function(*args)
        return None

    return wrapper


CALLS: dict[str, Callable[[Any], Any]] = {
    "plain call": lambda function: function,
    "timed": Timings(),
    "codetiming": _codetiming,
    "validated, one predicate": validated(lambda x: x > 0),
    "the book's validation": printed_validation,
    "deal.pre": _deal,
    "icontract.require": _icontract,
    "beartype": _beartype,
}
