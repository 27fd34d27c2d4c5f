"""``send``, ``run``, ``recover``, ``contacts``, ``demo``: what writes."""

from __future__ import annotations

import logging
import logging.handlers
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import click

from cb_logging.contacts import Contacts, menu
from cb_logging.ending import say
from cb_logging.errors import ReadError
from cb_logging.levels import level as level_of
from cb_logging.otlp import OtlpHandler
from cb_logging.outputs import Formatter, output
from cb_logging.settings import setup
from cb_logging.spool import recover


@click.command("send")
@click.argument("message")
@click.option("--to", "to", default="stderr", show_default=True, help="A path, or any of `cb-logging handlers`.")
@click.option("-l", "--level", default="INFO", show_default=True, help="The record's.")
@click.option("--logger", default="cb-logging", show_default=True, help="The record's.")
@click.option("--format", "form", default="book", show_default=True, help="book, basic, json, or % fields.")
def send_(message: str, to: str, level: str, logger: str, form: str) -> None:
    """Send one record, really.

    \b
    Example:
      cb-logging send --to 'syslog+tcp://localhost:514' 'is anybody there?'
    """
    failed: list[BaseException | None] = []
    with setup("NOTSET", format=form, to=to, uncaught=False) as made:
        for one in made.handlers:
            one.handleError = lambda record: failed.append(sys.exc_info()[1])  # type: ignore[method-assign] # noqa: ARG005
        logging.getLogger(logger).log(level_of(level), "%s", message)
        for one in made.handlers:
            one.flush()
            if isinstance(one, logging.handlers.SocketHandler) and one.sock is None:
                failed.append(ConnectionRefusedError("connection refused"))
    lost = sum(made.failures.values()) + sum(getattr(one, "dropped", 0) for one in made.handlers)
    if lost and not failed and any(isinstance(one, OtlpHandler) for one in made.handlers):
        failed.append(ConnectionError("it was not taken"))
    if failed:
        say(f"{to}: {failed[0]} (is it there, and may we?)")
    if failed or lost:
        raise click.exceptions.Exit(1)


@click.command("run", context_settings={"ignore_unknown_options": True})
@click.option("--to", "to", required=True, help="The log.")
@click.option("--format", "form", default="%(asctime)s [%(levelname)s] %(name)s: %(message)s", help="As in setup.")
@click.option("--rotate", help="As in setup: '10 MB', midnight.")
@click.option("--keep", default="5", show_default=True, help="Rotated files to keep, or for how long.")
@click.option("--compress", default="", help="gz or zst.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run_(to: str, form: str, rotate: str | None, keep: str, compress: str, command: tuple[str, ...]) -> None:
    """Run a program, and log what it writes: stdout as INFO, stderr as WARNING. Its status is kept.

    SIGTERM and SIGHUP go on to it.

    \b
    Example:
      cb-logging run --to build.log --rotate '10 MB' -- make -j4
    """
    handler = output(to, rotate=rotate, keep=keep, compress=compress)
    handler.setFormatter(Formatter(form))
    name = Path(command[0]).name

    def pump(stream: IO[bytes], number: int) -> None:
        for line in stream:
            text = line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
            handler.handle(logging.LogRecord(name, number, command[0], 0, text, None, None))

    children: list[subprocess.Popen[bytes]] = []
    asked: list[int] = []

    def hand_on(number: int, _frame: object) -> None:
        asked.append(number)
        for child in children:
            child.send_signal(number)

    # The child decides when it ends, and what it says on its way is logged. The terminal sends Ctrl-C to it as well;
    # a wait that is broken off can lose its status.
    before = {signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None)}
    before |= {number: signal.signal(number, hand_on) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            children.append(child)
            for number in asked[:]:  # while it was being started
                child.send_signal(number)
            assert child.stdout is not None
            assert child.stderr is not None
            pumps = [
                threading.Thread(target=pump, args=(child.stdout, logging.INFO)),
                threading.Thread(target=pump, args=(child.stderr, logging.WARNING)),
            ]
            for one in pumps:
                one.start()
            for one in pumps:
                while one.is_alive():  # a signal that came just before a wait is handled after it: so it is a short one
                    one.join(1)
            status = child.wait()
    except OSError as error:
        say(f"{command[0]}: {error.strerror}")
        raise click.exceptions.Exit(127 if isinstance(error, FileNotFoundError) else 126) from None
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
        handler.close()
    raise click.exceptions.Exit(128 - status if status < 0 else status)


@click.command("recover")
@click.argument("logs", nargs=-1, required=True)
def recover_(logs: tuple[str, ...]) -> None:
    """Move to LOGS what killed programs left in their spools.

    \b
    Example:
      cb-logging recover app.log
    """
    for log in logs:
        if not os.path.exists(log) and not list(Path(log).parent.glob(f"{Path(log).name}.spool-*")):  # noqa: PTH110
            raise ReadError(f"{log}: there is no such log, and no spool of it (look at the name)")
        click.echo(f"{log}: {recover(log)} lines", err=True)


def _home() -> Path:
    """Where this user's contacts are."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "cb-logging" / "contacts.csv"


@click.group("contacts", invoke_without_command=True)
@click.option("--file", "file", type=click.Path(path_type=Path), help="The CSV file.  [in the state folder]")
@click.option("--log-to", help="Log to this file; - for the console.")
@click.option("-l", "--level", default="INFO", show_default=True, help="Of what is logged.")
@click.option("--redact", multiple=True, help="Keys to hide in the log: number, pii.")
@click.pass_context
def contacts_(ctx: click.Context, file: Path | None, log_to: str | None, level: str, redact: tuple[str, ...]) -> None:
    """The chapter's contacts: a menu, or add, list, show.

    \b
    Example:
      cb-logging contacts --log-to contacts.log
    """
    file = file or _home()
    file.parent.mkdir(parents=True, exist_ok=True)
    to: str | logging.Handler = logging.NullHandler()
    if log_to:
        to = "stderr" if log_to == "-" else str(Path(log_to).absolute())
    ctx.with_resource(setup(level, to=to, redact=list(redact) or True, warnings=False, uncaught=False))
    ctx.obj = Contacts(file)
    if ctx.invoked_subcommand is None:
        menu(ctx.obj)


@contacts_.command("add")
@click.argument("name")
@click.argument("number")
@click.pass_obj
def _add(contacts: Contacts, name: str, number: str) -> None:
    """Add a contact."""
    contacts.add({"name": name, "number": number})
    click.echo("Done!")


@contacts_.command("list")
@click.pass_obj
def _list(contacts: Contacts) -> None:
    """The names."""
    found = False
    for name in contacts.names():
        click.echo(f"- {name}")
        found = True
    if not found:
        click.echo("no contacts were found")
        raise click.exceptions.Exit(1)


@contacts_.command("show")
@click.argument("name")
@click.option("--first", is_flag=True, help="Only the first of that name.")
@click.pass_obj
def _show(contacts: Contacts, name: str, first: bool) -> None:
    """All about a contact."""
    found = contacts.get(name, first=first)
    for contact in found:
        for key, value in contact.items():
            click.echo(f"{key}: {value}")
    if not found:
        click.echo("contact not found.")
        raise click.exceptions.Exit(1)


@click.command("demo")
@click.argument("name", type=click.Choice(["basic", "format", "file"]))
@click.option("--to", "to", default="basic.log", show_default=True, help="Of demo file.")
def demo_(name: str, to: str) -> None:
    """The chapter's basic.py: as it comes, with a format, or to a file."""
    from cb_logging import basic

    if name == "basic":
        made = setup("WARNING", format="basic")
    elif name == "format":
        made = setup("INFO")
    else:
        made = setup("INFO", to=str(Path(to).absolute()))
    with made:
        basic.main()
