"""The path language: ``a.b[0]."x.y"``, and RFC 6901 pointers such as ``/a/b/0``.

A path is a tuple of steps. A ``str`` is a key, and on a list the index that it spells; an ``int`` (``[0]``, ``[-1]``)
is an index, and on a dict a key that is a number; ``EVERY`` (``[*]``) is all elements of a list or all values of a
dict. What is parsed prints back to a text that parses to the same steps.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from cb_dict.errors import PathSyntaxError

__all__ = ["EVERY", "Every", "Path", "PathLike", "Step", "index_of", "path"]


class Every(enum.Enum):
    """The step ``[*]``."""

    EVERY = "[*]"


EVERY: Final = Every.EVERY
Step: TypeAlias = str | int | Every
PathLike: TypeAlias = "str | tuple[Step, ...]"

_BARE = re.compile(r'[^.\[\]"\x00-\x1f]+')
_QUOTED = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_BRACKET = re.compile(r"\[(?:(-?\d{1,18})|(\*))\]")
_INDEX = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_PLAIN = re.compile(r'[^.\[\]"\x00-\x1f/=\s][^.\[\]"\x00-\x1f=]*')  # what needs no quotes, in flat's lines either


class Path(tuple[Step, ...]):
    """The steps to a place in a document.

    >>> p = path('a.b[0]."x.y"')
    >>> tuple(p), str(p), p.pointer()
    (('a', 'b', 0, 'x.y'), 'a.b[0]."x.y"', '/a/b/0/x.y')
    """

    __slots__ = ()

    def __str__(self) -> str:
        text = "".join(_written(step) for step in self)
        return text.removeprefix(".")

    def __repr__(self) -> str:
        return f"Path({str(self)!r})"

    def __truediv__(self, step: Step) -> Path:
        return Path((*self, step))

    def pointer(self) -> str:
        """The path as an RFC 6901 pointer, as a JSON Patch spells it."""
        if EVERY in self:
            raise PathSyntaxError(f"{self}: [*] has no pointer (name one element)")
        return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in self)


@functools.lru_cache(maxsize=4096)
def _parsed(text: str) -> Path:
    if text.startswith("/"):
        return Path(_unescaped(part, text) for part in text[1:].split("/"))
    steps: list[Step] = []
    at = 0
    while at < len(text):
        if bracket := _BRACKET.match(text, at):
            steps.append(int(bracket[1]) if bracket[1] else EVERY)
            at = bracket.end()
            continue
        if steps:
            if text[at] != ".":
                raise _wrong(text, at, "expected '.', '[0]' or '[*]' here")
            at += 1
        if quoted := _QUOTED.match(text, at):
            steps.append(_key(quoted[0], text, at))
            at = quoted.end()
        elif bare := _BARE.match(text, at):
            steps.append(bare[0])
            at = bare.end()
        else:
            raise _wrong(text, at, "expected a key here, or [0], [-1] or [*]")
    return Path(steps)


def path(text: PathLike) -> Path:
    """The steps that *text* spells; a tuple of steps is taken as it is. ``""`` is the whole document.

    Raises ``PathSyntaxError`` with the column. Parsed texts are kept, up to 4,096 of them.

    >>> path("/a~1b/0"), path("servers[-1].port"), path(("a", 1))
    (Path('a/b.0'), Path('servers[-1].port'), Path('a[1]'))
    """
    if isinstance(text, str):
        return _parsed(text)
    return text if isinstance(text, Path) else checked(text)


def checked(steps: Iterable[object]) -> Path:
    """A path of *steps*, each of which must be a string, an integer or ``EVERY``."""
    found: list[Step] = []
    for step in steps:
        if not isinstance(step, (str, int, Every)) or isinstance(step, bool):
            raise PathSyntaxError(f"{step!r} is no step of a path (a string, an integer or EVERY)")
        found.append(step)
    return Path(found)


def index_of(step: Step) -> int | None:
    """The list index that a step means, or ``None``."""
    if isinstance(step, int):
        return step
    return int(step) if isinstance(step, str) and _INDEX.fullmatch(step) else None


def _written(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if isinstance(step, Every):
        return "[*]"
    if _PLAIN.fullmatch(step):
        return "." + step
    import json

    return "." + json.dumps(step, ensure_ascii=False)


def _key(quoted: str, text: str, at: int) -> str:
    import json

    try:
        return str(json.loads(quoted))
    except ValueError as error:
        raise _wrong(text, at, "the key in quotes is no JSON string") from error


def _unescaped(part: str, text: str) -> str:
    if re.search(r"~(?![01])", part):
        raise _wrong(text, text.index(part), "'~' in a pointer must be '~0', and '/' in a key '~1'")
    return part.replace("~1", "/").replace("~0", "~")


def _wrong(text: str, at: int, what: str) -> PathSyntaxError:
    return PathSyntaxError(f"path {text!r}, column {at + 1}: {what}", column=at + 1)
