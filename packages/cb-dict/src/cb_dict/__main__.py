"""``python -m cb_dict``, and the command."""

from __future__ import annotations

import sys

from cb_dict.ending import ends
from cb_dict.showing import plain

__all__ = ["main"]


def main() -> None:
    """Find out what is wanted, run it, and end the process with its status."""
    sys.exit(ends(plain(sys.argv[1:]) or _parse))


def _parse() -> int | None:
    from cb_dict.cli import parse

    return parse()


if __name__ == "__main__":
    main()
