"""``announce`` and ``decorator``."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest
from cb_decorators import Call, DecoratorError, announce, decorator


def test_what_is_announced() -> None:
    """Arguments as they are passed on, shortened; a sink of one's own; none, one and several."""
    lines: list[str] = []

    @announce(sink=lines.append)
    def call(*args: object, key: int = 0) -> int:
        return key

    @announce(sink=lines.append)
    def nothing() -> None:
        pass

    call("a" * 1000, key=5)
    nothing()
    assert lines[0].startswith("you are calling call with 'aaa")
    assert lines[0].endswith("aaa', key=5 as parameters")
    assert len(lines[0]) < 160
    assert lines[1] == "you are calling nothing"


def test_a_partial_is_announced_by_its_class() -> None:
    """What has no name of its own."""
    assert Call(functools.partial(pow, 2), (3,), {}).name == "partial"


def test_hooks_over_coroutine_functions() -> None:
    """A plain hook may return the coroutine, or a value instead; an async hook awaits it."""

    @decorator
    async def doubling(call: Call[Any]) -> int:
        return 2 * await call()

    @decorator
    def instead(call: Call[Any]) -> int:
        return -1

    async def three() -> int:
        return 3

    assert asyncio.run(doubling(three)()) == 6
    assert asyncio.run(announce(sink=lambda _: None)(three)()) == 3
    assert asyncio.run(instead(three)()) == -1
    with pytest.raises(TypeError, match=r"doubling\(\) is async, .*<lambda>\(\) is not"):
        doubling(lambda: 1)


def test_what_is_no_hook() -> None:
    """It must be a function."""
    with pytest.raises(DecoratorError, match="a function of one Call, not 5"):
        decorator(5)  # type: ignore[arg-type]
