"""A format is a schema: one object writes records by it, reads them back, and says where in a line the level is.

Contract: `Template.render` gives what `logging.Formatter` gives, byte for byte, but for two things that a reader must
be able to trust: control characters in a value come out as escapes, and a line of a traceback that would read as the
beginning of a record is indented by a space. So each line that `Template.head` matches is one record: nobody can forge
one.
"""

from __future__ import annotations

import functools
import io
import logging
import re
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cb_logging.attributes import ATTRIBUTES
from cb_logging.errors import ConfigError, FormatError
from cb_logging.text import escape, text_of

__all__ = ["BASIC", "BOOK", "FORMATS", "Piece", "Template", "message_of", "traceback_of"]

BOOK = "%(asctime)s - [%(levelname)s] [%(threadName)s] (%(module)s:%(lineno)d) %(message)s"
BASIC = "%(levelname)s:%(name)s:%(message)s"
FORMATS = {"book": BOOK, "basic": BASIC, "color": BOOK, "json": ""}

_FIELD = re.compile(r"%(?:%|\((?P<name>[^)]*)\)(?P<spec>[#0+ -]*(?P<width>\d+)?(?:\.\d+)?(?P<conversion>[a-zA-Z])))")
_NUMBERS = {"d": rb"-?\d+", "i": rb"-?\d+", "u": rb"-?\d+", "f": rb"-?\d+\.\d+", "s": rb"-?\d+(?:\.\d+)?"}
_STAMP = "%Y-%m-%d %H:%M:%S"
_DIRECTIVES = {
    **dict.fromkeys("mdHMSIyUW", rb"\d\d"),
    "Y": rb"\d{4}",
    "j": rb"\d{3}",
    "z": rb"[+-]\d{4}",
    "%": rb"%",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """Literal text, or a field with its conversion."""

    literal: str = ""
    name: str = ""
    spec: str = ""
    padded: bool = False

    def of(self, value: object) -> str:
        """The value as the format wants it.

        >>> Piece(name="levelname", spec="-8s", padded=True).of("INFO")
        'INFO    '
        """
        return f"%{self.spec}" % (value,)


def _pieces(text: str, fields: Iterable[str]) -> list[Piece]:
    """Take a format apart.

    Raises:
        FormatError: It names what no record has, or a percent sign begins no field.
    """
    valid = sorted({one.name for one in ATTRIBUTES.values() if one.formatted} | set(fields))
    found: list[Piece] = []
    end = 0
    for at in (match.start() for match in re.finditer("%", text)):
        if at < end:
            continue
        match = _FIELD.match(text, at)
        if match is None:
            gap = re.match(r"% *\( *(\w+) *\) *(\w?)", text[at:])
            better = f"%({gap[1]}){gap[2] or 's'}" if gap else "%%"
            raise FormatError(text, at, f"{(gap[0] if gap else text[at:][:8])!r} is no field (write {better!r})")
        if at > end:
            found.append(Piece(text[end:at]))
        end = match.end()
        if match[0] == "%%":
            found.append(Piece("%"))
            continue
        name, conversion = match["name"], match["conversion"]
        if name not in valid:
            raise FormatError(text, at, f"{name!r} is no attribute of a record", valid)
        kind = ATTRIBUTES[name].kind if name in ATTRIBUTES else str
        allowed = "sra" if kind is str else "sradiufFeEgG" + "oxX" * (kind is int)
        if conversion not in allowed:
            raise FormatError(text, at, f"{name} is a {kind.__name__}, which {conversion!r} cannot show", allowed)
        found.append(Piece("", name, match["spec"], padded=match["width"] is not None))
    if end < len(text):
        found.append(Piece(text[end:]))
    return found


class Template:
    r"""A ``%`` format, compiled once for writing and for reading.

    Args:
        text: The format, as `logging.Formatter` takes it.
        datefmt: As `time.strftime` takes it; without it ``2003-07-08 16:49:45,896``.
        fields: Names beside the record's own that it may use: context fields, ``extra``. Missing ones show as ``-``.

    Raises:
        FormatError: With the position of what is wrong, and what would be valid.
        ConfigError: One of *fields* is no name.

    >>> template = Template("%(levelname)s:%(name)s:%(message)s")
    >>> record = logging.makeLogRecord({"levelname": "INFO", "name": "shop", "msg": "sold %d\n", "args": (7,)})
    >>> template.render(record)
    'INFO:shop:sold 7\\n'
    >>> template.parse(b"INFO:shop:sold 7")
    {'levelname': 'INFO', 'name': 'shop', 'message': 'sold 7'}
    """

    text: str
    datefmt: str | None
    fields: tuple[str, ...]
    pieces: list[Piece]
    needs: frozenset[str]
    levels: dict[bytes, int]

    def __init__(self, text: str = BOOK, *, datefmt: str | None = None, fields: Iterable[str] = ()) -> None:
        self.text, self.datefmt, self.fields = text, datefmt, tuple(fields)
        if wrong := next((name for name in self.fields if not name.isidentifier()), None):
            raise ConfigError("fields", wrong, "is no name (letters, digits and _)")
        self.pieces = _pieces(text, self.fields)
        self.needs = frozenset(piece.name for piece in self.pieces if piece.name)
        self.levels = {name.encode(): number for name, number in logging.getLevelNamesMapping().items()}
        last = next((number for number, one in reversed(list(enumerate(self.pieces))) if one.name), -1)
        self._patterns = [self._pattern(one, greedy=number == last) for number, one in enumerate(self.pieces)]
        named: set[str] = set()
        pattern = b""
        for piece, one in zip(self.pieces, self._patterns, strict=True):
            again = not piece.name or piece.name in named
            pattern += one if again else b"(?P<%b>%b)" % (piece.name.encode(), one)
            named.add(piece.name)
        self.head: re.Pattern[bytes] = re.compile(pattern)
        self._like = re.compile(self._beginning())
        self._seconds: tuple[int, str] = (-1, "")
        self._records: dict[int, re.Pattern[bytes]] = {}

    def __repr__(self) -> str:
        return f"Template({self.text!r})"

    def _pattern(self, piece: Piece, *, greedy: bool) -> bytes:
        if not piece.name:
            return re.escape(piece.literal.encode())
        if piece.name == "levelname":
            names = sorted((re.escape(piece.of(name.decode()).encode()) for name in self.levels), key=len, reverse=True)
            return b"(?:%b|Level \\d+ *)" % b"|".join(names)
        if piece.name == "asctime" and not piece.padded:
            return self._time_pattern()
        kind = ATTRIBUTES[piece.name].kind if piece.name in ATTRIBUTES else str
        if kind is str or piece.spec[-1] not in _NUMBERS:
            return b".*" if greedy else b".*?"
        number = _NUMBERS[piece.spec[-1]]
        return b" *%b *" % number if piece.padded else number

    def _beginning(self) -> bytes:
        """What all that a reader may take for a record begins with: up to the level and what stands behind it."""
        names = [piece.name for piece in self.pieces]
        end = names.index("levelname") + 2 if "levelname" in names else len(names)
        if end > len(names) or names[end - 1]:  # nothing behind it, or another field
            end = len(names)
        anything = {"asctime"} if self.datefmt is None else set()
        return b"".join(
            b".{23}" if piece.name in anything and not piece.padded else pattern
            for piece, pattern in zip(self.pieces[:end], self._patterns, strict=False)
        )

    def _time_pattern(self) -> bytes:
        if self.datefmt is None:
            return rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
        parts = re.split(r"%(.)", self.datefmt.replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S"))
        return b"".join(
            _DIRECTIVES.get(part, b".+?") if number % 2 else re.escape(part.encode())
            for number, part in enumerate(parts)
        )

    # Writing ---------------------------------------------------------------------------------------

    def second(self, seconds: int) -> str:
        """The time of day of a whole second, made once a second."""
        if self._seconds[0] != seconds:
            self._seconds = (seconds, time.strftime(self.datefmt or _STAMP, time.localtime(seconds)))
        return self._seconds[1]

    def stamp(self, created: float, msecs: float) -> str:
        """``asctime``."""
        text = self.second(int(created))
        return text if self.datefmt is not None else f"{text},{int(msecs):03d}"

    def line(self, record: logging.LogRecord, message: str, fields: Mapping[str, str] | None = None) -> str:
        """The record's first line, without its end; *fields* are shown for the record's own of these names."""
        values: dict[str, Any] = {}
        for name in self.needs:
            if name == "message":
                value: Any = message
            elif name == "asctime":
                value = self.stamp(record.created, record.msecs)
            elif fields is not None and name in fields:
                value = fields[name]
            else:
                value = getattr(record, name, "-" if name in self.fields else None)
                if name not in ATTRIBUTES:
                    value = text_of(value)
            values[name] = escape(value) if isinstance(value, str) else value
        return self.text % values

    def render(
        self,
        record: logging.LogRecord,
        redact: Callable[[str], str] = str,
        fields: Mapping[str, str] | None = None,
    ) -> str:
        """The whole record, without the last line end: its line, and the traceback and stack where it has them.

        A message that cannot be merged with its arguments is written as they are, and says so.
        """
        line = self.line(record, redact(message_of(record)), fields)
        more = traceback_of(record)
        return f"{line}\n{self.guard(redact(more))}" if more else line

    def guard(self, text: str) -> str:
        """A traceback, in which no line can be taken for the beginning of a record, nor of half of one."""
        match = self._like.match
        lines = text.replace("\r\n", "\n").split("\n")
        return "\n".join(f" {line}" if match(line.encode("utf-8", "replace")) else line for line in map(escape, lines))

    # Reading ---------------------------------------------------------------------------------------

    def parse(self, line: bytes) -> dict[str, str | int | float] | None:
        """The fields of a record's first line, or None if no record begins there. Numbers are numbers."""
        match = self.head.fullmatch(line.rstrip(b"\r\n"))
        if match is None:
            return None
        found: dict[str, str | int | float] = {}
        for name, raw in match.groupdict().items():
            text = raw.decode("utf-8", "backslashreplace")
            kind = ATTRIBUTES[name].kind if name in ATTRIBUTES else str
            if kind is str:
                found[name] = text.strip() if name == "levelname" else text
                continue
            try:
                found[name] = kind(text)
            except ValueError:
                try:
                    found[name] = float(text)
                except ValueError:
                    found[name] = text
        return found

    def level_of(self, text: bytes) -> int:
        """The number of a level as a line shows it, 0 if it is none."""
        name = text.strip()
        if name in self.levels:
            return self.levels[name]
        shortened = [number for one, number in self._shown.items() if one.strip() == name]
        if shortened:
            return shortened[0]
        number = name.removeprefix(b"Level ")
        return int(number) if number.isdigit() else 0

    @functools.cached_property
    def _shown(self) -> dict[bytes, int]:
        piece = next((one for one in self.pieces if one.name == "levelname"), None)
        return {piece.of(name.decode()).encode(): number for name, number in self.levels.items()} if piece else {}

    def needles(self, least: int) -> list[bytes] | None:
        """What a line must hold to be of that level or above: literals to search for; None if that cannot be said.

        >>> Template("%(asctime)s [%(levelname)s] %(message)s").needles(40)
        [b' [ERROR] ', b' [CRITICAL] ', b' [FATAL] ', b' [Level ']
        """
        at = next((number for number, one in enumerate(self.pieces) if one.name == "levelname"), None)
        if at is None:
            return None
        before = self.pieces[at - 1].literal.encode() if at else b""
        after = self.pieces[at + 1].literal.encode() if at + 1 < len(self.pieces) else b""
        names: dict[int, set[bytes]] = {}
        for name, number in self._shown.items():
            names.setdefault(number, set()).add(before + name + after)
        found = [one for number in sorted(names) if number >= least for one in sorted(names[number])]
        return [*found, before + b"Level "]

    def records(self, least: int) -> re.Pattern[bytes] | None:
        r"""Finds the whole records of that level or above, in text that begins with a line end; None if it cannot.

        It can where the level has one column. What it finds begins with the line end before the record and ends before
        its own. The search goes from one line end to the next and looks at one column; cost is linear.

        >>> found = Template(BASIC).records(40).findall(b"\nERROR:till:no\n  trace\nINFO:till:yes\n")
        >>> found
        [b'\nERROR:till:no\n  trace']
        """
        if least in self._records:
            return self._records[least]
        at = next((number for number, one in enumerate(self.pieces) if one.name == "levelname"), None)
        if at is None or self.level_column is None or at + 1 == len(self.pieces) or self.pieces[at + 1].name:
            return None
        names = [re.escape(name) for name, number in self._shown.items() if number >= least]
        after = re.escape(self.pieces[at + 1].literal.encode())
        level = b"(?:%b|Level (?:%b) *)%b" % (b"|".join(names), _at_least(least), after)
        head = b"".join(self._patterns)
        more = rb"[^\n]*(?:\n(?!%b|\Z)[^\n]*)*" % head
        found = self._records[least] = re.compile(b"\n(?=.{%d}%b)%b%b" % (self.level_column, level, head, more))
        return found

    @functools.cached_property
    def level_column(self) -> int | None:
        """The byte of a line at which the level begins, where all before it has one width."""
        column = 0
        for piece in self.pieces:
            if piece.name == "levelname":
                return column
            if piece.name == "asctime" and not piece.padded:
                shown = self.stamp(0.0, 0.0)
                if self.datefmt is not None and re.search(r"%(?![mdHMSIyjzYFT%])", self.datefmt):
                    return None
                column += len(shown.encode())
            elif piece.name:
                return None
            else:
                column += len(piece.literal.encode())
        return None

    def cut(self, last: int) -> re.Pattern[bytes]:
        """What stands behind a leading ``asctime``, up to and with the piece of that number."""
        parts = zip(self.pieces[1 : last + 1], self._patterns[1 : last + 1], strict=True)
        return re.compile(
            b"".join(b"(?P<%b>%b)" % (one.name.encode(), text) if one.name else text for one, text in parts)
        )

    def time_of(self, fields: Mapping[str, object]) -> float | None:
        """Seconds since 1970 of a parsed line, if it has a time."""
        created = fields.get("created")
        if isinstance(created, (int, float)):
            return float(created)
        text = fields.get("asctime")
        if not isinstance(text, str):
            return None
        try:
            if self.datefmt is None:
                return _second(text[:19], _STAMP) + int(text[20:]) / 1000
            return _second(text, self.datefmt)
        except (ValueError, OverflowError):  # the 45th of a month
            return None


def _at_least(least: int) -> bytes:
    """An expression for the numbers that are no smaller.

    >>> _at_least(40)
    b'\\\\d{3,}|[5-9]\\\\d{1}|4[1-9]\\\\d{0}|40'
    """
    digits = str(max(least, 0))
    found = [f"\\d{{{len(digits) + 1},}}"]
    for at, digit in enumerate(digits):
        if digit != "9":
            found.append(f"{digits[:at]}[{int(digit) + 1}-9]\\d{{{len(digits) - at - 1}}}")
    return "|".join([*found, digits]).encode()


@functools.lru_cache(maxsize=4096)
def _second(text: str, datefmt: str) -> float:
    if "%z" in datefmt:
        import datetime as dt

        return dt.datetime.strptime(text, datefmt).timestamp()  # noqa: DTZ007 - it has %z
    return time.mktime(time.strptime(text, datefmt))


def message_of(record: logging.LogRecord) -> str:
    """`record.getMessage()`, or what can be said where it raises."""
    try:
        return record.getMessage()
    except Exception as problem:  # noqa: BLE001 - a foreign __str__ may raise anything
        parts = []
        for part in (record.msg, record.args):
            try:
                parts.append(repr(part))
            except Exception:  # noqa: BLE001 - and so may its __repr__
                parts.append(f"<{type(part).__name__}>")
        return f"{' % '.join(parts)} (cannot be merged: {type(problem).__name__})"


def traceback_of(record: logging.LogRecord) -> str:
    """The text that stands below a record's line: exception, then stack. The exception's is kept in the record."""
    if record.exc_info and not record.exc_text:
        kind, error, trace = record.exc_info
        text = io.StringIO()
        try:
            traceback.print_exception(kind, error, trace, None, text)
        except Exception as problem:  # noqa: BLE001 - a foreign __str__ may raise anything
            text.write(f"(the traceback of {kind} cannot be shown: {type(problem).__name__})")
        record.exc_text = text.getvalue().removesuffix("\n")
    return "\n".join(part for part in (record.exc_text, record.stack_info) if part)
