"""``python -m cb_csv``."""

from __future__ import annotations

from cb_csv.cli import main

if __name__ == "__main__":
    main()
