"""How a command ends: with a status that scripts can trust and, where something is wrong, one line on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from cb_dict.errors import CbDictError, EditRefused, MissingExtra, ParseError, PathSyntaxError

__all__ = ["ends", "give_up_output", "say"]


def say(text: str) -> None:
    """One line on stderr."""
    if sys.stderr is not None:  # as it is under 2>&-
        sys.stderr.write(f"cb-dict: {text}\n")
        sys.stderr.flush()


def ends(run: Callable[[], int | None]) -> int:
    """Run a command and return its status. Every error is one line; ``CB_DEBUG=1`` shows the traceback behind it."""
    try:
        return run() or 0
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except BrokenPipeError:
        give_up_output()
    except (CbDictError, OSError) as error:
        if os.environ.get("CB_DEBUG") == "1":
            raise
        if isinstance(error, OSError) and error.filename:
            hint = " (look at the name and the rights)" if isinstance(error, _NAMES) else ""
            say(f"{error.filename}: {error.strerror}{hint}")
        else:
            say(str(error))
        return _status(error)
    return 0


def give_up_output() -> None:
    """Whoever read our output has enough: Python would try to write the rest at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# Another name, or another user, and it goes: wrong usage.
_NAMES = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


def _status(error: Exception) -> int:
    if isinstance(error, ParseError):
        return 3
    if isinstance(error, (PathSyntaxError, *_NAMES)):
        return 2
    return 4 if isinstance(error, (EditRefused, MissingExtra, OSError)) else 1
