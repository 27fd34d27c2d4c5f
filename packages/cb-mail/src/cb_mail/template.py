"""A message with gaps, filled from rows: Jinja2 in every field, HTML escaped, an unknown column is an error.

What a row says is data wherever it goes: it cannot add a receiver, end a header, or become markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import jinja2
from markupsafe import escape

from cb_mail.address import Address, split, split_list
from cb_mail.attachment import Attachment
from cb_mail.errors import MailError, TemplateError
from cb_mail.message import Message
from cb_mail.text import shown

__all__ = ["Template"]

_GAP: Final = re.compile(r"\{[{%#]")
_FIELD: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)")
_COLUMN: Final = re.compile(r"\{\{ *([A-Za-z_][A-Za-z0-9_]*) *\}\}")
_TOKEN: Final = re.compile("\ue000(\\d+)\ue001")
_VALUES: Final = "cb_mail_values"
_SEVERAL: Final = frozenset({"attach", "inline", "unsubscribe"})


@dataclass(frozen=True, slots=True)
class _Source:
    """The text of a template, before it is compiled: what a spool keeps."""

    sender: str
    to: str
    subject: str
    text: str | None = None
    html: str | None = None
    cc: str = ""
    bcc: str = ""
    reply_to: str = ""
    attachments: tuple[str, ...] = ()
    inline: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    unsubscribe: tuple[str, ...] = ()
    folder: str = "."


class Template:
    """A message to many, each with their own row.

    Args:
        sender, to, subject, text, html, cc, bcc, reply_to, unsubscribe, headers: As for `Message`, ``{{ column }}``
            where a row's value goes. An address field's value is one address, or one name, whatever stands in it.
        attachments: Paths; one with a gap is another file for each row.
        inline: Content ids and paths, for ``<img src="cid:…">``.
        folder: What paths are relative to.

    Raises:
        TemplateError: Jinja2 cannot read it; the line is said.
        MailError: A file is not there.

    >>> template = Template("shop@example.com", "{{ name }} <{{ mail }}>", "Order {{ id }}", "Dear {{ name }}\\n")
    >>> message = template.render({"name": "Ann, Ltd.", "mail": "ann@example.com", "id": 7})
    >>> message.to[0].header(), message.subject
    ('"Ann, Ltd." <ann@example.com>', 'Order 7')
    """

    def __init__(
        self,
        sender: str,
        to: str,
        subject: str,
        text: str | None = None,
        html: str | None = None,
        *,
        cc: str = "",
        bcc: str = "",
        reply_to: str = "",
        attachments: Sequence[str] = (),
        inline: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        unsubscribe: Sequence[str] = (),
        folder: Path | str = ".",
        files: Mapping[str, Attachment] | None = None,
    ) -> None:
        self.source: _Source = _Source(
            sender,
            to,
            subject,
            text,
            html,
            cc,
            bcc,
            reply_to,
            tuple(attachments),
            tuple((inline or {}).items()),
            tuple((headers or {}).items()),
            tuple(unsubscribe),
            str(folder),
        )
        self._files: dict[str, Attachment] = dict(files or {})
        compiled = _Compiler()
        self._sender = compiled.addresses("From", sender)
        self._to = compiled.addresses("To", to)
        self._cc, self._bcc = compiled.addresses("Cc", cc), compiled.addresses("Bcc", bcc)
        self._reply_to = compiled.addresses("Reply-To", reply_to)
        self._subject = compiled.text("Subject", subject)
        self._text = None if text is None else compiled.text("text", text)
        self._html = None if html is None else compiled.html(html)
        self._headers = [(name, compiled.text(name, value)) for name, value in self.source.headers]
        self._links = [compiled.text("unsubscribe", link) for link in self.source.unsubscribe]
        self._attachments = [compiled.text("attachment", path) for path in self.source.attachments]
        self._inline = {cid: self._file(path) for cid, path in self.source.inline}
        for path in self.source.attachments:
            if not _GAP.search(path):
                self._file(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a template file: fields as in a message, a blank line, the text.

        ``From``, ``To``, ``Cc``, ``Bcc``, ``Reply-To``, ``Subject``; ``Html: FILE`` for an HTML version beside it;
        ``Attach: FILE`` and ``Inline: CID FILE``, as often as needed; ``Unsubscribe: LINK``; any other is a header.
        ``Content-Type: text/html`` says that the text below is HTML.

        Raises:
            TemplateError: ``FILE:LINE`` begins its text.
        """
        try:
            text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise TemplateError(f"{path}: not UTF-8 (convert it: iconv -t utf-8)") from error
        except OSError as error:
            raise TemplateError(f"{path}: {error.strerror}") from error
        head, _, body = text.partition("\n\n")
        one, many = _fields(path, head)
        html: str | None = None
        if html_path := one.pop("html", ""):
            try:
                html = (path.parent / html_path).read_text("utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                raise TemplateError(f"{path}: Html: {html_path}: {getattr(error, 'strerror', 'not UTF-8')}") from error
        plain: str | None = body
        if one.pop("content-type", "").startswith("text/html"):
            plain, html = None, body
        missing = [name for name in ("from", "to") if not one.get(name)]
        if missing:
            raise TemplateError(
                f"{path}:1: no {missing[0].title()} field (Name: value, then a blank line, then the text)"
            )
        inline = dict(word.split(None, 1) for word in many["inline"] if " " in word)
        known = {name: one.pop(name, "") for name in ("from", "to", "subject", "cc", "bcc", "reply-to")}
        try:
            return cls(
                known["from"],
                known["to"],
                known["subject"],
                plain,
                html,
                cc=known["cc"],
                bcc=known["bcc"],
                reply_to=known["reply-to"],
                attachments=many["attach"],
                inline=inline,
                headers={name.title(): value for name, value in one.items()},
                unsubscribe=many["unsubscribe"],
                folder=path.parent,
            )
        except TemplateError as error:
            raise TemplateError(f"{path}: {error}") from error

    def render(
        self, row: Mapping[str, Any], *, number: int = 0, message_id: str = "", date: datetime | None = None
    ) -> Message:
        """Return the message for *row*. About 60 µs with a text and HTML of 1 kB each.

        Args:
            row: Values by column.
            number: The row's, for errors.
            message_id: As for `Message`.
            date: As for `Message`.

        Raises:
            TemplateError: A column is missing, or what comes out must not be sent; ``row`` says which.
        """
        try:
            return Message(
                _one("From", self._sender(row)),
                self._to(row),
                self._subject(row),
                self._text(row) if self._text else None,
                self._html(row) if self._html else None,
                cc=self._cc(row),
                bcc=self._bcc(row),
                reply_to=self._reply_to(row),
                attachments=[self._file(path(row)) for path in self._attachments] if self._attachments else (),
                inline=self._inline or None,
                headers={name: value(row) for name, value in self._headers} if self._headers else None,
                unsubscribe=[link(row) for link in self._links] if self._links else (),
                message_id=message_id,
                date=date,
            )
        except (MailError, jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            where = f"row {number}: " if number else ""
            column = f"there is no column {found[1]}" if (found := _UNDEFINED.fullmatch(str(error))) else str(error)
            if column.startswith("there is no column"):
                column += f" (there are {', '.join(row)})" if row else ""
            raise TemplateError(f"{where}{column}", row=number) from error

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it asks for."""
        from jinja2 import meta

        environment = jinja2.Environment(autoescape=True)
        texts = [text for text in _texts(asdict(self.source)) if _GAP.search(text)]
        return frozenset().union(*(meta.find_undeclared_variables(environment.parse(text)) for text in texts))

    @property
    def files(self) -> dict[str, Attachment]:
        """The files that go with every message, by their path."""
        return {
            path: self._file(path)
            for path in (*self.source.attachments, *dict(self.source.inline).values())
            if not _GAP.search(path)
        }

    def _file(self, path: str) -> Attachment:
        if found := self._files.get(path):
            return found
        made = Attachment(Path(self.source.folder) / path)
        if path in self.source.attachments or path in dict(self.source.inline).values():
            self._files[path] = made.keep()  # every message has it: encoded once
        return made


_UNDEFINED: Final = re.compile(r"('.*') is undefined")


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [text for one in value for text in _texts(one)] if isinstance(value, (list, tuple)) else []


def _fields(path: Path, head: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    one: dict[str, str] = {}
    many: dict[str, list[str]] = {name: [] for name in _SEVERAL}
    last = ""
    for number, line in enumerate(head.split("\n"), 1):
        if line[:1] in {" ", "\t"} and last:
            one[last] = f"{one[last]} {line.strip()}"
            continue
        found = _FIELD.fullmatch(line)
        if not found:
            raise TemplateError(
                f"{path}:{number}: {shown(line)} is no field (Name: value, then a blank line, then the text)"
            )
        name, value = found[1].lower(), found[2].strip()
        if name in _SEVERAL:
            many[name].append(value)
            last = ""
        elif name in one:
            raise TemplateError(f"{path}:{number}: {found[1]} is there twice")
        else:
            one[name], last = value, name
    return one, many


def _one(name: str, found: Sequence[Address]) -> Address:
    if len(found) != 1:
        raise TemplateError(f"{name}: {len(found)} addresses, not one")
    return found[0]


class _Compiler:
    """Makes functions of a row out of texts; one without a gap costs nothing."""

    @cached_property
    def _plain(self) -> jinja2.Environment:
        # Text is not HTML: what stands in it is not escaped.
        return jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701

    @cached_property
    def _escaped(self) -> jinja2.Environment:
        return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)

    def text(self, name: str, source: str) -> Any:
        """Return a function that gives the text."""
        return self._made(self._plain, name, source, str)

    def html(self, source: str) -> Any:
        """Return a function that gives HTML, values escaped."""
        return self._made(self._escaped, "html", source, escape)

    @staticmethod
    def _made(environment: jinja2.Environment, name: str, source: str, written: Callable[[Any], str] | None) -> Any:
        if not _GAP.search(source):
            return lambda _: source
        if written and (simple := _joined(source, written)):
            return simple
        try:
            return environment.from_string(source).render
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(f"{name}, line {error.lineno}: {error.message}") from error

    def addresses(self, name: str, source: str) -> Any:
        """Return a function that gives addresses; a value stays within the name or the address that it stands in."""
        if not _GAP.search(source):
            fixed = Address.parse_list(source)
            return lambda _: fixed
        simple = re.fullmatch(r"\s*(?:\{\{\s*(\w+)\s*\}\}\s*<\{\{\s*(\w+)\s*\}\}>|\{\{\s*(\w+)\s*\}\})\s*", source)
        if simple:
            return _simple(*simple.groups())
        rendered = self._made(self._marked, name, source, None)

        def found(row: Mapping[str, Any]) -> tuple[Address, ...]:
            values: list[Any] = []
            listed = map(split, split_list(rendered({**row, _VALUES: values})))
            return tuple(Address(_filled(addr, values), _filled(name, values)) for name, addr in listed)

        return found

    @cached_property
    def _marked(self) -> jinja2.Environment:
        """For what is taken apart before the values come in: it puts marks in their places."""

        @jinja2.pass_context
        def mark(context: jinja2.runtime.Context, value: object) -> str:
            if isinstance(value, jinja2.Undefined):
                str(value)  # which raises
            values = context[_VALUES]
            values.append(value)
            return f"\ue000{len(values) - 1}\ue001"

        return jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined, finalize=mark)  # noqa: S701


def _filled(text: str, values: list[Any]) -> str:
    return _TOKEN.sub(lambda token: str(values[int(token[1])]), text)


_MEANT: Final = frozenset({*jinja2.defaults.DEFAULT_NAMESPACE, "true", "false", "none", "True", "False", "None"})


def _joined(source: str, written: Callable[[Any], str]) -> Any:
    """Text with nothing but columns in its gaps, without Jinja2; None for any other."""
    texts = _COLUMN.split(source)
    texts, columns = texts[::2], texts[1::2]
    if "\r" in source or any(map(_GAP.search, texts)) or not _MEANT.isdisjoint(columns):
        return None
    pieces: list[str] = [piece for pair in zip(texts, [*columns, ""], strict=True) for piece in pair][:-1]
    places = list(zip(range(1, len(pieces), 2), columns, strict=True))
    distinct = tuple(dict.fromkeys(columns))

    def joined(row: Mapping[str, Any]) -> str:
        made = pieces.copy()
        try:
            values = {column: written(row[column]) for column in distinct}
        except KeyError as error:
            raise TemplateError(f"there is no column {error}") from error
        for place, column in places:
            made[place] = values[column]
        return "".join(made)

    return joined


def _simple(name: str | None, addr: str | None, whole: str | None) -> Any:
    """The two usual ways of an address field, without Jinja2."""

    def value(row: Mapping[str, Any], column: str) -> Any:
        if column not in row:
            raise TemplateError(f"there is no column {column!r}")
        return row[column]

    if name and addr:
        return lambda row: (Address(str(value(row, addr)).strip(), str(value(row, name)).strip()),)
    assert whole

    def one_or_more(row: Mapping[str, Any]) -> tuple[Address, ...]:
        given = value(row, whole)
        return tuple(Address.parse(str(one)) for one in (given if isinstance(given, list) else [given]))

    return one_or_more
