"""``python -m cb_threading``, and the command: Ctrl-C while it is still being imported is one line, too."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command and end the process with its status."""
    gc.set_threshold(50_000, 20, 20)  # pages make no cycles; looking for them at the usual pace is a tenth of a fetch
    try:
        from cb_threading.cli import parse
        from cb_threading.cli_io import ends

        status = ends(parse)
    except KeyboardInterrupt:
        sys.stderr.write("cb-threading: interrupted\n")
        status = 130
    gc.freeze()
    sys.exit(status)


if __name__ == "__main__":
    main()
