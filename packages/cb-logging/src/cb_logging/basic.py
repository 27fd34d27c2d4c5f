"""The chapter's basic.py: a line for each level."""

from __future__ import annotations

import logging

__all__ = ["main"]


def main() -> None:
    """Log at each of the five levels."""
    logging.debug("Some additional information")  # noqa: LOG015 - the root logger, as in the chapter
    logging.info("Working...")  # noqa: LOG015
    logging.warning("Watch out!")  # noqa: LOG015
    logging.error("Oh NO!")  # noqa: LOG015
    logging.critical("x.x")  # noqa: LOG015
