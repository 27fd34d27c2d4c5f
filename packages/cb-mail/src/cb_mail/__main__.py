"""``python -m cb_mail``."""

from __future__ import annotations

from cb_mail.cli import main

if __name__ == "__main__":
    main()
