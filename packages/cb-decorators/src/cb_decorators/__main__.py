"""``python -m cb_decorators``."""

from __future__ import annotations

from cb_decorators.cli import main

if __name__ == "__main__":  # pragma: no branch  # imported only to see that it can be
    main()
