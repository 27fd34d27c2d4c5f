"""The public API, type-checked from outside; every line with an ignore is a mistake that must be found."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, assert_type

import cb_decorators
from cb_decorators import (
    SPENT_TIME,
    Cached,
    CacheInfo,
    Call,
    Summary,
    Timings,
    UnhashableArgument,
    ValidationError,
    announce,
    cached,
    decorator,
    no_whitespace,
    timed,
    validated,
)
from cb_decorators.palindrome import complete, is_palindrome
from cb_decorators.stores import Store
from cb_decorators.stores.redis import RedisStore
from cb_decorators.stores.sqlite import SQLiteStore

assert_type(cb_decorators.__version__, str)


# A cached function keeps its parameters, everywhere.
@cached
def area(width: int, height: int = 1) -> float:
    """Return it."""
    return width * height


assert_type(area(1), float)
assert_type(area(width=1, height=2), float)
assert_type(area.invalidate(1, height=2), bool)
assert_type(area.contains(1), bool)
assert_type(area.refresh(1), float)
assert_type(area.cache_info(), CacheInfo)
area.put(2.0, 1)
area.cache_clear()
area("1")  # type: ignore[arg-type]
area()  # type: ignore[call-arg]
area(1, depth=2)  # type: ignore[call-arg]
area.invalidate("1")  # type: ignore[arg-type]
area.contains()  # type: ignore[call-arg]
area.refresh(1, 2, 3)  # type: ignore[call-arg]
area.put("2.0", 1)  # type: ignore[arg-type]
area.nothing()  # type: ignore[attr-defined]


# So does a coroutine function; what is kept is what its coroutine ends with.
@cached(ttl=timedelta(minutes=1), stale=5, maxsize=None, ignore=("session",), errors=(1, OSError))
async def load(session: object, key: str) -> bytes:
    """Return it."""
    return key.encode()


async def use() -> None:
    """Await it."""
    assert_type(await load(1, "a"), bytes)
    assert_type(await load.refresh(1, key="a"), bytes)
    load.put(b"", 1, "a")
    await load(1, 2)  # type: ignore[arg-type]
    load.put("text", 1, "a")  # type: ignore[arg-type]
    load.invalidate(1)  # type: ignore[call-arg]
    load(1, "a").upper()  # type: ignore[attr-defined]


class Shop:
    """Methods of every kind."""

    @cached(ttl=60)
    def price(self, item: str) -> int:
        """Return it."""
        return len(item)

    @cached
    async def order(self, item: str) -> int:
        """Return it."""
        return len(item)

    @cached
    @classmethod
    def open(cls, name: str) -> str:
        """Return it."""
        return name

    @timed
    @validated(no_whitespace)
    def sell(self, item: str) -> int:
        """Return it."""
        return len(item)


async def shopping(shop: Shop) -> None:
    """Use them."""
    assert_type(shop.price("tea"), int)
    assert_type(shop.price.invalidate("tea"), bool)
    assert_type(await shop.order("tea"), int)
    assert_type(Shop.open("a"), str)
    assert_type(shop.open.cache_info(), CacheInfo)
    assert_type(shop.sell("tea"), int)
    shop.price(1)  # type: ignore[arg-type]
    shop.price()  # type: ignore[call-arg]
    shop.price.invalidate(1)  # type: ignore[arg-type]
    shop.price.put("text", "tea")  # type: ignore[arg-type]
    await shop.order(1)  # type: ignore[arg-type]
    Shop.open(1)  # type: ignore[arg-type]
    Shop.open.invalidate(1)  # type: ignore[arg-type]
    shop.sell(1)  # type: ignore[arg-type]


def wants(one: Cached[[int], float, float]) -> None:
    """Take a cached function as an argument."""
    assert_type(one(1), float)


@cached
def halved(number: int) -> float:
    """Return it."""
    return number / 2


wants(halved)

# Options.
cached(ttl="soon")  # type: ignore[call-overload]
cached(max_size=1)  # type: ignore[call-overload]
store: Store = SQLiteStore("results", codec="pickle", local_ttl=1, lock_ttl=timedelta(seconds=5))
store = RedisStore("redis://127.0.0.1", prefix="mine", strict=True)
cached(store=store)


# The other decorators hand a function's type on.
@timed("adding", threshold=0.5, log=logging.getLogger(), template=SPENT_TIME, redact=("b",))
def add(a: int, b: int) -> int:
    """Return it."""
    return a + b


assert_type(add(1, b=2), int)
add("1", 2)  # type: ignore[arg-type]
with Timings()("block"):
    pass
assert_type(timed.report("json"), str)
assert_type(timed.stats(), list[Summary])
timed.report("xml")  # type: ignore[arg-type]


def positive(a: float) -> bool:
    """Whether it is."""
    return a > 0


@validated(positive, if_invalid=None)
def root(a: float) -> float:
    """Return it."""
    return a / 2


@validated(no_whitespace, if_invalid=0)
async def count(text: str) -> str:
    """Return it."""
    return text


assert_type(root(1), float | None)
counting: Callable[[str], Coroutine[Any, Any, str | int]] = count
root("1")  # type: ignore[arg-type]


@decorator
def passing(call: Call[Any]) -> Any:
    """Make the call."""
    return call()


@passing
@announce
def greet(name: str) -> str:
    """Return it."""
    return name


assert_type(greet("a"), str)
greet(1)  # type: ignore[arg-type]
plain: Callable[[str], str] = announce(sink=print)(complete)
assert_type(is_palindrome("a"), bool)

try:
    greet("a")
except UnhashableArgument:
    pass
except ValidationError as error:
    assert_type((error.function, error.arguments, error.predicate), tuple[str, dict[str, object], str])
