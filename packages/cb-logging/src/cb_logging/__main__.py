"""``python -m cb_logging``."""

from __future__ import annotations

from cb_logging.cli import main

if __name__ == "__main__":
    main()
