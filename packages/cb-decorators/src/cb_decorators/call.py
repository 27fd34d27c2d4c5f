"""One call of a decorated function, as hooks see it."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cb_decorators.signature import Shape, name_of

__all__ = ["Call", "shown"]

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Call(Generic[R_co]):
    """A call that has not been made yet: calling it makes it.

    ``args`` holds what can be passed by position, defaults filled in, however the caller spelt it; ``kwargs`` what only
    a keyword can pass.

    >>> Call(pow, (2, 5), {})()
    32
    """

    function: Callable[..., R_co]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The function's name."""
        return str(getattr(self.function, "__name__", None) or name_of(self.function))

    def __call__(self) -> R_co:
        return self.function(*self.args, **self.kwargs)

    def arguments(self, shape: Shape | None = None, redact: Collection[str] = ()) -> str:
        """Return the arguments as text, each shortened, those named in *redact* as ``***``.

        >>> Call(pow, (2, 5), {"mod": 7}).arguments()
        '(2, 5, mod=7)'
        >>> Call(abs, ("x",), {}).arguments()
        "('x',)"
        """
        named = shape.by_position(len(self.args)) if shape else [""] * len(self.args)
        parts = ["***" if name in redact else shown(value) for name, value in zip(named, self.args, strict=True)]
        parts += [f"{name}={'***' if name in redact else shown(value)}" for name, value in self.kwargs.items()]
        return f"({parts[0]},)" if len(parts) == 1 and self.args else f"({', '.join(parts)})"


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 100


def shown(value: object) -> str:
    """Return a short ``repr``: 100 characters at most of a string, few elements of a container.

    >>> shown("a" * 1000)[:4], len(shown("a" * 1000))
    ("'aaa", 100)
    """
    return _short.repr(value)
