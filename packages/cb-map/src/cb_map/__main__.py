"""``python -m cb_map``, and the command: Ctrl-C while it is still being imported is one line, too."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Find out what is wanted, run it, and end the process with its status."""
    gc.disable()  # neither imports nor records make cycles; where the user's functions run, it is on again
    try:
        from cb_map.ending import ends
        from cb_map.plain import plain

        status = ends(plain(sys.argv[1:]) or _parse)
    except KeyboardInterrupt:
        sys.stderr.write("cb-map: interrupted; no file was replaced that was not finished\n")
        status = 130
    sys.exit(status)


def _parse() -> int | None:
    from cb_map.cli import parse

    return parse()


if __name__ == "__main__":
    main()
