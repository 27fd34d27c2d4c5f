"""Functions for workers: importable by name in every child process, whatever its start method."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path

BAD = 50


def add_one(x: int) -> int:
    """One more."""
    return x + 1


def multiply(x: int, y: int) -> int:
    """The product."""
    return x * y


def raises(x: int) -> int:
    """ValueError at BAD."""
    if x == BAD:
        raise ValueError("boo")
    return x


def stops(x: int) -> int:
    """StopIteration at BAD."""
    if x == BAD:
        raise StopIteration
    return x


def exits(x: int) -> int:
    """SystemExit at BAD."""
    if x == BAD:
        raise SystemExit(3)
    return x


def interrupts(x: int) -> int:
    """KeyboardInterrupt at BAD, which nobody has pressed."""
    if x == BAD:
        raise KeyboardInterrupt
    return x


def dies(x: int) -> int:
    """The worker is killed at BAD."""
    if x == BAD:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def hangs(x: int) -> int:
    """Never returns at BAD."""
    if x == BAD:
        threading.Event().wait()
    return x


leave = threading.Event()


def hangs_until_left(x: int) -> int:
    """Hangs at BAD until the test that shares this process says otherwise."""
    if x == BAD:
        leave.wait()
    return x


def dies_once(x: int, flag: str) -> int:
    """The first to make the file dies."""
    try:
        Path(flag).open("x").close()
    except FileExistsError:
        return x
    os.kill(os.getpid(), signal.SIGKILL)
    return -1


def dies_here_once(x: int, flag: str) -> int:
    """The first at BAD dies."""
    return dies_once(x, flag) if x == BAD else x


def fails_first(x: int, folder: str) -> int:
    """Fails at the first call for an item."""
    try:
        (Path(folder) / str(x)).open("x").close()
    except FileExistsError:
        return x
    raise ConnectionError(f"first call for {x}")


def hangs_first(x: int, folder: str) -> int:
    """Hangs at the first call for an item that is BAD."""
    if x == BAD:
        try:
            (Path(folder) / str(x)).open("x").close()
        except FileExistsError:
            return x
        threading.Event().wait()
    return x


def pid_of(_: int) -> int:
    """Who ran it."""
    return os.getpid()


def gives_lock(x: int) -> object:
    """A result that does not pickle, at 3."""
    return threading.Lock() if x == 3 else x


class OnlyHere(Exception):
    """Pickles, and does not come back."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def raises_only_here(x: int) -> int:
    """An error that does not come back, at 3."""
    if x == 3:
        raise OnlyHere(1, 2)
    return x


class LocalOnly:
    """Does not pickle."""

    def __reduce__(self) -> str:
        raise TypeError("stays here")


def raises_unpicklable(x: int) -> int:
    """An error that does not pickle, at 3."""
    if x == 3:
        raise KeyError(LocalOnly())
    return x


async def a_exits(x: int) -> int:
    """SystemExit at BAD."""
    return exits(x)


async def a_interrupts(x: int) -> int:
    """KeyboardInterrupt at BAD."""
    return interrupts(x)


async def slept(x: int) -> int:
    """After one turn of the loop."""
    await asyncio.sleep(0)
    return x


async def a_raises(x: int) -> int:
    """`raises`, as a coroutine."""
    await asyncio.sleep(0)
    return raises(x)


async def a_stops(x: int) -> int:
    """`stops`, as a coroutine."""
    await asyncio.sleep(0)
    return stops(x)


async def a_hangs(x: int) -> int:
    """Never returns at BAD, as a coroutine."""
    if x == BAD:
        await asyncio.Event().wait()
    return x
