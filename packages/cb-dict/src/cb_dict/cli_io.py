"""What the commands share: documents in, values in, text out. Nothing here takes the time that click takes to load."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cb_dict.document import Document, edit, naming
from cb_dict.ending import say
from cb_dict.errors import ConflictError, EditRefused, LimitError, ParseError, PathError, TypeMismatch
from cb_dict.files import contents_of
from cb_dict.formats import Format, format_of
from cb_dict.raw import decoded
from cb_dict.validating import check_utf8

__all__ = ["about", "change", "emit", "located", "opened", "typed"]


@contextlib.contextmanager
def opened(name: str, form: Format | None = None) -> Iterator[Document]:
    """The document in a file, or on stdin for ``-``. What goes wrong inside is said of that file."""
    with about(name):
        data = sys.stdin.buffer.read() if name == "-" else contents_of(name)
        if isinstance(data, mmap.mmap):
            _guard(name)
        yield Document(data, format=form or format_of(name))


@contextlib.contextmanager
def about(name: str) -> Iterator[None]:
    """Say in every error which document it is about."""
    try:
        with naming(name):
            yield
    except RecursionError as error:
        raise LimitError(f"{name}: the document is nested too deep to follow") from error
    except (PathError, TypeMismatch, LimitError, ConflictError, EditRefused) as error:
        if not str(error).startswith(f"{name}: "):
            error.args = (f"{name}: {error}", *error.args[1:])
        raise


@contextlib.contextmanager
def located(**documents: Document) -> Iterator[None]:
    """Say in which of several documents, by their names, the bytes are that are no UTF-8."""
    try:
        yield
    except ParseError as error:
        if not error.line:
            for name, document in documents.items():  # pragma: no branch  # one of them has these bytes
                with naming(name):
                    check_utf8(document.view())
        raise


def _guard(name: str) -> None:
    """Go on in a child: who looks at a mapped file that is cut short meanwhile is ended by the system (SIGBUS)."""
    if _guarded:
        return
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _guarded.append(name)
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the child has it too
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGBUS:
        say(f"{name}: the file was cut short while it was read (try again)")
        code = 4
    os._exit(code if code >= 0 else 128 - code)


_guarded: list[str] = []


def typed(text: str, how: str) -> Any:
    """A value from the command line: JSON if it is JSON, else a string; or as *how* says."""
    if how == "file":
        with opened(text) as document:
            return document.get()
    if how == "string":
        return text
    try:
        return decoded(text.encode())
    except ParseError as error:
        if how == "json":
            from click import UsageError

            raise UsageError(f"VALUE {text!r} is no JSON: {error.args[0]}") from error
        return text


def emit(pieces: Iterable[bytes | memoryview]) -> None:
    """Write bytes to stdout."""
    out = sys.stdout.buffer
    for piece in pieces:
        out.write(piece)
    out.flush()


def change(
    name: str,
    act: Callable[[Document], None],
    *,
    form: Format | None,
    in_place: bool,
    backup: str | None,
    dry_run: bool,
) -> None:
    """Do *act* to the document of a file: in place, to stdout, or as a diff."""
    if dry_run:
        import difflib

        with opened(name, form) as document:
            old = bytes(document)
            act(document)
            one, two = (text.decode(errors="replace").splitlines(keepends=True) for text in (old, bytes(document)))
            for line in difflib.unified_diff(one, two, fromfile=name, tofile=name):
                emit([line.encode(), b"" if line.endswith("\n") else b"\n"])
    elif in_place:
        if name == "-":
            from click import UsageError

            raise UsageError("-i needs a file, not '-'")
        with about(name), edit(name, format=form) as document:
            act(document)
            if backup and document.changed:
                import shutil

                shutil.copy2(name, name + backup)
    else:
        with opened(name, form) as document:
            act(document)
            emit(document.pieces())
