"""Commands made of a template and values, with GNU parallel's replacement strings. Pure: no I/O, no shell.

``{}`` the value, ``{.}`` without its extension, ``{/}`` its last part, ``{//}`` its folder, ``{/.}`` last part without
extension, ``{#}`` the job's number, ``{%}`` its slot; ``{2}``, ``{2.}`` … the same of the second value. A value stays
one word, whatever is in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from cb_subprocess.command import Shell, quote, split
from cb_subprocess.errors import BadCommand

__all__ = ["Template"]

_FIELD = re.compile(r"\{(#|%|(\d*)(\.|//|/\.|/|))\}")
_PARTS: dict[str, Callable[[str], str]] = {
    "": lambda value: value,
    ".": lambda value: os.path.splitext(value)[0],  # noqa: PTH122  # keeps the text as it is
    "/": os.path.basename,
    "//": lambda value: os.path.dirname(value) or ".",  # noqa: PTH120
    "/.": lambda value: os.path.splitext(os.path.basename(value))[0],  # noqa: PTH119, PTH122
}


class Template:
    """A command with places for values. Without a place, the values are put behind it.

    >>> Template(["gzip", "-k", "{}"]).command(["a b.txt"], 1, 1)
    ['gzip', '-k', 'a b.txt']
    >>> Template(["gzip -c {} > {.}.gz"], shell=True).command(["a b.txt"], 1, 1).text
    "gzip -c 'a b.txt' > 'a b'.gz"
    """

    def __init__(self, words: Sequence[str], *, shell: bool = False) -> None:
        places = [match for word in words for match in _FIELD.finditer(word)]
        taken = any(match[1] not in "#%" or not match[1] for match in places)
        self._words = list(words) if taken or not words else [*words, "{}"]
        self._shell = shell
        self.slotted: bool = any(match[1] == "%" for match in places)

    def command(self, values: Sequence[str], number: int, slot: int) -> list[str] | Shell:
        """The command for these values: words, or a text for a shell with the values quoted.

        Raises:
            BadCommand: A place asks for a value that is not there, or the line that is the command is empty.
        """
        if not self._words:
            line = " ".join(values)
            return Shell(line) if self._shell else split(line)

        def place(match: re.Match[str]) -> str:
            kind, position, part = match.groups()
            if kind in ("#", "%"):
                return str(number if kind == "#" else slot)
            if position and int(position) not in range(1, len(values) + 1):
                raise BadCommand(f"{match[0]} is not there, there are {len(values)} values (--colsep, or another :::?)")
            chosen = [values[int(position) - 1]] if position else values
            made = [_PARTS[part](value) for value in chosen]
            return " ".join(map(quote, made)) if self._shell else " ".join(made)

        filled = [
            list(values) if word == "{}" and not self._shell else [_FIELD.sub(place, word)] for word in self._words
        ]
        flat = [word for words in filled for word in words]
        return Shell(" ".join(flat)) if self._shell else flat

    def jobs(self, rows: Iterable[Sequence[str]]) -> Iterator[list[str] | Shell | Callable[[int], list[str] | Shell]]:
        """A command for each row; where the slot is in it, what makes one of a slot."""
        for number, row in enumerate(rows, 1):
            if self.slotted:
                yield lambda slot, row=row, number=number: self.command(row, number, slot)  # type: ignore[misc]
            else:
                try:
                    yield self.command(row, number, 0)
                except BadCommand as error:
                    error.job = number
                    raise
