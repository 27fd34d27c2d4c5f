"""Tables for a terminal and for the README."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table; the first column is text, the others stand right."""

    key: str
    """Names its place in the README: ``<!-- bench: key -->`` and ``<!-- end -->``."""
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def text(self) -> str:
        """Aligned columns."""
        lines = [list(self.columns), *map(list, self.rows)]
        widths = [max(len(line[index]) for line in lines) for index in range(len(self.columns))]
        out = [self.title, "-" * len(self.title)]
        for line in lines:
            out.append("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip())
        return "\n".join([*out, *([self.note] if self.note else [])])

    def markdown(self) -> str:
        """A Markdown table."""
        out = [f"**{self.title}**", "", _row(self.columns), _row(["---", *["---:"] * (len(self.columns) - 1)])]
        out += [_row(row) for row in self.rows]
        return "\n".join([*out, *(["", self.note] if self.note else [])])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def keep(file: Path, found: Sequence[Table], machine: str) -> None:
    """Add tables to those of earlier runs; one of the same key takes the place of the older."""
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    known |= {one.key: {**asdict(one), "machine": machine} for one in found}
    file.write_text(json.dumps(known, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


def fill(readme: Path, file: Path) -> list[str]:
    """Write the tables that were kept into the README, each at its place; the keys of places without a table."""
    known = json.loads(file.read_text(encoding="utf-8"))
    missing = []

    def table(match: re.Match[str]) -> str:
        key = match[1]
        if key not in known:
            missing.append(key)
            return match[0]
        one = dict(known[key])
        del one["machine"]
        return f"<!-- bench: {key} -->\n{Table(**one).markdown()}\n<!-- end -->"

    text = readme.read_text(encoding="utf-8")
    readme.write_text(re.sub(r"<!-- bench: (\S+) -->.*?<!-- end -->", table, text, flags=re.DOTALL), encoding="utf-8")
    return missing
