"""Tables for a terminal and for a README, and the numbers in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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
        widths = [max(len(line[index]) for line in lines) for index in range(len(self.columns))]
        out = [self.title, "-" * len(self.title)]
        for line in lines:
            cells = [line[0].ljust(widths[0])] + [
                cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)
            ]
            out.append("  ".join(cells).rstrip())
        return "\n".join([*out, *([self.note] if self.note else [])])

    def markdown(self) -> str:
        """A Markdown table."""
        out = [f"**{self.title}**", "", _row(self.columns), _row(["---", *["---:"] * (len(self.columns) - 1)])]
        out += [_row(row) for row in self.rows]
        return "\n".join([*out, *(["", self.note] if self.note else [])])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
