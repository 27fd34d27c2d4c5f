"""Moodle XML, multichoice and true/false. Read with defusedxml (the extra ``moodle``): no entities, nothing fetched."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any
from xml.sax import ContentHandler, SAXParseException
from xml.sax.saxutils import escape

from cb_riddles.formats.record import Fault, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TAG = re.compile(r"<[^>]*>")


class _Reader(ContentHandler):
    """Collects what is inside one question; a finished one is put into ``ready``."""

    def __init__(self) -> None:
        super().__init__()
        self.ready: list[Record | Fault] = []
        self.path: list[str] = []
        self.category = ""
        self.kind, self.line = "", 0
        self.texts: dict[str, str] = {}
        self.options: list[list[str]] = []
        self.html: dict[str, bool] = {}

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802 - the name in xml.sax
        self.path.append(name)
        if name == "question":
            self.kind, self.line = attrs.get("type", ""), self._locator.getLineNumber() or 0  # type: ignore[attr-defined]
            self.texts, self.options, self.html = {}, [], {}
        elif name == "answer":
            self.options.append([attrs.get("fraction", "0"), "", attrs.get("format", "")])
        elif len(self.path) == 3:
            self.html[name] = attrs.get("format", "") == "html"

    def characters(self, content: str) -> None:
        inside = self.path[2:]
        if inside == ["answer", "text"]:
            self.options[-1][1] += content
        elif len(inside) == 2 and inside[1] == "text":
            self.texts[inside[0]] = self.texts.get(inside[0], "") + content

    def endElement(self, name: str) -> None:  # noqa: N802 - the name in xml.sax
        self.path.pop()
        if name != "question":
            return
        if self.kind == "category":
            self.category = self.texts.get("category", "").strip().rpartition("/")[2]
        elif self.kind in {"multichoice", "truefalse"}:
            self.ready.append(self._record())
        else:
            self.ready.append(Fault(self.line, f"a question of type {self.kind!r} cannot be a riddle"))

    def _record(self) -> Record | Fault:
        try:
            options = tuple((_plain(text, form == "html"), float(share) > 0) for share, text, form in self.options)
        except ValueError as error:
            return Fault(self.line, f"fraction: {error}")
        texts = {name: _plain(self.texts.get(name, ""), self.html.get(name, False)) for name in self.texts}
        return Record(
            texts.get("questiontext", ""),
            options,
            texts.get("hint", ""),
            texts.get("generalfeedback", ""),
            self.category,
            line=self.line,
        )


def _plain(text: str, is_html: bool) -> str:  # noqa: FBT001 - private
    return " ".join(html.unescape(_TAG.sub(" ", text)).split()) if is_html else text.strip()


def loads(lines: Iterable[str]) -> Iterator[Record | Fault]:
    """Read a record from each question, as the lines come.

    Raises:
        ModuleNotFoundError: defusedxml is not there.
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.expatreader import create_parser

    reader = _Reader()
    parser: Any = create_parser(forbid_dtd=True)
    parser.setContentHandler(reader)
    reader.setDocumentLocator(parser)
    try:
        for line in lines:
            parser.feed(line)
            yield from reader.ready
            reader.ready = []
        parser.close()
    except SAXParseException as error:
        yield Fault(error.getLineNumber() or 1, f"not XML: {error.getMessage()}")
    except DefusedXmlException:
        yield Fault(parser.getLineNumber() or 1, "a DOCTYPE or an entity, which no question needs (remove it)")


def dumps(records: Iterable[Record]) -> Iterator[str]:
    """Write a quiz with a question for each record; Moodle has no place for a date."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<quiz>\n'
    category = ""
    for record in records:
        if record.category != category:
            category = record.category
            yield f'<question type="category"><category>{_text(category)}</category></question>\n'
        right = sum(correct for _, correct in record.options)
        yield '<question type="multichoice">\n'
        yield f"<name>{_text(record.riddle_text[:40])}</name>\n"
        yield f'<questiontext format="plain_text">{_text(record.riddle_text)}</questiontext>\n'
        yield f"<single>{str(right == 1).lower()}</single>\n"
        for text, correct in record.options:
            share = f"{100 / right:.5f}".rstrip("0").rstrip(".") if correct else "0"
            yield f'<answer fraction="{share}" format="plain_text">{_text(text)}</answer>\n'
        if record.explanation:
            yield f'<generalfeedback format="plain_text">{_text(record.explanation)}</generalfeedback>\n'
        if record.hint:
            yield f'<hint format="plain_text">{_text(record.hint)}</hint>\n'
        yield "</question>\n"
    yield "</quiz>\n"


def _text(text: str) -> str:
    return f"<text>{escape(text)}</text>"
