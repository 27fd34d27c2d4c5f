"""Numbers in tables."""

from __future__ import annotations


def nanoseconds(value: float) -> str:
    """Of seconds: whole nanoseconds."""
    return f"{value * 1e9:,.0f}"
