"""The app's settings: one dict, ``RIDDLES``, each key with a default and a rule."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

from django.conf import settings

REVEAL = ("after_correct", "after_answer", "never")
_RATE = re.compile(r"([1-9][0-9]*)/([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Conf:
    """What ``RIDDLES`` in the settings may say."""

    LATEST: int = 5
    """How many riddles the list shows, and each page of older ones."""
    SHUFFLE: bool = True
    """Whether each visitor sees the options in an order of their own."""
    RECORD_ATTEMPTS: bool = True
    """Whether answers are kept; without them there is no success rate, progress or streak."""
    REVEAL: str = "after_correct"
    """When the explanation is shown: after_correct, after_answer or never."""
    RATE_LIMIT: str = "60/m"
    """How many answers an address or a user may give: a number, a slash, s, m, h or d; empty for no limit."""

    @property
    def rate(self) -> tuple[int, int]:
        """The rate limit as a count and a number of seconds; a count of 0 is no limit."""
        if not (found := _RATE.fullmatch(self.RATE_LIMIT)):
            return 0, 1
        return int(found[1]), _SECONDS[found[2]]


def current() -> Conf:
    """Return the settings as they are now; what system checks refuse is left out."""
    given: Any = getattr(settings, "RIDDLES", {})
    return Conf(**given)


def wrong(given: Any) -> list[str]:
    """Return what is wrong with *given*, a value for ``RIDDLES``, each as one line that says what to do."""
    if not isinstance(given, dict):
        return [f"RIDDLES is {given!r}, not a dict (write RIDDLES = {{}} or leave it out)"]
    there = {field.name: field.type for field in fields(Conf)}
    found = [f"RIDDLES[{key!r}] means nothing (there are: {', '.join(there)})" for key in given if key not in there]
    for key in given.keys() & there.keys():
        value, kind = given[key], there[key]
        if type(value).__name__ != kind:
            found.append(f"RIDDLES[{key!r}] is {value!r} (it must be of type {kind})")
        elif key == "LATEST" and not 1 <= value <= 1000:
            found.append(f"RIDDLES['LATEST'] is {value!r} (it must be from 1 to 1000)")
        elif key == "REVEAL" and value not in REVEAL:
            found.append(f"RIDDLES['REVEAL'] is {value!r} (there are: {', '.join(REVEAL)})")
        elif key == "RATE_LIMIT" and value and not _RATE.fullmatch(value):
            found.append(f"RIDDLES['RATE_LIMIT'] is {value!r} (it must be like '60/m', or empty)")
    return found
