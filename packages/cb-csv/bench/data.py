"""Files to measure on: made by rules from a fixed seed, kept in the folder given."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

WORDS = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "Zürich",
    "naïve",
]
HEADERS = {
    "mixed": "id;name;price;kind;note;quote;text;place",
    "decimal commas": "id;name;a;b;c;d;kind;place",
    "escapes": "id;name;price;kind;note;quote;text;place",
}


def _mixed(r: random.Random) -> str:
    """8 columns, 88 bytes; a third of the records with quotes, 2 % with line breaks in them, 15 % need new quotes."""

    def words(count: int) -> str:
        return " ".join(r.choices(WORDS, k=count))

    fields = [str(r.randrange(10**6)), words(3), f"{r.random() * 1000:.2f}", words(1)]
    fields.append(f'"{words(2)}; {words(1)}"' if r.random() < 0.3 else words(3))
    fields.append(f'"say ""{words(1)}"" twice"' if r.random() < 0.05 else str(r.randrange(1000)))
    fields.append('"two\r\nlines"' if r.random() < 0.02 else words(3))
    fields.append(f"{words(1)}, {words(2)}" if r.random() < 0.15 else words(3))
    return ";".join(fields) + "\r\n"


def _dense(r: random.Random) -> str:
    """Half of all fields need new quotes."""
    numbers = [f"{r.randrange(10**4)},{r.randrange(100):02}" for _ in range(4)]
    return ";".join([str(r.randrange(10**6)), r.choice(WORDS), *numbers, r.choice(WORDS), r.choice(WORDS)]) + "\r\n"


def _escapes(r: random.Random) -> str:
    """A backslash before quotes and delimiters, in one record of three."""
    line = _mixed(r).replace('""', '\\"')
    return line.replace("alpha ", "alpha\\; ") if r.random() < 0.3 else line


KINDS: dict[str, Callable[[random.Random], str]] = {"mixed": _mixed, "decimal commas": _dense, "escapes": _escapes}


def make(folder: Path, kind: str, megabytes: int) -> Path:
    """A file of about so many million bytes; made once."""
    path = folder / f"{kind.replace(' ', '-')}-{megabytes}.csv"
    if path.exists():
        return path
    r = random.Random(1)
    block = "".join(KINDS[kind](r) for _ in range(20_000)).encode()
    with path.open("wb") as out:
        out.write(f"{HEADERS[kind]}\r\n".encode())
        while out.tell() < megabytes * 1_000_000:
            out.write(block)
    return path


def make_rfc(folder: Path, megabytes: int) -> Path:
    """A clean file of RFC 4180, to be checked."""
    path = folder / f"clean-{megabytes}.csv"
    if not path.exists():
        from cb_csv import Dialect, convert

        convert(make(folder, "mixed", megabytes), path, source=Dialect(";"), workers=2, durable=False)
    return path
