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
    if sys.stdout is None or sys.stderr is None:  # closed by whoever started us
        nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for as long as the process lives
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
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
        elif isinstance(error, OSError) and error.strerror:
            say(f"{error.strerror} (where we read or write)")
        else:
            say(str(error))
        return 2
