"""Time it, cache it, check it: typed decorators with a single-flight cache that threads, tasks and processes can share."""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["__version__"]
