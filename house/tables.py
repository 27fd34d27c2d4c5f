"""Tables of the benches, for a terminal and for a README. `nox -s bench` lets every bench import them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table; the first column is text, the others stand right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def text(self) -> str:
        """Aligned columns."""
        lines = [list(self.columns), *map(list, self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        out = [self.title, "-" * len(self.title)]
        for first, *rest in lines:
            out.append("  ".join([first.ljust(widths[0]), *map(str.rjust, rest, widths[1:])]).rstrip())
        return "\n".join([*out, *([self.note] if self.note else [])])

    def markdown(self) -> str:
        """A Markdown table."""
        out = [f"**{self.title}**", "", _row(self.columns), _row(["---", *["---:"] * (len(self.columns) - 1)])]
        out += [_row(row) for row in self.rows]
        return "\n".join([*out, *(["", self.note] if self.note else [])])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def put(readme: Path, key: str, text: str) -> None:
    """Write *text* between the marks ``<!-- bench: key -->`` and ``<!-- end -->`` of a README, for what stood there."""
    before, begin, rest = readme.read_text(encoding="utf-8").partition(f"<!-- bench: {key} -->\n")
    old, end, after = rest.partition("<!-- end -->")
    if not end or "<!-- bench:" in old:
        raise ValueError(f"{readme}: no place for {key} (write <!-- bench: {key} --> and <!-- end -->, each on a line)")
    readme.write_text(f"{before}{begin}\n{text}\n\n{end}{after}", encoding="utf-8")
