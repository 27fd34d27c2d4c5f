"""How a command ends: with a status that scripts can trust and, where something is wrong, with one line on stderr."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

from cb_map.errors import MapError, UsageProblem


def say(text: str) -> None:
    """A line for people, on stderr."""
    if sys.stderr is not None:  # as it is under 2>&-
        sys.stderr.write(f"cb-map: {text}\n")
        sys.stderr.flush()


def ends(run: Callable[[], int | None]) -> int:
    """Run a command and return its status. Every error is one line; ``CB_DEBUG=1`` shows the traceback behind it."""
    if sys.stdout is not None and isinstance(sys.stdout.buffer, io.RawIOBase):
        # PYTHONUNBUFFERED: a write may take a part only, and what it gives back says how much; nobody would look.
        sys.stdout = open(sys.stdout.fileno(), "w", encoding=sys.stdout.encoding, closefd=False)  # noqa: SIM115
    status = 1
    try:
        status = run() or 0
    except SystemExit as error:
        status = int(error.code or 0)
    except BrokenPipeError:  # whoever read our output has enough
        status = 0
    except (MapError, OSError) as error:
        if os.environ.get("CB_DEBUG") == "1":
            raise
        _say_error(error)
        status = 2 if isinstance(error, (UsageProblem, *_NAMES)) else 1
    finally:
        status = _flushed(status)
    return status


# Another name, or another user, and it goes: wrong usage.
_NAMES = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


def _say_error(error: Exception) -> None:
    if isinstance(error, OSError) and error.filename:
        hint = " (look at the name and the rights)" if isinstance(error, _NAMES) else ""
        say(f"{error.filename}: {error.strerror}{hint}")
    else:
        say(str(error))


def _flushed(status: int) -> int:
    """Write what stdout still holds, or give it up: Python would try again at its end, and end with a status of 120."""
    try:
        if sys.stdout is not None:  # as it is under >&-
            sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if status == 0 and not isinstance(error, BrokenPipeError):
            _say_error(error)
            return 1
    return status
