"""``python -m cb_subprocess``."""

from __future__ import annotations

from cb_subprocess.cli import main

if __name__ == "__main__":
    main()
