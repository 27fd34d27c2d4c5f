"""Numbers in tables."""

from __future__ import annotations


def count(value: float) -> str:
    """Messages per second: 1.43M, 105k, 1296."""
    if value >= 1e6:
        return f"{value / 1e6:.2f}M"
    return f"{value / 1e3:.1f}k" if value >= 1e4 else f"{value:.0f}"


def microseconds(value: float) -> str:
    """Whole microseconds."""
    return f"{value:,.0f}"


def size(value: float) -> str:
    """Bytes as kB or MB."""
    return f"{value / 1e6:.1f} MB" if abs(value) >= 1e6 else f"{value / 1e3:.2f} kB"
