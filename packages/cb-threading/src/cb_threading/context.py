"""Data that each thread has for itself, and what there is to know about a thread."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["ThreadContext", "ThreadInfo", "thread_info"]

T = TypeVar("T")
D = TypeVar("D")


class _Holder(Generic[T]):
    """Dies with its thread: the thread-local namespace is all that refers to it."""

    __slots__ = ("__weakref__", "value")

    def __init__(self, value: T) -> None:
        self.value = value


class ThreadContext(Generic[T]):
    """One value for each thread, made by *factory* when the thread first asks, given to *close* when it ends.

    Make one and share it (a module's global, an attribute): the object is common, the value is not. Values of threads
    that are alive at the program's end are closed then.

    >>> numbers = ThreadContext(list)
    >>> numbers.value.append(1)
    >>> numbers.get(None)
    [1]
    >>> from cb_threading import spawn
    >>> spawn(numbers.get, None).result() is None
    True
    """

    def __init__(self, factory: Callable[[], T] | None = None, *, close: Callable[[T], object] | None = None) -> None:
        self._local = threading.local()
        self._factory = factory
        self._close = close

    @property
    def value(self) -> T:
        """The value of the thread that asks; made now if there is a factory, else a LookupError."""
        holder: _Holder[T] | None = getattr(self._local, "holder", None)
        if holder is not None:
            return holder.value
        if self._factory is None:
            raise LookupError(
                f"{threading.current_thread().name} does not have a value yet (set one, or give a factory)"
            )
        self.value = made = self._factory()
        return made

    @value.setter
    def value(self, value: T) -> None:
        self.clear()
        holder = _Holder(value)
        if self._close is not None:
            self._local.closes = weakref.finalize(holder, self._close, value)
        self._local.holder = holder

    def get(self, default: D) -> T | D:
        """The value of the thread that asks or, where it has none, the default. Makes none."""
        holder: _Holder[T] | None = getattr(self._local, "holder", None)
        return default if holder is None else holder.value

    def clear(self) -> None:
        """Close the calling thread's value and forget it."""
        self._local.holder = None  # the last reference: closes it


@dataclass(frozen=True, slots=True)
class ThreadInfo:
    """A thread's names and flags. ``native_id`` is the one that the system's tools show (top -H, gdb)."""

    name: str
    ident: int | None
    native_id: int | None
    alive: bool
    daemon: bool
    main: bool


def thread_info(thread: threading.Thread | None = None) -> ThreadInfo:
    """What there is to know about a thread, by default the one that asks.

    >>> thread_info().alive
    True
    """
    thread = thread or threading.current_thread()
    return ThreadInfo(
        thread.name,
        thread.ident,
        thread.native_id,
        thread.is_alive(),
        thread.daemon,
        thread is threading.main_thread(),
    )
