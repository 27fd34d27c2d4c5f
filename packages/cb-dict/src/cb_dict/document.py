"""A document as text with its changes: ``Document``, and ``edit``, ``load``, ``dump``, ``skim`` for files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cb_dict.diffing import diff
from cb_dict.errors import EditRefused, ParseError, PathError
from cb_dict.files import contents, contents_of, locked, replaced
from cb_dict.formats import Format, dumps, engine_for, format_of
from cb_dict.json_merge import merged, plain
from cb_dict.json_text import JsonText
from cb_dict.lines_text import LinesText
from cb_dict.merging import Conflict, Lists, merge
from cb_dict.patching import patch, pointer
from cb_dict.path import EVERY, Path, PathLike, index_of, path
from cb_dict.raw import Bytes, Raw, encoded, first
from cb_dict.reading import MISSING, child, has, is_list, kind, missing, walk
from cb_dict.same import same
from cb_dict.skim import find_every
from cb_dict.splice import Splice, pieces
from cb_dict.validating import check_utf8
from cb_dict.writing import Number, named, nested, sums

__all__ = ["Document", "dump", "edit", "load", "skim"]

_SHAPES: Final = {
    b"{": "object",
    b"[": "array",
    b'"': "string",
    b"t": "boolean",
    b"f": "boolean",
    b"n": "null",
}
_BOM: Final = b"\xef\xbb\xbf"


class Document:
    """A text in one of the formats, and what is changed in it. Only the places that change are written anew.

    >>> document = Document(b'{"a": 1.50, "b": [1]}')
    >>> document.set("b.-", 2); document.get("b")
    [1, 2]
    >>> bytes(document)
    b'{"a": 1.50, "b": [1, 2]}'
    """

    def __init__(self, data: Bytes, *, format: Format = "json") -> None:  # noqa: A002  # the option is called so
        view = memoryview(data)
        self.format: Format = format
        self.changed: bool = False
        self._bom: bytes = _BOM if bytes(view[:3]) == _BOM else b""
        self._pieces: list[bytes | memoryview] = [view[len(self._bom) :]]
        self._made: Any = None

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The text as it is now, in pieces."""
        yield self._bom
        yield from self._pieces

    def view(self) -> memoryview:
        """The text as it is now without its byte order mark; not copied while nothing has changed."""
        return memoryview(self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces))

    @property
    def _engine(self) -> Any:
        if self._made is None:
            self._made = engine_for(self.format, self.view())
        return self._made

    def get(self, where: PathLike = "", default: Any = MISSING) -> Any:
        """The Python value at a path; see ``cb_dict.get``."""
        steps = path(where)
        try:
            with self.located():
                if EVERY in steps:
                    at = steps.index(EVERY)
                    return walk(self._engine.value(Path(steps[:at])), Path(steps[at:]), default, Path(steps[:at]))
                return self._engine.value(steps)
        except PathError:
            if default is MISSING:
                raise
            return default

    @contextlib.contextmanager
    def located(self) -> Iterator[None]:
        """Say where in the whole text the bytes are that are no UTF-8, if a piece of it could not be decoded."""
        try:
            yield
        except ParseError as error:
            if not error.line:
                check_utf8(self.view())
            raise

    def raw(self, where: PathLike = "", default: Any = MISSING) -> list[bytes | memoryview]:
        """The JSON text at a path as it stands, digit for digit; with ``[*]``, of all that matches, as in ``get``."""
        with self.located():
            return self._raw(path(where), default)

    def _raw(self, steps: Path, default: Any) -> list[bytes | memoryview]:
        engine = self._engine
        if EVERY in steps:
            if isinstance(engine, JsonText):
                above, rest = Path(steps[: steps.index(EVERY)]), Path(steps[steps.index(EVERY) :])
                instead = () if default is MISSING else (Raw(encoded(default)),)
                if self.has(above) and (found := find_every(engine.find(above), rest, instead)):
                    return [memoryview(one) for one in found]
            every = self.get(steps, default)
            return [encoded(one) for one in (every if isinstance(every, list) else [every])]
        try:
            if isinstance(engine, JsonText) or (isinstance(engine, LinesText) and steps):
                return [memoryview(engine.find(steps))]
            return [encoded(self.get(steps))]
        except PathError:
            if default is MISSING:
                raise
            return [encoded(default)]

    def has(self, where: PathLike) -> bool:
        """Whether something is at a path; see ``cb_dict.has``."""
        steps = path(where)
        engine = self._engine
        if EVERY in steps:
            return bool(find_every(engine.json, steps)) if isinstance(engine, JsonText) else has(self.get(), steps)
        try:
            engine.find(steps) if isinstance(engine, (JsonText, LinesText)) else engine.value(steps)
        except PathError:
            return False
        return True

    def shape(self, where: PathLike = "") -> str:
        """object, array, string, number, boolean or null: what is at a path."""
        steps = path(where)
        if isinstance(engine := self._engine, JsonText) and EVERY not in steps:
            return _SHAPES.get(first(engine.find(steps)), "number")
        if isinstance(engine, LinesText) and not steps:
            return "array"
        return kind(self.get(steps))

    def set(self, where: PathLike, value: Any, *, create: bool = True) -> None:
        """Put a value at a path; see ``cb_dict.set_``."""
        steps = named(where)
        if not steps or self.has(steps):
            self._apply([("replace", steps, value)])
            return
        depth = len(steps) - 1
        while depth and not self.has(Path(steps[:depth])):
            depth -= 1
        above, rest = Path(steps[:depth]), Path(steps[depth:])
        there = self.shape(above)
        if not above and there == "null" and isinstance(rest[0], str):  # nothing in the file yet
            self._apply([("replace", above, {rest[0]: nested(value, rest, above)})])
            return
        in_list = there == "array"
        if (in_list and rest[0] != "-") or (len(rest) > 1 and not create):
            raise missing(self.get(above), rest, before=above)
        self._apply([("add", above / rest[0], nested(value, rest, above))])

    def delete(self, where: PathLike, *, missing_ok: bool = False) -> None:
        """Take out what is at a path; see ``cb_dict.delete``. Of a key that is there twice, both go."""
        steps = named(where)
        if not steps:
            raise PathError("the whole document cannot be removed")
        if missing_ok and not self.has(steps):
            return
        self._apply([("remove", steps, None)])
        while isinstance(self._engine, JsonText) and isinstance(steps[-1], str) and self._taken(steps):
            self._apply([("remove", steps, None)])

    def add(
        self,
        deltas: Mapping[PathLike, Number],
        *,
        minimum: Mapping[PathLike, Number] | None = None,
        maximum: Mapping[PathLike, Number] | None = None,
    ) -> dict[str, Any]:
        """Add to counters, all or none; see ``cb_dict.add``."""
        found = sums(lambda steps: self.get(steps, 0), deltas, minimum=minimum, maximum=maximum)
        before = (self._pieces, self._made, self.changed)
        try:
            for steps, value in found.items():
                self.set(steps, value)
        except BaseException:
            self._pieces, self._made, self.changed = before
            raise
        return {str(steps): value for steps, value in found.items()}

    def merge(self, other: Any, *, lists: Lists = "replace", conflict: Conflict = "right") -> None:
        """Merge a value, or a ``Raw`` piece of JSON, into the document; see ``cb_dict.merge``."""
        if isinstance(engine := self._engine, JsonText) and not callable(lists):
            self._splice(merged(engine, other, lists=lists, conflict=conflict))
            return
        old = self.get()
        self.patch(diff(old, merge(old, plain(other), lists=lists, conflict=conflict)))

    def patch(self, operations: Iterable[Mapping[str, Any]]) -> None:
        """Apply a JSON Patch, all of it or nothing; see ``cb_dict.patch``."""
        every = list(operations)
        old = self.get()
        expected = patch(old, every)
        changes: list[tuple[str, Path, Any]] = []
        for one in every:
            where = pointer(one)
            if one["op"] in ("move", "copy"):  # what comes of them is told by the outcome
                changes = [(made["op"], pointer(made), made.get("value")) for made in diff(old, expected)]
                break
            if one["op"] != "test":
                changes.append((one["op"], where, one.get("value")))
        self._apply(changes, expected)

    def _apply(self, changes: list[tuple[str, Path, Any]], expected: Any = MISSING) -> None:
        """Make changes in order, or none; where a format is not ours, look whether what came out is what was meant."""
        before = (self._pieces, self._made, self.changed)
        check = not isinstance(self._engine, (JsonText, LinesText))
        if check and expected is MISSING:
            expected = self.get()
            for how, where, value in changes:
                expected = patch(expected, [_operation(expected, how, where, value)])
        try:
            for how, where, value in changes:
                engine = self._engine
                if how == "remove":
                    self._splice(engine.remove(where))
                elif how == "replace" or (how == "add" and self._taken(where)):
                    self._splice(engine.replace(where, value))
                else:
                    self._splice(engine.insert(where, value))
            if check and not same(self.get(), expected):
                raise EditRefused(f"{changes[0][1]}: this cannot be changed without changing more (do it by hand)")  # noqa: TRY301
        except BaseException as error:
            self._pieces, self._made, self.changed = before
            if isinstance(error, ParseError):
                raise EditRefused(f"{changes[0][1]}: this layout cannot be changed safely (do it by hand)") from error
            raise

    def _taken(self, where: Path) -> bool:
        """Whether ``add`` means to replace here: there is a value, and it is no element of a list."""
        return not where or (self.has(where) and self.shape(Path(where[:-1])) == "object")

    def _splice(self, splices: list[Splice]) -> None:
        if splices:
            text = self._engine.text
            self._pieces = list(pieces(text.encode() if isinstance(text, str) else text, splices))
            self._made, self.changed = None, True


def _operation(document: Any, how: str, where: Path, value: Any) -> dict[str, Any]:
    steps: list[Any] = []
    for step in where:  # -1 is no index in a JSON Patch
        index = index_of(step) if is_list(document) else None
        steps.append(step if index is None else index % len(document) if index < 0 else index)
        document = child(document, step)
    return {"op": how, "path": Path(steps).pointer(), "value": value}


def load(file: str | os.PathLike[str], *, format: Format | None = None) -> Any:  # noqa: A002
    """The whole document of a file as Python values. The format is told by the file's name unless it is given."""
    return skim(file, "", format=format)


def skim(
    file: str | os.PathLike[str],
    where: PathLike,
    default: Any = MISSING,
    *,
    format: Format | None = None,  # noqa: A002
) -> Any:
    """The value at one path of a file; of JSON, nothing else becomes an object, and a file of 16 MB or more is mapped.

    Memory stays small at any size of the file. The file must not be cut short meanwhile by another program.
    """
    name = os.fspath(file)
    with naming(name):
        return Document(contents_of(name), format=format or format_of(name)).get(where, default)


@contextlib.contextmanager
def edit(file: str | os.PathLike[str], *, format: Format | None = None) -> Iterator[Document]:  # noqa: A002
    """Open a file for change, in a ``with``: ``document.set("db.port", 5433)`` inside of it; it is written after.

    It is locked against other ``edit``s. At the end of the block it is replaced at once, if something has changed:
    it is the old one or the new one, whenever the power fails, and nothing but what was changed differs. After an
    exception it is as it was. Mode, owner, links and line ends stay.
    """
    name = os.fspath(file)
    with locked(name) as (opened, real), naming(name):
        before = os.fstat(opened)
        document = Document(contents(opened), format=format or format_of(name))
        yield document
        if document.changed:
            replaced(opened, real, document.pieces(), before)


def dump(value: Any, file: str | os.PathLike[str], *, format: Format | None = None, indent: int = 2) -> None:  # noqa: A002
    """Write a new document to a file, or replace the one in it, at once."""
    name = os.fspath(file)
    text = dumps(value, format or format_of(name), indent=indent)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    with locked(name) as (opened, real):
        replaced(opened, real, [text], os.fstat(opened))


@contextlib.contextmanager
def naming(name: str) -> Iterator[None]:
    """Say in a ``ParseError`` which file it is about."""
    try:
        yield
    except ParseError as error:
        error.file = error.file or name
        raise
