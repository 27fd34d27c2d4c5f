"""``cb-decorators exec``, which keeps what commands print, and the commands that look after a store."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from typing import Any, NoReturn

import click

from cb_decorators.cli_input import DURATION, InputError, default_store, say, store_of, store_option
from cb_decorators.policy import Policy
from cb_decorators.shared import Shared
from cb_decorators.stores import Store

__all__ = ["clear", "execute", "invalidate", "stats"]

_NAME = "exec"
"""What commands' results are kept under in a store."""
_EXEC: dict[str, Any] = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def _key_options(command: Callable[..., Any]) -> Any:
    command = click.option("--stdin", "piped", is_flag=True, help="Hand stdin to the command, as part of the key.")(
        command
    )
    command = click.option("--key", metavar="TEXT", help="What tells results apart, instead of folder and command.")(
        command
    )
    return click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="CMD...")(command)


@click.command("exec", short_help="Run a command, or print again what it printed.", context_settings=_EXEC)
@_key_options
@click.option("--ttl", type=DURATION, help="Keep the result this long: 30, 10m, 2h; for ever unless given.")
@click.option("--fresh", is_flag=True, help="Run it now, and keep the new result.")
@click.option("--success-only", is_flag=True, help="Keep results of commands that exit with 0 only.")
@store_option
def execute(
    command: tuple[str, ...],
    key: str | None,
    piped: bool,
    ttl: float | None,
    fresh: bool,
    success_only: bool,
    store: str | None,
) -> None:
    """Run CMD once, and print its stdout, stderr and exit with its code for as long as the result is kept.

    However many processes ask at the same time, it is run by one of them. A result belongs to the current folder and
    the command with its arguments, not to the environment. Without --stdin the command has no input.

    \b
    Example:
      cb-decorators exec --ttl 10m -- sh -c 'sleep 2; date'
    """
    data = sys.stdin.buffer.read() if piped else None

    def lifetime(found: dict[str, Any]) -> float:
        return 0 if success_only and found["status"] else (ttl or inf)

    def stop(*_: object) -> NoReturn:
        raise click.exceptions.Exit(143)

    signal.signal(signal.SIGTERM, stop)  # so that the claim is given back, and the command ended
    with contextlib.closing(_opened(store)) as place:
        shared = Shared(place, _NAME, Policy(ttl=lifetime))
        found, _, _ = shared.call(_call(command, key, data), lambda: _run(command, data), fresh=fresh)
    sys.stdout.buffer.write(base64.b64decode(found["stdout"]))
    sys.stdout.buffer.flush()
    sys.stderr.buffer.write(base64.b64decode(found["stderr"]))
    sys.stderr.buffer.flush()
    raise click.exceptions.Exit(found["status"])


@contextlib.contextmanager
def _signals_later() -> Iterator[None]:
    """Handle what would end this program when the block is left: no command is started that nobody ends."""
    held: list[int] = []
    before = {one: signal.signal(one, lambda number, _: held.append(number)) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        for number in held:
            signal.raise_signal(number)


def _run(command: tuple[str, ...], data: bytes | None) -> dict[str, Any]:
    source = subprocess.DEVNULL if data is None else subprocess.PIPE
    with contextlib.ExitStack() as end:
        try:
            with _signals_later():
                process = end.enter_context(
                    subprocess.Popen(command, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                )
                end.callback(process.kill)  # nothing, where it has ended
        except OSError as error:
            say(f"{command[0]}: {error.strerror} (is it installed, and on PATH?)")
            raise click.exceptions.Exit(127 if isinstance(error, FileNotFoundError) else 126) from error
        output, errors = _ended(process, data)
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    return {
        "status": status,
        "stdout": base64.b64encode(output).decode(),
        "stderr": base64.b64encode(errors).decode(),
    }


def _ended(process: subprocess.Popen[bytes], data: bytes | None) -> tuple[bytes, bytes]:
    """Return what *process* printed when it has ended.

    A signal that comes between Python's last look for one and the wait would be handled when the wait is over only:
    so no wait is longer than a second.
    """
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(data, timeout=1)


def _call(command: tuple[str, ...], key: str | None, data: bytes | None) -> tuple[str, ...]:
    digest = "" if data is None else hashlib.sha256(data).hexdigest()
    return ("key", key, digest) if key is not None else ("command", str(Path.cwd()), digest, *command)


def _opened(store: str | None, **options: Any) -> Store:
    return store_of(store or default_store(), **options)


@click.command("stats", short_help="Show what a store keeps.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@store_option
def stats(form: str, store: str | None) -> None:
    """Show for each function of a store its results, their size, and hits and misses of all processes.

    \b
    Example:
      cb-decorators stats
    """
    with contextlib.closing(_opened(store)) as place:
        found = place.stats()
    if form == "json":
        for one in found:
            click.echo(json.dumps(one._asdict()))
        return
    rows = [("function", "results", "bytes", "hits", "misses"), *((one[0], *map(str, one[1:])) for one in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        click.echo("  ".join(cells))


@click.command("invalidate", short_help="Forget the result of one command.", context_settings=_EXEC)
@_key_options
@store_option
def invalidate(command: tuple[str, ...], key: str | None, piped: bool, store: str | None) -> None:
    """Forget what `exec` keeps for CMD; exit 1 if it keeps nothing.

    \b
    Example:
      cb-decorators invalidate -- sh -c 'sleep 2; date'
    """
    data = sys.stdin.buffer.read() if piped else None
    with contextlib.closing(_opened(store)) as place:
        there = Shared(place, _NAME, Policy()).invalidate(_call(command, key, data))
    if not there:
        raise InputError("nothing is kept for this command in this folder (cb-decorators stats shows what is)")


@click.command("clear", short_help="Forget all results of a function, or of a store.")
@click.argument("function", required=False)
@store_option
def clear(function: str | None, store: str | None) -> None:
    """Forget all results of FUNCTION as `stats` names it, or all.

    \b
    Example:
      cb-decorators clear exec
    """
    with contextlib.closing(_opened(store)) as place:
        gone = place.clear(function)
    say(f"{gone} result{'s' * (gone != 1)} forgotten")
