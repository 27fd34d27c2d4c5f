"""What a command is: a list of words, or, by an explicit type, a text for a shell. No I/O but the search on PATH."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cb_subprocess.errors import BadCommand, CommandNotFound, CommandNotRunnable

__all__ = ["Command", "Shell", "quote", "shell", "split", "which"]


@dataclass(frozen=True, slots=True)
class Shell:
    """A text that a shell is to run; made by `shell`."""

    text: str
    program: str = "/bin/sh"


Command: TypeAlias = "str | bytes | os.PathLike[str] | Shell | Sequence[str | bytes | os.PathLike[str]]"


def shell(text: str, *, program: str = "/bin/sh") -> Shell:
    """Say that `text` is meant for a shell. Whatever is put into it must have gone through `quote`.

    >>> shell("ls | wc -l")
    Shell(text='ls | wc -l', program='/bin/sh')
    """
    return Shell(text, program)


def words(command: Command) -> list[str]:
    """Return the argument list of a command.

    Raises:
        BadCommand: It is a string of several words, empty, or has a NUL byte in it.
    """
    if isinstance(command, Shell):
        found = [command.program, "-c", command.text]
    elif isinstance(command, str):
        if len(command.split()) != 1:
            raise BadCommand(
                f"a command is a list of words, not the string {command!r} "
                "(cut it with split(…), or mean a shell with shell(…))"
            )
        found = [command]
    elif isinstance(command, (bytes, os.PathLike)):
        found = [os.fsdecode(command)]
    else:
        try:
            found = [os.fsdecode(word) for word in command]
        except TypeError:
            raise BadCommand(f"every word of a command is a string, bytes or a path: {command!r}") from None
    if not found or not found[0]:
        raise BadCommand("an empty command (the first word names the program)")
    if any("\0" in word for word in found):
        raise BadCommand(f"a NUL byte in {found!r} (no program could be given it)")
    return found


def quote(words: str | Iterable[str]) -> str:
    r"""Quote a word, or each of several, for a POSIX shell; always one line.

    >>> quote("/dev/null; ls -l /tmp")
    "'/dev/null; ls -l /tmp'"
    >>> print(quote(["echo", "it's", "a\tb"]))
    echo 'it'"'"'s' $'a\tb'
    """
    return _quoted(words) if isinstance(words, str) else " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if word.isprintable() or not any(ord(letter) < 32 or ord(letter) == 127 for letter in word):
        return shlex.quote(word)
    named = {"\n": r"\n", "\t": r"\t", "\r": r"\r", "'": r"\'", "\\": r"\\"}
    return (
        "$'" + "".join(named.get(c) or (f"\\{ord(c):03o}" if ord(c) < 32 or ord(c) == 127 else c) for c in word) + "'"
    )


def split(text: str) -> list[str]:
    """Cut a line into words as a POSIX shell would, expanding nothing.

    >>> split("grep -n 'two words' file")
    ['grep', '-n', 'two words', 'file']

    Raises:
        BadCommand: A quote is not closed, or a backslash ends the text.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise BadCommand(f"{text!r}: {str(error).lower()}") from None


def which(name: str) -> str:
    """Return the path of a program.

    Raises:
        CommandNotFound: It is not on PATH; the message has the names that look like it.
        CommandNotRunnable: There is a file of that name, and it is no program.
    """
    found = shutil.which(name)
    if found is not None:
        return found
    if os.sep in name and Path(name).exists():
        raise CommandNotRunnable(f"{name}: not executable (chmod +x?)")
    raise CommandNotFound(name, near(name))


def near(name: str) -> list[str]:
    """The names on PATH that look like it."""
    import difflib

    names: set[str] = set()
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        try:
            names.update(entry.name for entry in os.scandir(folder or "."))
        except OSError:
            continue  # PATH may name what is not there
    return difflib.get_close_matches(Path(name).name, sorted(names), n=3, cutoff=0.75)
