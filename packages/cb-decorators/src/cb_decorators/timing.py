"""``timed``: what calls take, added up; a line only where it was slow."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from string import Formatter
from time import perf_counter
from types import TracebackType
from typing import Any, Literal, ParamSpec, Self, TypeVar, overload

from cb_decorators.call import Call, shown
from cb_decorators.delegation import measured, measured_async
from cb_decorators.errors import DecoratorError
from cb_decorators.policy import Seconds, seconds_of
from cb_decorators.report import as_json, as_prometheus, as_table
from cb_decorators.signature import Factory, is_async, name_of, refuse_descriptor, shape_of
from cb_decorators.stats import FOLD_AT, Stats, Summary

__all__ = ["SPENT_TIME", "TOOK", "Timer", "Timings", "timed"]

P = ParamSpec("P")
R = TypeVar("R")

Log = logging.Logger | Callable[[str], object]

TOOK = "{name} took {seconds:.6f} s{outcome}"
"""The line that is logged unless another is given: no arguments, no result."""
SPENT_TIME = "spent {microseconds} microseconds in {name} with arguments {args}. Result was: {result}"
"""A line with arguments and result, both shortened."""

_FIELDS = {"name", "seconds", "milliseconds", "microseconds", "nanoseconds", "args", "result", "outcome"}
_open: ContextVar[tuple[tuple[Timer, float], ...]] = ContextVar("cb_decorators.timed", default=())
"""The blocks that the running code is in, and when it entered each: of a thread or a task, like the variable."""


class Timer:
    """A decorator and a context manager that adds what it measures to one name. Made by :class:`Timings`."""

    def __init__(
        self,
        timings: Timings,
        name: str | None,
        *,
        threshold: float,
        log: Log | None,
        level: int,
        template: str,
        redact: Collection[str],
    ) -> None:
        self._timings = timings
        self._name = name
        self._log = log
        self._limit = threshold
        self._level = level
        self._template = template
        self._redact = (redact,) if isinstance(redact, str) else tuple(redact)

    def __enter__(self) -> Self:
        if self._name is None:
            raise DecoratorError("a block has no name of its own: with timed('name'): ...")
        _open.set((*_open.get(), (self, perf_counter())))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end = perf_counter()
        around = _open.get()
        at = max(number for number, (timer, _) in enumerate(around) if timer is self)
        _open.set(around[:at] + around[at + 1 :])
        assert self._name is not None
        stats = self._timings.stats_of(self._name)
        spent = end - around[at][1]
        if error is None:
            stats.add(spent)
        else:
            stats.fail(spent)
        if self._log is not None and spent >= self._limit:
            self._say(self._name, spent, "()", "", error)

    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]:
        refuse_descriptor(function, "timed")
        shape = shape_of(function)
        stats = self._timings.stats_of(self._name or f"{function.__module__}.{name_of(function)}")
        called = str(getattr(function, "__name__", None) or name_of(function))

        def log(spent: float, result: Any, error: BaseException | None, args: tuple[Any, ...], kwargs: Any) -> None:
            if self._log is not None and spent >= self._limit:
                arguments = Call(function, args, kwargs).arguments(shape, self._redact)
                self._say(called, spent, arguments, result, error)

        def failed(spent: float, error: BaseException, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
            stats.fail(spent)
            log(spent, None, error, args, kwargs)

        def ended(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Callable[[float, BaseException | None], None]:
            def record(spent: float, error: BaseException | None) -> None:
                if error is not None:
                    failed(spent, error, args, kwargs)
                else:
                    stats.add(spent)
                    log(spent, "(a generator)", None, args, kwargs)

            return record

        generator = inspect.isgeneratorfunction(function)
        if generator:
            body = "return (yield from _cb_measured(_cb_function($forward), _cb_ended($args, $kwargs)))"
        elif inspect.isasyncgenfunction(function):
            body = "return _cb_measured(_cb_function($forward), _cb_ended($args, $kwargs))"
        else:
            body = _body(asynchronous=is_async(function), logs=self._log is not None)
        given = {
            "clock": perf_counter,
            "function": function,
            "samples": stats.samples,
            "fold": stats.fold,
            "len": len,
            "BaseException": BaseException,
            "failed": failed,
            "log": log,
            "limit": self._limit,
            "measured": measured if generator else measured_async,
            "ended": ended,
        }
        factory = Factory(function, shape, body, list(given), purpose="timed", asynchronous=is_async(function))
        wrapper: Callable[P, R] = factory.make(**given)
        return wrapper

    def _say(self, name: str, spent: float, args: str, result: Any, error: BaseException | None) -> None:
        text = self._template.format(
            name=name,
            seconds=spent,
            milliseconds=int(spent * 1e3),
            microseconds=int(spent * 1e6),
            nanoseconds=int(spent * 1e9),
            args=args,
            result=f"raised {type(error).__name__}" if error else _plain(result),
            outcome=f" and raised {type(error).__name__}" if error else "",
        )
        assert self._log is not None
        if isinstance(self._log, logging.Logger):
            self._log.log(self._level, "%s", text)
        else:
            self._log(text)


def _plain(result: object) -> str:
    """A string as it is, anything else as its repr; both shortened."""
    return shown(result)[1:-1] if isinstance(result, str) and result.isprintable() else shown(result)


def _body(*, asynchronous: bool, logs: bool) -> str:
    wait = "await " if asynchronous else ""
    log = "if _cb_spent >= _cb_limit:\n    _cb_log(_cb_spent, _cb_result, None, $args, $kwargs)\n" if logs else ""
    return (
        "_cb_start = _cb_clock()\n"
        "try:\n"
        f"    _cb_result = {wait}_cb_function($forward)\n"
        "except _cb_BaseException as _cb_error:\n"
        "    _cb_failed(_cb_clock() - _cb_start, _cb_error, $args, $kwargs)\n"
        "    raise\n"
        "_cb_spent = _cb_clock() - _cb_start\n"
        "_cb_samples.append(_cb_spent)\n"
        f"if _cb_len(_cb_samples) >= {FOLD_AT}:\n"
        "    _cb_fold()\n"
        f"{log}"
        "return _cb_result\n"
    )


class Timings:
    """Times by name. ``timed`` is the one that everybody shares; a library makes its own."""

    def __init__(self) -> None:
        self._stats: dict[str, Stats] = {}
        self._mutex = threading.Lock()

    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def __call__(
        self,
        name: str | None = None,
        /,
        *,
        threshold: Seconds | None = None,
        log: Log | None = None,
        level: int = logging.INFO,
        template: str = TOOK,
        redact: Collection[str] = (),
    ) -> Timer: ...
    def __call__(
        self,
        name: Any = None,
        /,
        *,
        threshold: Seconds | None = None,
        log: Log | None = None,
        level: int = logging.INFO,
        template: str = TOOK,
        redact: Collection[str] = (),
    ) -> Any:
        """Time a function's calls, or a block, on a monotonic clock, and add the times up.

        A call is timed to its end, also where it raises; a coroutine function until its coroutine has ended, waiting
        included; a generator while it runs, without what its consumer does in between, as one call. A function that
        calls itself counts each call. Nothing is printed or kept of arguments and results unless a line is logged whose
        template names them.

        Args:
            name: What the times are added to; the function's module and qualified name if it is left out. Needed for a
                block.
            threshold: Log calls that take at least this long (seconds or timedelta); without it, and with ``log``, all.
            log: A logger, or a function of one text; ``logging.getLogger("cb_decorators")`` where only ``threshold``
                is given.
            level: The level to log at.
            template: The line, with ``{name} {seconds} {milliseconds} {microseconds} {nanoseconds} {args} {result}
                {outcome}``: times are the whole call's, ``outcome`` is empty or says which exception.
            redact: Names of parameters that ``{args}`` shows as ``***``.

        Raises:
            DecoratorError: A field that no line has, a threshold that is no time, a block without a name.

        A call costs two readings of the clock and one ``list.append`` more.

        >>> mine = Timings()
        >>> @mine(log=print, template="{name}{args} gave {result}", redact=("password",))
        ... def login(user, password):
        ...     return "welcome"
        >>> login("ana", "secret")
        login('ana', ***) gave welcome
        'welcome'
        >>> with mine("a block"):
        ...     pass
        >>> [(one.name.rpartition(".")[2], one.calls) for one in mine.stats()]
        [('login', 1), ('a block', 1)]
        """
        if name is not None and not isinstance(name, str):
            return self()(name)
        if unknown := sorted(
            {field.partition(".")[0] for _, field, _, _ in Formatter().parse(template) if field} - _FIELDS
        ):
            raise DecoratorError(f"template: no field {', '.join(unknown)} (there are {', '.join(sorted(_FIELDS))})")
        if log is None and threshold is not None:
            log = logging.getLogger("cb_decorators")
        limit = 0.0 if threshold is None else seconds_of(threshold, "threshold")
        return Timer(self, name, threshold=limit, log=log, level=level, template=template, redact=redact)

    def stats_of(self, name: str) -> Stats:
        """Return what the times of *name* are added to."""
        with self._mutex:
            return self._stats.setdefault(name, Stats(name))

    def stats(self) -> list[Summary]:
        """Return a summary of each name that was called, in the order of their first definition."""
        with self._mutex:
            every = list(self._stats.values())
        return [summary for summary in (one.summary() for one in every) if summary.calls]

    def report(self, format: Literal["table", "json", "prometheus"] = "table") -> str:  # noqa: A002
        """Return the times as a table for people, as JSON, or in Prometheus' text format.

        Raises:
            DecoratorError: There is no such format.
        """
        formats = {"table": as_table, "json": as_json, "prometheus": as_prometheus}
        if format not in formats:
            raise DecoratorError(f"no format {format!r} (there are {', '.join(formats)})")
        return formats[format](self.stats())

    def reset(self) -> None:
        """Forget all times."""
        with self._mutex:
            for one in self._stats.values():
                one.reset()


timed: Timings = Timings()
"""Time calls and blocks; see :meth:`Timings.__call__`."""
