"""What the commands share: words on stderr, durations and sizes, how a command ends."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

FORMAT = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of the output."
)


def say(text: str) -> None:
    """A line for people, on stderr."""
    if sys.stderr is not None:  # as it is under 2>&-
        sys.stderr.write(f"cb-threading: {text}\n")
        sys.stderr.flush()


def ask(question: str, default: str = "") -> str:
    """A line of stdin, after a question on stderr; again where it is empty and there is no default.

    Raises:
        BadInput: There is no line any more.
    """
    from cb_threading.errors import BadInput

    while True:
        sys.stderr.write(f"{question}: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            sys.stderr.write("\n")
            raise BadInput(f"stdin: no answer to {question!r} (it has ended)")
        if answer := line.strip() or default:
            return answer


class Seconds(click.ParamType[float]):
    """500ms, 3s, 2m, 1h, or a number of seconds."""

    name = "duration"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h)?", str(value))
        if not found:
            return self.fail(f"{value!r} is not a duration (500ms, 3s, 2m, 1h)", param, ctx)
        return float(found[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}[found[2]]


class Size(click.ParamType[int]):
    """100, 64k, 10M, 2G."""

    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"(\d+)([kMG]?)", str(value))
        if not found:
            return self.fail(f"{value!r} is not a size (100, 64k, 10M, 2G)", param, ctx)
        return int(found[1]) * {"": 1, "k": 1 << 10, "M": 1 << 20, "G": 1 << 30}[found[2]]


SECONDS = Seconds()
SIZE = Size()


def ends(run: Callable[[], object]) -> int:
    """Run a command and return its status. Every error is one line; ``CB_DEBUG=1`` shows the traceback behind it."""
    from cb_threading.errors import BadInput, ThreadingError

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops as cleanly as Ctrl-C
    status: object = 1
    try:
        status = run()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        status = 2
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "cb-threading"
        words = " ".join(error.format_message().split())  # click's own are sometimes a list, one a line
        say(f"{words.rstrip('.')} (see {path} --help)")
        status = 2
    except BrokenPipeError:  # whoever read our output has enough
        status = 0
    except KeyboardInterrupt:
        say("interrupted")
        status = 130
    except (ThreadingError, OSError) as error:
        if os.environ.get("CB_DEBUG") == "1":
            raise
        say(_words(error))
        status = 2 if isinstance(error, BadInput) else 3 if isinstance(error, OSError) else 1
    return _flushed(int(status) if isinstance(status, int) else 0)


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _flushed(status: int) -> int:
    """Write what stdout still holds, or give it up: Python would try again at its end, and end with a status of 120."""
    try:
        if sys.stdout is not None:  # as it is under >&-
            sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if status == 0 and not isinstance(error, BrokenPipeError):
            say(f"stdout: {error.strerror}")
            return 3
    return status
