"""``cb-threading after`` and ``every``."""

from __future__ import annotations

import signal
import subprocess
import threading

import click

from cb_threading.cli_io import SECONDS
from cb_threading.errors import BadInput
from cb_threading.timers import TimerService

_PASS = {"allow_interspersed_args": False}


@click.command(short_help="Run a command later.", context_settings=_PASS)
@click.argument("delay", type=SECONDS)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
def after(delay: float, words: tuple[str, ...]) -> None:
    """Run COMMAND when DELAY is over, and leave with its status. Ctrl-C takes the timer back.

    \b
    Example:
      cb-threading after 3s -- echo worker running
    """
    raise click.exceptions.Exit(_timed(delay, words, count=1, again=False))


@click.command(short_help="Run a command again and again.", context_settings=_PASS)
@click.argument("interval", type=SECONDS)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@click.option("--count", type=click.IntRange(1), help="So many times; else until Ctrl-C.")
def every(interval: float, words: tuple[str, ...], count: int | None) -> None:
    """Run COMMAND once every INTERVAL, first after one. A run that takes longer leaves beats out, none overlap.

    \b
    Example:
      cb-threading every --count 3 200ms -- date
    """
    if interval <= 0:
        raise click.BadParameter("more than 0", param_hint="INTERVAL")
    raise click.exceptions.Exit(_timed(interval, words, count=count, again=True))


def _timed(seconds: float, words: tuple[str, ...], *, count: int | None, again: bool) -> int:
    words = words[1:] if words[0] == "--" else words
    if not words:
        raise click.UsageError("Missing argument 'COMMAND...'", click.get_current_context())
    over = threading.Event()
    statuses: list[int] = []
    enough: list[bool] = []
    failed: list[OSError | ValueError] = []  # the latter for a word with a NUL

    def run() -> None:
        try:
            statuses.append(subprocess.run(words, check=False).returncode)
            enough.append(statuses[-1] == -signal.SIGPIPE)  # whoever reads what the command writes has gone
        except (OSError, ValueError) as error:
            failed.append(error)
        if failed or len(statuses) == count or any(enough):
            handle.cancel()
            over.set()

    with TimerService() as timers:
        handle = timers.call_every(seconds, run) if again else timers.call_later(seconds, run)
        over.wait()
    if any(enough):
        raise BrokenPipeError
    if failed:
        why = getattr(failed[0], "strerror", None) or failed[0]
        raise BadInput(f"{words[0]}: {why} (the words after the time are a program and its arguments)")
    bad = [status if status > 0 else 128 - status for status in statuses if status]
    return bad[-1] if bad else 0
