"""Tables for a terminal and for a README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table; the first column is text, the others stand right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Aligned columns."""
        lines = [list(self.columns), *map(list, self.rows)]
        widths = [max(len(line[at]) for line in lines) for at in range(len(self.columns))]
        cells = [
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
            for line in lines
        ]
        return "\n".join([self.title, "-" * len(self.title), *("  ".join(line).rstrip() for line in cells)])

    def markdown(self) -> str:
        """A Markdown table."""
        rows = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *self.rows]
        return "\n".join([f"**{self.title}**", "", *("| " + " | ".join(row) + " |" for row in rows)])


def put(readme: Path, part: str, text: str) -> None:
    """Write *text* between the marks that README.md has for a part."""
    before, begin, rest = readme.read_text().partition(f"<!-- bench: {part} -->\n")
    _, end, after = rest.partition("<!-- end -->\n")
    assert begin, f"README.md has no mark for {part}"
    readme.write_text(f"{before}{begin}\n{text}\n\n{end}{after}")


def compared(title: str, ours: str, seconds: dict[str, list[float]], unit: float = 1.0) -> Table:
    """Fastest first; the ratio is the median of each round's peer ÷ ours."""
    mine = seconds[ours]
    rows = []
    for name, found in sorted(seconds.items(), key=lambda pair: median(pair[1]) if pair[1] else 1e9):
        if not found:
            rows.append([name, "failed", "", ""])
            continue
        ratio = median(theirs / our for theirs, our in zip(found, mine, strict=False))
        shown = "" if name == ours else f"{ratio:.2f}"
        rows.append(
            [
                name,
                f"{median(found):.3f}",
                f"{min(found):.3f}",
                shown,
                *([f"{unit / median(found):,.0f}"] if unit > 1 else []),
            ]
        )
    more = ["items/s"] if unit > 1 else []
    return Table(title, ["", "median s", "min s", f"÷ {ours}", *more], rows)
