"""``python -m cb_threading``."""

from __future__ import annotations

from cb_threading.cli import main

if __name__ == "__main__":
    main()
