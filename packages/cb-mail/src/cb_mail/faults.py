"""What a catching server does wrong on purpose: ``RCPT:451:30%``, ``EOM:cut``, ``MAIL:delay=2``, ``RCPT:550:bob@*``."""

from __future__ import annotations

import fnmatch
import random
import re
from dataclasses import dataclass, field
from typing import Final

from cb_mail.text import shown

__all__ = ["POINTS", "Fault", "Faults"]

POINTS: Final = ("CONNECT", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "EOM", "QUIT")
"""Where: at a command; ``CONNECT`` is before the greeting, ``EOM`` after a message's end and before its answer."""
_ACTION: Final = re.compile(r"([45]\d\d)|(cut|stall|endless)|delay=(\d+(?:\.\d+)?)")


@dataclass(slots=True)
class Fault:
    """One of them.

    Args:
        point: One of `POINTS`.
        code: The answer, like 451; 0 for none.
        action: ``cut`` closes the connection, ``stall`` never answers, ``endless`` answers without an end.
        delay: Seconds before the answer.
        chance: How often, from 0 to 1.
        times: Only the first so many times; 0 for always.
        pattern: Only for addresses like this (MAIL, RCPT).
    """

    point: str
    code: int = 0
    action: str = ""
    delay: float = 0.0
    chance: float = 1.0
    times: int = 0
    pattern: str = ""
    _done: int = field(default=0, repr=False)

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read ``POINT:ACTION[:WHEN]``.

        An action is a code, ``cut``, ``stall``, ``endless`` or ``delay=SECONDS``; WHEN is ``30%``, ``first=2`` or a
        pattern of addresses.

        Raises:
            ValueError: It is none.

        >>> Fault.parse("RCPT:451:30%")
        Fault(point='RCPT', code=451, action='', delay=0.0, chance=0.3, times=0, pattern='')
        """
        point, _, rest = text.partition(":")
        what, _, when = rest.partition(":")
        found = _ACTION.fullmatch(what)
        if point.upper() not in POINTS or not found:
            raise ValueError(
                f"fault {shown(text)}: not POINT:ACTION[:WHEN], as RCPT:451:30% or EOM:cut ({' '.join(POINTS)})"
            )
        fault = cls(point.upper(), int(found[1] or 0), found[2] or "", float(found[3] or 0))
        if percent := re.fullmatch(r"(\d+(?:\.\d+)?)%", when):
            fault.chance = float(percent[1]) / 100
        elif first := re.fullmatch(r"first=(\d+)", when):
            fault.times = int(first[1])
        else:
            fault.pattern = when
        return fault

    def happens(self, chance: float, address: str) -> bool:
        """Whether it happens now; *chance* is a random number."""
        if chance >= self.chance or (self.pattern and not fnmatch.fnmatch(address, self.pattern)):
            return False
        if self.times and self._done >= self.times:
            return False
        self._done += 1
        return True


class Faults:
    """All of them. The same *seed* gives the same faults for the same commands."""

    def __init__(self, faults: tuple[Fault, ...] = (), *, seed: int | None = None) -> None:
        self._at: dict[str, list[Fault]] = {}
        for fault in faults:
            self._at.setdefault(fault.point, []).append(fault)
        self._random = random.Random(seed)  # noqa: S311 - faults are no secrets

    def at(self, point: str, address: str = "") -> Fault | None:
        """Return what goes wrong here, or None."""
        for fault in self._at.get(point, ()):
            if fault.happens(self._random.random(), address):
                return fault
        return None
