"""The chapter's contacts: a CSV file that several programs may add to, and a kill does not harm; and a menu over it.

A contact is added under a lock, in one write, flushed to the disk: after `add` returns it is there. The header is
written when the file is empty, not when it is absent; columns are found by name; a line that somebody left without its
end is ended first. A look-up searches the mapped file for the name's bytes and takes apart only what was hit.
"""

from __future__ import annotations

import csv
import fcntl
import io
import logging
import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from cb_logging.errors import ContactsError

__all__ = ["Contacts", "menu"]

_log = logging.getLogger(__name__)
_BOM = "\ufeff"
_PART = 1 << 20


class Contacts:
    """Contacts in a CSV file with the column ``name``.

    Args:
        path: The file; it need not be there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     contacts = Contacts(Path(folder, "contacts.csv"))
    ...     contacts.add({"name": "Michael", "number": "1234-5678"})
    ...     list(contacts.names()), contacts.get("Michael")
    (['Michael'], [{'name': 'Michael', 'number': '1234-5678'}])
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        _log.info("initializing contacts repository with file at: %s", self.path)

    def add(self, contact: Mapping[str, str]) -> None:
        """Add a contact; it is on the disk when this returns.

        Raises:
            ContactsError: It has no name, or a key that is no column of the file.
        """
        _log.info("creating contact: %s", dict(contact))
        if not contact.get("name"):
            raise ContactsError(f"{self.path}: a contact needs a name")
        fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            size = os.fstat(fd).st_size
            before = b""
            if os.pread(fd, 4, 0) not in {b"", _BOM.encode()}:
                header = self._header(fd)
                if os.pread(fd, 1, size - 1) != b"\n":
                    _log.warning("the last line of %s was not ended: it is ended now", self.path)
                    before = self._ending(fd)
            else:
                _log.debug("this is the first contact in the given file. writing headers")
                header = sorted(contact)
                before = _line(header)
            if unknown := contact.keys() - set(header):
                raise ContactsError(f"{self.path}: no column {', '.join(sorted(unknown))} (it has {', '.join(header)})")
            os.write(fd, before + _line([contact.get(name, "") for name in header]))
            os.fsync(fd)
        finally:
            os.close(fd)

    def _header(self, fd: int) -> list[str]:
        with open(fd, "rb", closefd=False) as file:
            file.seek(0)
            header = next(self._rows(file), [])
        if "name" not in header:
            raise ContactsError(f"{self.path}:1: no column name (the first line must name the columns)")
        return header

    def _ending(self, fd: int) -> bytes:
        """What ends a line that was torn, be it within quotes."""
        with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as data:
            return b'"\n' if _quotes(data, 0, len(data)) % 2 else b"\n"

    def _rows(self, file: Iterable[bytes]) -> Iterator[list[str]]:
        """The rows of an open file, line breaks in fields as they are."""
        lines = (line.decode("utf-8", "backslashreplace").removeprefix(_BOM) for line in file)
        try:
            yield from csv.reader(lines)
        except csv.Error as error:
            raise ContactsError(f"{self.path}: {error} (a spreadsheet may save it anew)") from error

    def _contacts(self) -> Iterator[dict[str, str]]:
        """All contacts, one at a time; a row that is torn is told of and passed over."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            rows = self._rows(file)
            header = next(rows, [])
            if header and "name" not in header:
                raise ContactsError(f"{self.path}:1: no column name (the first line must name the columns)")
            for row in rows:
                if (contact := self._contact(header, row)) is not None:
                    yield contact

    def _contact(self, header: list[str], row: list[str]) -> dict[str, str] | None:
        if len(row) == len(header):
            return dict(zip(header, row, strict=True))
        if row:
            _log.warning("%s: a line has %d of %d columns, it is passed over", self.path, len(row), len(header))
        return None

    def names(self) -> Iterator[str]:
        """The names, in the order in which they were added. No file: no contacts."""
        _log.info("retrieving all contact names")
        return (contact["name"] for contact in self._contacts())

    def get(self, name: str, *, first: bool = False) -> list[dict[str, str]]:
        """The contacts of that name, all or the *first*; time for reading the file once, memory for the hits."""
        _log.info("retrieving full contact for name: %s", name)
        found = []
        for contact in self._find(name):
            found.append(contact)
            if first:
                break
        if found:
            _log.debug("contact was found")
        else:
            _log.warning("contact was not found for name: %s", name)
        return found

    def _find(self, name: str) -> Iterator[dict[str, str]]:
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            if os.fstat(file.fileno()).st_size == 0:
                return
            header = self._header(file.fileno())
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield from self._search(data, header, name)

    def _search(self, data: mmap.mmap, header: list[str], name: str) -> Iterator[dict[str, str]]:
        column = header.index("name")
        quoted = '"' + name.replace('"', '""') + '"'
        lead = "\n" if column == 0 else ","
        any_quotes = _first(data, [b'"'], 0) >= 0
        needles = [f"{lead}{text}".encode() for text in ([quoted, name] if any_quotes else [name])]
        place = counted = 0  # quotes before place
        end = data.find(b"\n") + 1  # the header is no contact
        while (hit := _first(data, needles, max(end - 1, 0))) >= 0:
            start = hit + 1 if column == 0 else data.rfind(b"\n", 0, hit) + 1
            if any_quotes:
                counted += _quotes(data, place, start) if start >= place else -_quotes(data, start, place)
                place = start
                if counted % 2:  # a line break within quotes: no line begins here
                    end = hit + 2
                    if column == 0:
                        continue
                    while counted % 2 and start > 0:
                        start = data.rfind(b"\n", 0, start - 1) + 1
                        counted -= _quotes(data, start, place)
                        place = start
            data.seek(start)
            reader = csv.reader(_Lines(data))
            contact = self._contact(header, next(reader, []))
            end = max(data.tell(), hit + 2)
            if contact is not None and contact["name"] == name:
                yield contact


class _Lines:
    """The lines of mapped bytes, as the csv module wants them."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._data.readline()
        if not line:
            raise StopIteration
        return line.decode("utf-8", "backslashreplace")


def _first(data: mmap.mmap, needles: list[bytes], at: int) -> int:
    """Where the first of some needles is, -1 if none is there; a part at a time, for `bytes.find` is the quicker."""
    more = max(map(len, needles)) - 1
    while at < len(data):
        part = data[at : at + _PART + more]
        found = [place for needle in needles if (place := part.find(needle)) >= 0]
        if found:
            return at + min(found)
        at += _PART
    return -1


def _quotes(data: mmap.mmap, start: int, end: int) -> int:
    """How many quotes there are, without a copy of all of it."""
    return sum(data[at : min(at + _PART, end)].count(b'"') for at in range(start, end, _PART))


def _line(fields: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue().encode("utf-8", "backslashreplace")


def menu(contacts: Contacts, ask: Callable[[str], str] = input, say: Callable[[str], object] = print) -> None:
    """The chapter's dialog, until ``0`` or the end of input."""
    try:
        while True:
            for option in ("1) Create Contact", "2) All Contacts", "3) Detail of a contact", "0) Exit"):
                say(option)
            chosen = ask("What do you want to do? ").strip()
            if chosen == "0":
                return
            if chosen == "1":
                contact = {"name": ask("name: "), "number": ask("number: ")}
                try:
                    contacts.add(contact)
                except ContactsError as error:
                    say(str(error))
                else:
                    say("Done!")
            elif chosen == "2":
                empty = True
                for name in contacts.names():
                    say(f"- {name}")
                    empty = False
                if empty:
                    say("no contacts were found")
            elif chosen == "3":
                found = contacts.get(ask("name: "))
                for contact in found:
                    for key, value in contact.items():
                        say(f"{key}: {value}")
                if not found:
                    say("contact not found.")
            else:
                say(f"{chosen!r} is none of these (choose 1, 2, 3 or 0)")
    except EOFError:
        return
