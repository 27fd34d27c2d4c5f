"""How the command ends: a status, and at most one line on stderr for what went wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from cb_logging.errors import LogError

__all__ = ["ends", "say"]


def say(text: str) -> None:
    """A line for people, on stderr."""
    sys.stdout.flush()
    print(f"cb-logging: {text}", file=sys.stderr, flush=True)  # noqa: T201 - what it is for


def ends(run: Callable[[], int | None]) -> int:
    """The status of what is run. Errors are a line; ``CB_DEBUG=1`` shows the traceback behind it."""
    try:
        try:
            return run() or 0
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (LogError, OSError, EOFError) as error:
        if os.environ.get("CB_DEBUG") == "1":
            raise
        if isinstance(error, OSError) and error.filename:
            say(f"{error.filename}: {error.strerror} (look at the name and the rights)")
        else:
            say(str(error))
        return 2
