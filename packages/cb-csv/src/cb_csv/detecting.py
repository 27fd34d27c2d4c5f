"""How a file was written, found out from its first 64 KiB: by reading them in every likely way and judging the cells.

The score of a dialect is how even its rows are, times the square of how plausible its cells are, times a small
preference for the delimiters that people use. Trial readings are the csv module's, so each costs microseconds.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from cb_csv.dialect import Dialect
from cb_csv.encoding import guess_encoding, without_bom
from cb_csv.kinds import STRONG, kind_of, plausible
from cb_csv.source import SAMPLE, Readable, Source

__all__ = ["Detection", "detect", "detect_bytes"]

_TOLD = re.compile(r'"?sep=(.)"?(?:\r\n|\n|\r)', re.IGNORECASE)

_PRIORS = {
    ",": 1.0, ";": 1.0, "\t": 1.0, "|": 0.98, "\x1f": 1.0, "\x01": 0.98, "¦": 0.95, "§": 0.9, "^": 0.95, "~": 0.95,
    "||": 0.99, "::": 0.9, "&": 0.75, "#": 0.75, "*": 0.75, ":": 0.75, " ": 0.7,
}  # fmt: skip
_ROWS = 100
_JUDGED = 20
_TEXT = 12_000
_NAMES = {"\t": "tab", " ": "space", "\x1f": "unit separator", "\x01": "U+0001"}


@dataclass(frozen=True, slots=True)
class Detection:
    """What `detect` found."""

    dialect: Dialect
    encoding: str
    """As Python names it, without byte order mark."""
    bom: bool
    has_header: bool
    preamble: int
    """Lines before the header, or before the first row."""
    columns: int
    confidence: float
    """From 0 to 1: of the dialect, against the next likely one."""
    encoding_confidence: float
    header_confidence: float
    alternatives: list[tuple[Dialect, float]] = field(default_factory=list)
    """Other dialects with their scores, likeliest first; the score of the one chosen is 1."""

    def as_dict(self) -> dict[str, object]:
        """Everything, as for JSON."""
        names = ("encoding", "bom", "has_header", "preamble", "columns", "confidence")
        return {
            "dialect": self.dialect.as_dict(),
            **{name: getattr(self, name) for name in (*names, "encoding_confidence", "header_confidence")},
            "alternatives": [{"dialect": one.as_dict(), "score": score} for one, score in self.alternatives],
        }

    def __str__(self) -> str:
        dialect = self.dialect
        words = [f"delimiter {_NAMES.get(dialect.delimiter, repr(dialect.delimiter))}"]
        words.append(f"quote {dialect.quotechar}" if dialect.quotechar else "no quotes")
        words += [f"escape {dialect.escapechar}"] if dialect.escapechar else []
        words.append({"\r\n": "CRLF", "\n": "LF", "\r": "CR"}[dialect.newline])
        words.append(self.encoding + (" with BOM" if self.bom else ""))
        words.append("header" if self.has_header else "no header")
        words += [f"{self.preamble} lines before it"] if self.preamble else []
        return ", ".join([*words, f"{self.columns} columns", f"confidence {self.confidence:.0%}"])


@dataclass(slots=True)
class _Trial:
    """One way to read the sample."""

    dialect: Dialect
    rows: list[list[str]]
    lines: list[int]
    """The line, from 0, where each row starts."""
    score: float = 0.0
    columns: int = 1
    first: int = 0
    """The row where the table starts."""


def detect(src: Readable, *, sample: int = SAMPLE) -> Detection:
    """Find out how a file was written, from its first *sample* bytes (after decompression).

    Any bytes give an answer: nothing is raised for contents. A stream is read by as much.

    Raises:
        OSError: The file cannot be read.

    Cost: about a millisecond; some 10 ms where the encoding is neither ASCII nor UTF.

    >>> found = detect(io.StringIO("name;price\\nJohn;1,5\\nJane;2,75\\n"))
    >>> print(found)
    delimiter ';', quote ", LF, utf-8, header, 2 columns, confidence ...%
    """
    with Source(src) as source:
        data = source.peek(sample)
        return detect_bytes(data, complete=source.all_peeked)


def detect_bytes(data: bytes, *, complete: bool = False) -> Detection:
    """As `detect`, for bytes at hand. *complete*: they are all there are."""
    encoding, length = without_bom(data)
    confidence = 1.0
    bom = encoding is not None
    if encoding is None:
        encoding, confidence = guess_encoding(data, complete=complete)
    text = data[length:].decode(encoding, "replace")
    told = _TOLD.match(text)  # the delimiter, in a line of its own, as Excel reads and writes it
    text = text[told.end() :] if told else text
    newline = _newline(text)
    cut = len(text) if complete else text.rfind(newline[-1]) + 1
    text = text[:cut] or text
    if len(text) > _TEXT:
        text, complete = text[: text.rfind(newline[-1], 0, _TEXT) + 1] or text[:_TEXT], False
    trials = sorted(_trials(text, newline, complete=complete), key=lambda trial: -trial.score)
    if told:
        trials = [trial for trial in trials if trial.dialect.delimiter == told[1]] or trials
    best = trials[0]
    others: dict[str, _Trial] = {}
    for trial in trials[1:]:
        if trial.dialect.delimiter != best.dialect.delimiter and trial.score > 0:
            others.setdefault(trial.dialect.delimiter, trial)
    second = next(iter(others.values())).score if others else 0.0
    has_header, sure = _header(best.rows[best.first :])
    return Detection(
        dialect=best.dialect,
        encoding=encoding,
        bom=bom,
        has_header=has_header,
        preamble=(best.lines[best.first] if best.rows else 0) + bool(told),
        columns=best.columns if best.rows else 0,
        confidence=round(best.score / (best.score + second), 3) if best.score else 0.0,
        encoding_confidence=round(confidence, 3),
        header_confidence=round(sure, 3),
        alternatives=[(one.dialect, round(one.score / best.score, 3)) for one in others.values()],
    )


def _newline(text: str) -> str:
    pairs = text.count("\r\n")
    counts = {"\r\n": pairs, "\n": text.count("\n") - pairs, "\r": text.count("\r") - pairs}
    return max(counts, key=lambda newline: counts[newline]) if any(counts.values()) else "\n"


def _trials(text: str, newline: str, *, complete: bool) -> Iterator[_Trial]:
    """The sample read in every likely way, judged."""
    alone = _read(Dialect(_unused(text), newline=newline), text, complete=complete)
    alone.dialect = replace(alone.dialect, delimiter=",")
    alone.score = _score_alone(alone)
    yield alone
    wanted = 0.25 * max(1, len(alone.rows))
    quotes = [quote for quote in "\"'" if quote in text]
    for delimiter in _PRIORS:
        if text.count(delimiter) < wanted:
            continue
        for dialect in _dialects(text, delimiter, newline):
            trial = _read(dialect, text, complete=complete)
            if trial.rows:
                _judge(trial, quotes)
                yield trial


def _unused(text: str) -> str:
    """A character that is not in the text: as a delimiter it cuts nothing."""
    return next(char for char in map(chr, range(0xE000, 0xF8FF)) if char not in text)


def _dialects(text: str, delimiter: str, newline: str) -> Iterator[Dialect]:
    """The quotes and escapes that the text gives reason to try with this delimiter."""
    plain = Dialect(delimiter, None, newline=newline)
    breaks = newline[-1]
    if '"' not in text and "'" not in text:
        plain = replace(plain, quotechar='"')  # they may come later
    yield plain if f"\\{delimiter}" not in text else replace(plain, escapechar="\\")
    for quote in ('"', "'"):
        if quote not in text or quote in delimiter:
            continue
        spaced = text.count(f"{delimiter} {quote}") if delimiter != " " else 0
        opens = text.startswith(quote) + text.count(delimiter + quote) + text.count(breaks + quote)
        closes = text.endswith(quote) + text.count(quote + delimiter) + text.count(quote + newline)
        if not opens + spaced or not closes:
            continue
        dialect = Dialect(delimiter, quote, skipinitialspace=spaced > opens // 2, newline=newline)
        yield dialect
        if f"\\{quote}" in text:
            yield replace(dialect, escapechar="\\", doublequote=f"{quote}{quote}" in text)


def _read(dialect: Dialect, text: str, *, complete: bool) -> _Trial:
    """The first rows of the text; the last is left out where it may be cut."""
    rows: list[list[str]] = []
    lines: list[int] = []
    delimiter = dialect.delimiter
    if len(delimiter) > 1:
        delimiter = _unused(text)
        text = text.replace(dialect.delimiter, delimiter)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=dialect.quotechar,
        quoting=csv.QUOTE_MINIMAL if dialect.quotechar else csv.QUOTE_NONE,
        escapechar=dialect.escapechar,
        doublequote=dialect.doublequote,
        skipinitialspace=dialect.skipinitialspace,
    )
    start = 0
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(start)
                if len(rows) == _ROWS:
                    break
            start = reader.line_num
        else:
            if not complete and len(rows) > 1 and dialect.quotechar:
                rows.pop()
    except csv.Error:  # a field longer than the csv module takes: nothing that this way of reading explains
        rows.clear()
    return _Trial(dialect, rows, lines)


def _judge(trial: _Trial, quotes: Sequence[str]) -> None:
    """Score the trial, which has rows, of a text with these quotes; find its columns and where the table starts."""
    rows = trial.rows
    lengths = [len(row) for row in rows]
    counts = Counter(lengths)
    columns = max(counts, key=lambda length: (counts[length] * (length > 1) * (1 - 0.5 / length), length))
    trial.columns = columns
    if columns == 1:
        return
    first = lengths.index(columns)
    body = rows[first:]
    if first and (first > len(rows) // 2 or counts[columns] < 0.6 * len(body) or max(lengths[:first]) > columns):
        first, body = 0, rows
    elif first and lengths[first - 1] > 1 and _header(rows[first - 1 :])[0] and not _header(body)[0]:
        first, body = first - 1, rows[first - 1 :]  # a header that lacks a name, and no title
    first += _sparse(body, columns)
    body = rows[first:]
    trial.first = first
    even = sum(length == columns for length in lengths[first:]) / len(body)
    step = max(1, len(body) // _JUDGED)
    judged = body[::step]
    cells = [cell for row in judged for cell in row]
    kinds = Counter(map(kind_of, cells))
    worth = sum(plausible(kind) * count for kind, count in kinds.items()) / len(cells)
    delimiter = trial.dialect.delimiter
    score = even**2 * worth**2 * _PRIORS[delimiter] * (1 - 0.5 / columns**2)
    score *= 1 - 0.3 * first / len(rows)
    for quote in quotes:
        score *= max(0.02, 1 - sum(_is_torn(row, quote) for row in judged) / len(judged)) ** 2
    if kinds["empty"] > 0.6 * len(cells) and delimiter in " :":
        score *= 0.5
    if delimiter in " :" and not STRONG & kinds.keys():
        score *= 0.6  # words and sentences, rather than a table
    if len(body) == 1:
        score *= 0.9 if len(rows) < 3 else 0.1
    if trial.dialect.quotechar:  # as good as without: then with, in case quotes come later
        score *= 1.002 if trial.dialect.escapechar else 1.001
    trial.score = score


def _is_torn(row: Sequence[str], quote: str) -> bool:
    """Whether a quote opens in one cell and closes in a later one: somebody else's delimiters cut a quoted field."""
    opened = False
    for cell in row:
        if quote not in cell or not cell.count(quote) & 1:
            continue
        if opened and not cell[cell.rfind(quote) + 1 :][:1].isalnum():
            return True
        start = cell.find(quote)  # after a letter it is an apostrophe, after a digit it means inches
        opened = opened or start == 0 or not cell[start - 1].isalnum()
    return False


def _sparse(body: Sequence[Sequence[str]], columns: int) -> int:
    """How many rows at the start are titles: one cell filled in, though the rows after them have most of theirs."""
    if columns < 3 or len(body) < 4:
        return 0
    filled = [sum(cell.strip() != "" for cell in row) for row in body[:12]]
    count = 0
    while count < len(filled) - 2 and filled[count] <= 1 and max(filled[count + 1 :]) > 2:
        count += 1
    return count


def _score_alone(trial: _Trial) -> float:
    """The score of a file with one column: high where whole lines are values of a kind that fills columns."""
    step = max(1, len(trial.rows) // _JUDGED)
    kinds = [kind_of(row[0]) for row in trial.rows[::step] if row]
    if not kinds:
        return 0.01
    body = kinds[1:] or kinds
    strong = sum(kind in STRONG for kind in body) / len(body)
    worth = sum(map(plausible, kinds)) / len(kinds)
    words = sum(kind == "word" for kind in kinds) / len(kinds)
    return worth**2 * max(0.35, 0.95 * strong, 0.6 * words)


def _header(rows: Sequence[Sequence[str]]) -> tuple[bool, float]:
    """Whether the first row names the columns, and how sure that is."""
    if not rows:
        return False, 0.0
    header, body = rows[0], rows[1:41]
    if not body:
        return all(kind_of(cell) in ("word", "text") for cell in header), 0.3
    votes = total = 0.0
    for number, name in enumerate(header):
        column = [row[number] for row in body if number < len(row)]
        vote, weight = _vote(name, column)
        votes += vote * weight
        total += weight
    names = [name.strip() for name in header]
    if "" in names:
        votes -= 0.5
    if len(set(names)) < len(names):
        votes -= 1.0
    share = votes / total if total else 0.0
    return share > 0, min(1.0, 0.5 + abs(share) / 2)


def _vote(name: str, column: Iterable[str]) -> tuple[float, float]:
    """What one column says: from -1 (its first cell is data) to 1 (it is a name), and its weight."""
    cells = [cell.strip() for cell in column if cell.strip()]
    kind = kind_of(name)
    if not cells:
        return (0.2 if kind in ("word", "text") else 0.0), 0.5
    if kind == "empty":
        return 0.0, 0.5
    kinds = Counter(map(kind_of, cells))
    usual, count = kinds.most_common(1)[0]
    if usual in STRONG and count >= 0.7 * len(cells):
        return (-1.0, 1.5) if kind == usual else (1.0, 1.5) if kind in ("word", "text", "odd") else (-0.5, 1.0)
    if kind in STRONG:
        return -1.0, 1.0
    if name.strip() in cells:
        return -1.0, 1.0
    lengths = {len(cell) for cell in cells}
    if len(lengths) == 1 and len(cells) > 2:
        return (-0.5, 1.0) if len(name.strip()) in lengths else (0.8, 1.0)
    return 0.25, 0.7
