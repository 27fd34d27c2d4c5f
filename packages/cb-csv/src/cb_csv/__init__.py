"""Trust a delimited file that somebody else made: detect, check, convert, read, append."""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["__version__"]
