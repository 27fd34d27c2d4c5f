"""Run a coroutine on asyncio's own loop or on uvloop's."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


def run(main: Coroutine[object, object, None], loop: str) -> None:
    """Run `main` on the loop called "asyncio" or "uvloop"."""
    if loop == "uvloop":
        import uvloop

        uvloop.run(main)
    else:
        asyncio.run(main)
