"""The levels, by name and number."""

from __future__ import annotations

import logging
from enum import IntEnum

from cb_logging.errors import ConfigError

__all__ = ["Level", "level"]


class Level(IntEnum):
    """How severe a record is. A logger or handler passes records *at or above* its level.

    >>> [str(one) for one in Level if one >= Level.ERROR]
    ['ERROR', 'CRITICAL']
    """

    NOTSET = 0
    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50

    def __str__(self) -> str:
        return self.name

    @property
    def meaning(self) -> str:
        """When to use it."""
        return _MEANINGS[self.value]


_MEANINGS = {
    0: "on a logger: ask the parent; on a handler: take everything",
    10: "details for whoever looks for a fault",
    20: "all goes as it should",
    30: "something unexpected, or trouble ahead; the program goes on",
    40: "something could not be done",
    50: "the program itself may not be able to go on",
}


def level(value: str | int) -> int:
    """Return the number of a level given by name (any case, also names made with `logging.addLevelName`) or number.

    Raises:
        ConfigError: There is no level of that name.

    >>> level("warning"), level("15"), level(40)
    (30, 15, 40)
    """
    if isinstance(value, int):
        return int(value)
    names = logging.getLevelNamesMapping()
    text = value.strip()
    if text.isdecimal():
        return int(text)
    try:
        return names[text] if text in names else names[text.upper()]
    except KeyError:
        raise ConfigError("level", value, "is no level", names) from None
