"""Contenders side by side."""

from __future__ import annotations

from statistics import median

from house.tables import Table


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
