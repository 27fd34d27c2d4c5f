"""The command: ``cb-logging``, and ``python -m cb_logging``."""

from __future__ import annotations

import sys

from cb_logging.ending import ends
from cb_logging.plain import plain

__all__ = ["main"]


def main() -> None:
    """Find out what is wanted, run it, and end the process with its status."""
    sys.exit(ends(plain(sys.argv[1:]) or _parse))


def _parse() -> int:
    from cb_logging.cli import parse

    return parse()


if __name__ == "__main__":
    main()
