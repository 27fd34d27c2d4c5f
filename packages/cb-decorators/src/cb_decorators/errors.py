"""What can go wrong, as exceptions a caller can act on."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["DecoratorError", "StoreError", "StoreUnavailable", "UnhashableArgument", "ValidationError"]


class DecoratorError(Exception):
    """Any error of this package."""


class UnhashableArgument(DecoratorError, TypeError):
    """An argument that cannot be part of a cache key; the message names it and says what to do."""


class StoreError(DecoratorError):
    """A shared store that cannot be used, or a result that it cannot keep."""


class ValidationError(DecoratorError, ValueError):
    """A call whose arguments, or whose result, a predicate refused.

    ``function`` is the function's qualified name, ``arguments`` what the predicate saw, by name, and ``predicate`` the
    predicate's name. The message has all three, values shortened.
    """

    def __init__(
        self, text: str, *, function: str = "", arguments: Mapping[str, object] | None = None, predicate: str = ""
    ) -> None:
        super().__init__(text)
        self.function = function
        self.arguments: dict[str, object] = dict(arguments or {})
        self.predicate = predicate


class StoreUnavailable(StoreError):
    """A shared store that does not answer now. Callers see it only with ``strict=True``."""
