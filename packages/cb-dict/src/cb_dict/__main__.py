"""``python -m cb_dict``."""

from __future__ import annotations

from cb_dict.cli import main

if __name__ == "__main__":  # pragma: no branch  # imported only to see that it can be
    main()
