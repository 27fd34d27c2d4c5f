"""Wrappers that have the very signature of what they wrap.

``def wrapper(*args, **kwargs)`` packs and unpacks every call, accepts wrong ones, and leaves it to the wrapped function
to say what is missing. Here a wrapper is written as source with the function's own parameter list and compiled once,
as dataclasses do it: a call costs what a call costs, ``f(1)``, ``f(x=1)`` and a default left out are the same call from
the first line on, and a wrong call fails where it is made.

A default is handed over as the object it is, never as source. Names that the source adds start with a mark that none of
the function's own names starts with. A callable whose signature cannot be read, or written (some built-ins), gets
``*args, **kwargs``.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import keyword
import linecache
import string
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["MARK", "Factory", "Shape", "is_async", "name_of", "parameters_of", "refuse_descriptor", "shape_of"]

MARK = "_cb_"
"""What names in a body start with; changed for another mark where the function's own names start with it."""

_serial = itertools.count(1)
_Kind = inspect._ParameterKind  # noqa: SLF001 - the enumeration has no public name


@dataclass(frozen=True, slots=True)
class Shape:
    """The parameter list of a function, as the pieces of source that a wrapper is made of."""

    parameters: str
    """As between the parentheses of ``def``; defaults are names."""
    names: tuple[str, ...]
    """All parameters, in order."""
    kinds: dict[str, _Kind]
    defaults: dict[str, object]
    """The objects behind the names of defaults."""
    optional: frozenset[str]
    """Those with a default."""
    mark: str

    @property
    def args(self) -> str:
        """The positional arguments of a call as a tuple."""
        inner = "".join(
            f"{self.star(name)}{name}, "
            for name in self.names
            if self.kinds[name] not in {_Kind.KEYWORD_ONLY, _Kind.VAR_KEYWORD}
        )
        return f"({inner.rstrip()})"

    @property
    def kwargs(self) -> str:
        """The arguments that only a keyword can pass, as a dict."""
        only = [f"{name!r}: {name}" for name in self.names if self.kinds[name] is _Kind.KEYWORD_ONLY]
        rest = [f"**{name}" for name in self.names if self.kinds[name] is _Kind.VAR_KEYWORD]
        return "{" + ", ".join(only + rest) + "}"

    @property
    def forward(self) -> str:
        """The arguments, as they are passed on."""
        return ", ".join(
            f"{name}={name}" if self.kinds[name] is _Kind.KEYWORD_ONLY else f"{self.star(name)}{name}"
            for name in self.names
        )

    def by_position(self, count: int) -> list[str]:
        """Return the name of the parameter that takes each of *count* positional arguments."""
        plain = [
            name for name in self.names if self.kinds[name] in {_Kind.POSITIONAL_ONLY, _Kind.POSITIONAL_OR_KEYWORD}
        ]
        rest = [name for name in self.names if self.kinds[name] is _Kind.VAR_POSITIONAL]
        return plain[:count] + rest * (count - len(plain))

    def star(self, name: str) -> str:
        """``*`` and ``**`` for the parameters that collect."""
        return {_Kind.VAR_POSITIONAL: "*", _Kind.VAR_KEYWORD: "**"}.get(self.kinds[name], "")

    def key(self, leave_out: Collection[str] = ()) -> str:
        """An expression for what tells this call from others: the argument itself where there is one, else a tuple."""
        parts = [
            f"{self.mark}frozenset({name}.items())" if self.kinds[name] is _Kind.VAR_KEYWORD else name
            for name in self.names
            if name not in leave_out
        ]
        return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def shape_of(function: Callable[..., object]) -> Shape:
    """Read the signature of *function* itself: not of what it wraps, which may take other arguments."""
    found = parameters_of(function)
    mark = MARK
    while any(name.startswith(mark) for name in [*(one.name for one in found), name_of(function)]):
        mark += "_"

    pieces: list[str] = []
    defaults: dict[str, object] = {}
    for before, one in zip([None, *found], [*found, None], strict=True):  # pragma: no branch # left by break
        if before and before.kind is _Kind.POSITIONAL_ONLY and not (one and one.kind is _Kind.POSITIONAL_ONLY):
            pieces.append("/")
        if one is None:
            break
        if one.kind is _Kind.KEYWORD_ONLY and not (before and before.kind in {_Kind.VAR_POSITIONAL, one.kind}):
            pieces.append("*")
        star = {_Kind.VAR_POSITIONAL: "*", _Kind.VAR_KEYWORD: "**"}.get(one.kind, "")
        if one.default is one.empty:
            pieces.append(star + one.name)
        else:
            default = f"{mark}d{len(defaults)}"
            defaults[default] = one.default
            pieces.append(f"{one.name}={default}")
    kinds = {one.name: one.kind for one in found}
    optional = frozenset(one.name for one in found if one.default is not one.empty)
    return Shape(", ".join(pieces), tuple(kinds), kinds, defaults, optional, mark)


def parameters_of(function: Callable[..., object]) -> list[inspect.Parameter]:
    """Return the parameters as they can be written: ``*args, **kwargs`` where they cannot be read."""
    options: dict[str, Any] = {"follow_wrapped": False}
    if sys.version_info >= (3, 14):  # pragma: no cover # annotations may name what is not there at run time
        import annotationlib

        options["annotation_format"] = annotationlib.Format.STRING
    try:
        found = list(inspect.signature(function, **options).parameters.values())
    except (ValueError, TypeError):
        pass
    else:
        if all(one.name.isidentifier() and not keyword.iskeyword(one.name) for one in found):
            return found
    return [inspect.Parameter("args", _Kind.VAR_POSITIONAL), inspect.Parameter("kwargs", _Kind.VAR_KEYWORD)]


def refuse_descriptor(function: object, decorator: str) -> None:
    """Raise where a decorator for functions is given what only a class can make one of."""
    if isinstance(function, classmethod | staticmethod):
        kind = type(function).__name__
        raise TypeError(f"@{decorator} stands under @{kind}, not over it")
    if not callable(function):
        raise TypeError(f"@{decorator} is for functions, not {type(function).__qualname__}: {function!r}")


class Factory:
    """Source compiled once, from which wrappers of *function* are made.

    *body* is the wrapper's body, a ``string.Template``: ``$args``, ``$kwargs`` and ``$forward`` stand for the pieces of
    the shape, other ``$names`` for *pieces*. Names in it that start with ``_cb_`` are locals, or what :meth:`make` is
    given (without the prefix); *given* lists the latter.
    """

    def __init__(
        self,
        function: Callable[..., object],
        shape: Shape,
        body: str,
        given: Sequence[str],
        *,
        purpose: str,
        asynchronous: bool = False,
        **pieces: str,
    ) -> None:
        self._function = function
        self._shape = shape
        name = getattr(function, "__name__", "")
        name = name if name.isidentifier() and not keyword.iskeyword(name) else f"{shape.mark}wrapper"
        template = string.Template(body.replace(MARK, shape.mark))  # before any of the function's own names is in it
        text = template.substitute(pieces, args=shape.args, kwargs=shape.kwargs, forward=shape.forward)
        lines = [
            f"def {shape.mark}make({', '.join([*(shape.mark + one for one in given), *shape.defaults])}):",
            f"    {'async ' if asynchronous else ''}def {name}({shape.parameters}):",
            *(f"        {line}" for line in text.splitlines()),
            f"    return {name}",
        ]
        source = "\n".join(lines) + "\n"
        file = f"<{purpose} {name_of(function)} {next(_serial)}>"
        namespace: dict[str, Any] = {f"{shape.mark}frozenset": frozenset}
        exec(compile(source, file, "exec"), namespace)  # noqa: S102 - made of checked identifiers only
        # Where tracebacks and debuggers look for a line; without a time of change it is kept.
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        self._make = namespace[f"{shape.mark}make"]

    def make(self, **values: object) -> Any:
        """Return a new wrapper, with the function's name, documentation, annotations and attributes."""
        marked = {self._shape.mark + name: value for name, value in values.items()}
        return functools.update_wrapper(self._make(**marked, **self._shape.defaults), self._function)


def name_of(function: object) -> str:
    """Return the qualified name of a callable; of its class, for one that has none (a ``functools.partial``)."""
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)


def is_async(function: object) -> bool:
    """Whether calling *function* makes a coroutine: a coroutine function, a partial of one, an async ``__call__``."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004 - it is the method that is wanted
    )
