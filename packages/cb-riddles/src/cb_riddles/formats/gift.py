r"""GIFT, Moodle's text format: ``What has keys? { =A piano ~A map #### It has 88. }``.

Choice and true/false questions; with weights, a positive one is right. ``\`` takes ``~ = # { } :`` their meaning.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cb_riddles.formats.record import Fault, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SPECIAL = re.compile(r"([\\~=#{}:])")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_OPTION = re.compile(r"(?:[^\\~=]|\\.)+|[~=]", re.DOTALL)
_WEIGHT = re.compile(r"\s*%(-?[0-9]+(?:\.[0-9]+)?)%")
_TRUE = {"T": True, "TRUE": True, "F": False, "FALSE": False}
_FORMAT = re.compile(r"\s*\[(?:html|moodle|plain|markdown)\]")


def loads(lines: Iterable[str]) -> Iterator[Record | Fault]:
    """Read a record from each block; blank lines part them."""
    block: list[str] = []
    start, category = 0, ""
    for number, line in enumerate(_with_end(lines), 1):
        text = line.strip().removeprefix("\ufeff")
        if text.startswith("//"):
            continue
        if not block and text.startswith("$CATEGORY:"):
            category = text.partition(":")[2].strip().rpartition("/")[2]
        elif text:
            start = start if block else number
            block.append(text)
        elif block:
            yield _question("\n".join(block), start, category)
            block = []


def _with_end(lines: Iterable[str]) -> Iterator[str]:
    yield from lines
    yield ""


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], " ".join(text.split())).strip()


def _parts(text: str, mark: str) -> tuple[str, str, str]:
    """Part *text* at the first *mark* that has no backslash before it."""
    found = re.match(rf"(?:[^\\]|\\.)*?(?={re.escape(mark)})", text, re.DOTALL)
    return (found[0], mark, text[found.end() + len(mark) :]) if found else (text, "", "")


def _question(text: str, line: int, category: str) -> Record | Fault:
    if text.startswith("::"):
        _, there, text = _parts(text[2:], "::")
        if not there:
            return Fault(line, "the title has no end (write ::title::)")
    before, opened, rest = _parts(_FORMAT.sub("", text, count=1) if _FORMAT.match(text) else text, "{")
    inside, closed, after = _parts(rest, "}")
    if not opened or not closed:
        return Fault(line, "no answers (write { =right ~wrong })")
    inside, _, explanation = _parts(inside, "####")
    answers = inside.strip()
    head, _, feedback = _parts(answers, "#")
    if head.strip().upper() in _TRUE:
        true = _TRUE[head.strip().upper()]
        options: list[tuple[str, bool]] = [("True", true), ("False", not true)]
    elif not answers.startswith(("=", "~")):
        return Fault(line, "neither a choice nor true/false (only these two kinds can be riddles)")
    else:
        options, feedback = _options(answers)
    notes = ("feedback for one option is left out",) if feedback.strip() else ()
    whole = f"{before} _____ {after}" if after.strip() else before
    return Record(_plain(whole), tuple(options), "", _plain(explanation), category, line=line, notes=notes)


def _options(answers: str) -> tuple[list[tuple[str, bool]], str]:
    options, said, mark = [], "", ""
    for piece in _OPTION.findall(answers):
        if piece in {"~", "="}:
            mark = piece
            continue
        text, _, feedback = _parts(piece, "#")
        said += feedback
        weight = _WEIGHT.match(text)
        correct = float(weight[1]) > 0 if weight else mark == "="
        options.append((_plain(text[weight.end() :] if weight else text), correct))
    return options, said


def _quoted(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text).replace("\n", "\\n")


def dumps(records: Iterable[Record]) -> Iterator[str]:
    """Write a block for each record; GIFT has no place for a hint or a date."""
    category = ""
    for record in records:
        if record.category != category:
            category = record.category
            yield f"$CATEGORY: {category}\n\n"
        right = sum(correct for _, correct in record.options)
        good, bad = ("=", "~") if right == 1 else (f"~%{100 / max(right, 1):.5f}%", "~%-100%")
        rows = [f"{good if correct else bad}{_quoted(text)}" for text, correct in record.options]
        more = f" ####{_quoted(record.explanation)}" if record.explanation else ""
        yield f"::{_quoted(record.riddle_text[:40])}::{_quoted(record.riddle_text)} {{{' '.join(rows)}{more}}}\n\n"
