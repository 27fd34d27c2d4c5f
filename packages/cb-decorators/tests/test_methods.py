"""Methods: results for each instance, gone with it; class and static methods."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import weakref
from dataclasses import dataclass
from typing import Any

import pytest
from cb_decorators import CacheInfo, DecoratorError, Timings, cached
from decorators_support import in_threads, join


@dataclass
class Shop:
    """Instances that are equal, and cannot be hashed."""

    name: str

    @cached(maxsize=2, ttl=60)
    def price(self, item: str, amount: int = 1) -> str:
        """Look it up."""
        return f"{self.name} {item} {amount}"

    @cached
    async def order(self, item: str) -> str:
        return f"{self.name} {item}"

    @cached
    @classmethod
    def open(cls, name: str) -> str:
        return f"{cls.__name__} {name}"

    @cached
    @staticmethod
    def tax(amount: int) -> int:
        return amount * 2

    @classmethod
    @cached
    def below(cls, name: str) -> str:
        return f"{cls.__name__} {name}"

    @staticmethod
    @cached
    def static_below(amount: int) -> int:
        return amount * 3


class Market(Shop):
    """Inherits all of it."""


def test_each_instance_has_its_own_results() -> None:
    """Also where instances are equal, or cannot be hashed; each up to `maxsize`."""
    one, other = Shop("x"), Shop("x")
    assert one.price("tea") == one.price(item="tea", amount=1) == "x tea 1"
    assert other.price.cache_info() == (0, 0, 2, 0, 0)
    one.name = "y"
    assert (one.price("tea"), other.price("tea")) == ("x tea 1", "x tea 1")
    for item in "abc":
        one.price(item)
    assert one.price.cache_info() == CacheInfo(2, 4, 2, 2, 0)
    assert other.price.contains("tea")


def test_operations_on_one_instance() -> None:
    """Taken from an instance they do not want it; taken from the class they do."""
    one, other = Shop("x"), Shop("x")
    one.price.put("free", "tea")
    Shop.price.put("cheap", other, "tea")
    assert (one.price("tea"), other.price("tea")) == ("free", "cheap")
    assert (one.price.invalidate("tea"), Shop.price.invalidate(other, "tea")) == (True, True)
    assert not Shop.price.contains(other, "tea")
    one.name = "z"
    assert (one.price.refresh("tea"), Shop.price.refresh(one, "tea"), Shop.price(one, "tea")) == ("z tea 1",) * 3
    before = Shop.price.cache_info()
    assert before.misses >= 2
    Shop.price.cache_clear()
    assert not one.price.contains("tea")
    assert Shop.price.cache_info().currsize == 0


def test_instances_are_freed() -> None:
    """At once, with all that was kept for them, and whether or not other methods were called."""
    one = Shop("x")
    one.price("tea")
    asyncio.run(one.order("tea"))
    gone = weakref.ref(one)
    kept = len(Shop.__dict__["price"]._made)
    gc.disable()
    try:
        del one
        assert gone() is None
    finally:
        gc.enable()
    assert len(Shop.__dict__["price"]._made) == kept - 1


def test_a_method_keeps_its_face() -> None:
    """Documentation, name, signature; two looks at it are equal."""
    one = Shop("x")
    assert (one.price.__doc__, Shop.price.__name__, Shop.price.__doc__) == ("Look it up.", "price", "Look it up.")
    assert list(inspect.signature(Shop.price).parameters) == ["self", "item", "amount"]
    assert list(inspect.signature(one.price).parameters) == ["item", "amount"]
    assert one.price == one.price
    assert inspect.iscoroutinefunction(one.order)


def test_coroutine_methods() -> None:
    """Through an instance and through the class."""
    one = Shop("x")
    assert asyncio.run(one.order("a")) == asyncio.run(Shop.order(one, "a")) == "x a"
    assert one.order.cache_info() == (1, 1, 128, 1, 0)


@pytest.mark.parametrize("take", [lambda: Shop, lambda: Shop("x")])
def test_class_and_static_methods(take: Any) -> None:
    """From the class and from an instance, whichever decorator is on top."""
    owner = take()
    assert [owner.open("a"), owner.open(name="a")] == ["Shop a"] * 2
    assert Market.open("a") == "Market a"
    assert [owner.tax(2), owner.static_below(2), owner.below("a"), Market.below("a")] == [4, 6, "Shop a", "Market a"]
    owner.tax.cache_clear()
    assert owner.tax.cache_info() == (0, 0, 128, 0, 0)
    owner.open.cache_clear()
    owner.open("a")
    assert owner.open.cache_info().misses == 1
    assert Shop.__dict__["open"].cache_info().misses >= 1


def test_under_other_decorators() -> None:
    """A decorator over it calls it like a function; results still belong to the instance."""
    timings = Timings()

    class Slow:
        @timings("slow")
        @cached
        def method(self, x: int) -> int:
            return x

        @timings("async")
        @cached
        async def awaited(self, x: int) -> int:
            return x

    one = Slow()
    assert [one.method(1), one.method(x=1)] == [1, 1]
    assert asyncio.run(one.awaited(2)) == 2
    assert [summary.calls for summary in timings.stats()] == [2, 1]
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None


def test_instances_without_weak_references() -> None:
    """Said clearly when called, with what to do; with `__weakref__` it works."""

    class Tight:
        __slots__ = ()

        @cached
        def method(self) -> int:
            return 1

    class Loose:
        __slots__ = ("__weakref__",)
        method = Tight.__dict__["method"]

    with pytest.raises(DecoratorError, match=r"add '__weakref__' to its __slots__"):
        Tight().method()
    assert Loose().method() == 1


def test_instances_made_by_many_threads_get_one_cache_each() -> None:
    """The first calls of one instance, all at once."""
    for _ in range(20):
        one = Shop("x")
        join(in_threads(8, functools.partial(one.price, "tea")))
        assert sum(one.price.cache_info()[:2]) + one.price.cache_info().waits == 8
        assert one.price.cache_info().misses == 1
    method = Shop.__dict__["price"]
    assert method._make(one) is method._make(one)  # what the slower of two threads finds


def test_a_copied_instance_has_no_results() -> None:
    """Copies and pickles take nothing along, and nothing of the original's."""
    import copy
    import pickle

    one = Shop("x")
    one.price("tea")
    for twin in (copy.copy(one), pickle.loads(pickle.dumps(one))):
        twin.name = "twin"
        assert twin.price("tea") == "twin tea 1"
