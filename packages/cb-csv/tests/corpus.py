"""A labelled corpus of our own: how files look that people get, and how each was written.

    python corpus.py FOLDER        writes every file, and FOLDER/labels.jsonl, which bench/run.py --corpus takes

`labels.jsonl` has one object a line: file, delimiter, quotechar (or null), escapechar (or null), encoding, header,
preamble (lines before the table). Contents are made up; each is written in many ways by rules, not by hand.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Label:
    """How a file was written."""

    file: str
    delimiter: str
    quotechar: str | None
    escapechar: str | None
    encoding: str
    header: bool
    preamble: int


CITIES = ["Zürich", "São Paulo", "Łódź", "New York", "Den Haag", "Århus", "Lyon", "Bath"]
NAMES = ["Ana Pérez", "Jürgen Groß", "O'Neill, Mary", 'William "Bill" Ng', "Li Wei", "Eva-Maria K.", "Tom", "Zoë"]
WORDS = ["pump", "valve", "gasket", "filter", "bearing", "rotor", "seal", "hose", "clamp", "nozzle"]


def people(r: random.Random) -> tuple[list[str], list[list[str]]]:
    """Numbers, names, dates, mail."""
    rows = [
        [
            str(1000 + n),
            r.choice(NAMES),
            f"19{r.randrange(40, 99)}-0{r.randrange(1, 9)}-1{r.randrange(9)}",
            f"u{n}@example.org",
            r.choice(CITIES),
        ]
        for n in range(40)
    ]
    return ["id", "full name", "born", "mail", "city"], rows


def parts(r: random.Random) -> tuple[list[str], list[list[str]]]:
    """Prices with decimal commas, texts with commas."""
    rows = [
        [
            f"{r.choice(WORDS)}-{r.randrange(99)}",
            f"{r.randrange(900)},{r.randrange(10, 99)}",
            str(r.randrange(500)),
            f"{r.choice(WORDS)}, {r.choice(WORDS)}",
        ]
        for _ in range(35)
    ]
    return ["part", "price", "stock", "remark"], rows


def sensors(r: random.Random) -> tuple[list[str], list[list[str]]]:
    """Times and measures, with gaps."""
    rows = [
        [
            f"2024-03-{1 + n % 28:02} {n % 24:02}:{r.randrange(60):02}:00",
            f"{r.gauss(20, 5):.2f}",
            r.choice(["", f"{r.random():.3f}"]),
            r.choice(["ok", "ok", "warn"]),
        ]
        for n in range(60)
    ]
    return ["time", "temperature", "humidity", "state"], rows


def tickets(r: random.Random) -> tuple[list[str], list[list[str]]]:
    """Long texts: line breaks, quotes, URLs."""
    texts = [
        "It works again, thanks!",
        "Line one\nline two",
        'He said "no"',
        "See https://example.org/a?b=1;c=2",
        "-",
        "a | b",
    ]
    rows = [[f"T-{n}", r.choice(texts), r.choice(["open", "closed"]), str(r.randrange(5))] for n in range(30)]
    return ["ticket", "text", "status", "priority"], rows


def points(r: random.Random) -> tuple[list[str], list[list[str]]]:
    """Numbers only."""
    return ["x", "y", "z"], [[f"{r.gauss(0, 1):.4f}" for _ in range(3)] for _ in range(50)]


CONTENTS = {"people": people, "parts": parts, "sensors": sensors, "tickets": tickets, "points": points}
DELIMITERS = {
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "pipe": "|",
    "colon": ":",
    "space": " ",
    "caret": "^",
    "tilde": "~",
}


def cell(value: str, delimiter: str, quote: str | None, escape: str | None, always: bool) -> str:
    """One cell as that dialect has it."""
    special = any(char in value for char in (delimiter, "\n", "\r", quote or "\0"))
    if quote is None:
        for char in (escape or "", delimiter):
            value = value.replace(char, f"{escape}{char}") if escape and char else value
        return value.replace("\n", " ")
    if not special and not always:
        return value
    inner = value.replace(quote, f"{escape}{quote}" if escape else quote * 2)
    return f"{quote}{inner}{quote}"


def text(rows: list[list[str]], label: Label, newline: str, always: bool = False) -> str:
    """The rows as one text."""
    d, q, e = label.delimiter, label.quotechar, label.escapechar
    return "".join(d.join(cell(one, d, q, e, always) for one in row) + newline for row in rows)


def files() -> Iterator[tuple[Label, bytes]]:
    """Every file with its label; always the same."""
    r = random.Random(20240229)
    for content, make in CONTENTS.items():
        for name, delimiter in DELIMITERS.items():
            header, rows = make(r)
            for style, quote, always in (("minimal", '"', False), ("all", '"', True), ("single", "'", True)):
                label = Label(f"{content}-{name}-{style}.csv", delimiter, quote, None, "utf-8", True, 0)
                newline = r.choice(["\n", "\r\n"])
                yield label, text([header, *rows], label, newline, always).encode()
    yield from _headless(r)
    yield from _encoded(r)
    yield from _odd(r)


def _headless(r: random.Random) -> Iterator[tuple[Label, bytes]]:
    for content in ("people", "sensors", "points"):
        for name in ("comma", "semicolon", "tab", "pipe"):
            label = Label(f"headless-{content}-{name}.csv", DELIMITERS[name], '"', None, "utf-8", False, 0)
            yield label, text(CONTENTS[content](r)[1], label, "\n").encode()


def _encoded(r: random.Random) -> Iterator[tuple[Label, bytes]]:
    for encoding in ("utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "cp1252"):
        for name in ("comma", "semicolon", "tab"):
            header, rows = people(r)
            if encoding == "cp1252":
                rows = [[one.replace("Łódź", "Köln") for one in row] for row in rows]
            label = Label(f"{encoding}-{name}.csv", DELIMITERS[name], '"', None, encoding, True, 0)
            yield label, text([header, *rows], label, "\r\n").encode(encoding)


def _odd(r: random.Random) -> Iterator[tuple[Label, bytes]]:
    for name in ("comma", "semicolon", "tab", "pipe"):
        delimiter = DELIMITERS[name]
        header, rows = sensors(r)
        label = Label(f"preamble-{name}.csv", delimiter, '"', None, "utf-8", True, 3)
        yield label, ("Export of station 7\nmade on 2024-03-30\n\n" + text([header, *rows], label, "\n")).encode()
        label = Label(f"comment-{name}.csv", delimiter, '"', None, "utf-8", True, 2)
        yield label, ("# station 7\n# all values in SI units\n" + text([header, *rows], label, "\n")).encode()
        header, rows = people(r)
        label = Label(f"escaped-{name}.csv", delimiter, '"', "\\", "utf-8", True, 0)
        yield label, text([header, *rows], label, "\n", always=True).encode()
        label = Label(f"escaped-unquoted-{name}.csv", delimiter, None, "\\", "utf-8", True, 0)
        yield label, text([header, *[[one.replace('"', "") for one in row] for row in rows]], label, "\n").encode()
        label = Label(f"ragged-{name}.csv", delimiter, '"', None, "utf-8", True, 0)
        ragged = [row[: len(row) - (n % 9 == 5)] for n, row in enumerate(rows)]
        yield label, text([header, *ragged], label, "\n").encode()
        label = Label(f"tiny-{name}.csv", delimiter, '"', None, "utf-8", True, 0)
        yield label, delimiter.join(["id", "name"]).encode() + b"\n" + delimiter.join(["1", "Ann"]).encode() + b"\n"
        label = Label(f"cr-{name}.csv", delimiter, '"', None, "utf-8", True, 0)
        yield label, text([header, *rows], label, "\r").encode()
    for kind, lines in {
        "words": ["word", *WORDS],
        "numbers": ["value", *[str(r.randrange(10**6)) for _ in range(40)]],
        "times": ["time", *[f"2024-03-01 10:{n:02}:00" for n in range(40)]],
        "mails": ["mail", *[f"user.{n}@example.org" for n in range(30)]],
        "sentences": ["remark", *[f"{' '.join(r.sample(WORDS, r.randrange(2, 7)))}." for _ in range(40)]],
    }.items():
        yield Label(f"single-{kind}.csv", ",", '"', None, "utf-8", True, 0), ("\n".join(lines) + "\n").encode()


def main(folder: Path) -> None:
    """Write the corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = []
    for label, data in files():
        (folder / label.file).write_bytes(data)
        labels.append(json.dumps(asdict(label), ensure_ascii=False))
    (folder / "labels.jsonl").write_text("\n".join(labels) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
