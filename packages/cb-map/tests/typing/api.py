"""The public API, type-checked from outside."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any, assert_type

from cb_map import (
    AsyncMapped,
    ItemError,
    Mapped,
    Stats,
    apmap,
    attach,
    compose,
    imap,
    latest,
    map_list,
    omit,
    pick,
    pmap,
    redact,
    rename,
    through,
)


def one(a: int) -> str:
    return str(a)


def two(a: int, b: str) -> bytes:
    return b.encode() * a


def five(a: int, b: str, c: bytes, d: float, e: bool) -> int:
    return int(a or b or c or d or e)


async def later(a: int) -> str:
    return str(a)


XS: list[int] = [1]
WORDS: list[str] = ["a"]

assert_type(imap(one, XS), Iterator[str])
assert_type(imap(two, XS, WORDS, mode="strict"), Iterator[bytes])
assert_type(imap(five, XS, WORDS, [b""], [1.0], [True]), Iterator[int])
assert_type(imap(two, XS, WORDS, mode="longest", fill=0), Iterator[bytes])
assert_type(map_list(one, XS), list[str])
assert_type(pmap(one, XS), Mapped[str])
assert_type(pmap(two, XS, WORDS, backend="process", workers=2, ordered=False), Mapped[bytes])
assert_type(pmap(one, XS, errors="return", timeout=1.5), Mapped[str | ItemError])
assert_type(pmap(one, XS, errors=lambda error: error.index), Mapped[str | int])
assert_type(pmap(later, XS, backend="async"), Mapped[str])
assert_type(pmap(one, XS).stats(), Stats)


def on(pool: Executor) -> Mapped[str]:
    return pmap(one, XS, backend=pool)


async def main() -> None:
    assert_type(apmap(later, XS), AsyncMapped[str])
    assert_type([text async for text in apmap(later, XS)], list[str])


imap(one, WORDS)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
pmap(one, WORDS)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
pmap(one, WORDS, backend="process")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
pmap(two, XS, XS)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
pmap(five, XS, WORDS, [b""], [1.0], ["x"])  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]

Record = dict[str, Any]
RECORDS: list[Record] = [{"a": 1}]
assert_type(list(map(pick("a", missing="skip"), RECORDS)), list[Record])
assert_type(list(map(omit("a"), RECORDS)), list[Record])
assert_type(through(RECORDS, redact("a", with_=None), rename({"a": "b"})), Iterator[Record])
assert_type(compose(omit("a"))({}), Record | None)
assert_type(attach(latest(RECORDS, by="a", on="b"), key="a", into="c")({}), Record | None)
