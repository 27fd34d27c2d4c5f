"""``python -m cb_riddles``."""

from __future__ import annotations

from cb_riddles.cli import main

if __name__ == "__main__":
    main()
