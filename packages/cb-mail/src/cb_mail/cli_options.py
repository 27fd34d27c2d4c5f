"""What several commands take: the server, and words on stderr."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from cb_mail.client import Client
    from cb_mail.delivery import Sendable
    from cb_mail.raw import RawMessage
    from cb_mail.result import Result

__all__ = [
    "FILE",
    "INPUT",
    "INPUT_OR_STDIN",
    "NoFile",
    "as_json",
    "client_of",
    "dkim_options",
    "readable",
    "say",
    "server_options",
    "signer_of",
    "spool_option",
    "spool_path",
    "status_of",
    "told",
]

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(dir_okay=False, path_type=Path)


class NoFile(click.UsageError):
    """A file that is named and cannot be read: wrong usage."""


def readable(path: Path) -> Path:
    """Return *path*, where it is a file that can be read; nothing is read of it, for it may be a pipe.

    Raises:
        NoFile: It is none.
    """
    try:
        folder = stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError) as error:
        raise NoFile(
            f"{path}: {getattr(error, 'strerror', None) or error} (look at the name and the rights)"
        ) from error
    if folder:
        raise NoFile(f"{path}: Is a directory (look at the name and the rights)")
    if not os.access(path, os.R_OK):
        raise NoFile(f"{path}: Permission denied (look at the name and the rights)")
    return path


class InputFile(click.ParamType[Path]):
    """A file to read; with *dash*, ``-`` is stdin."""

    name = "file"

    def __init__(self, *, dash: bool = False) -> None:
        self._dash = dash

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ARG002
        """Return the path."""
        path = Path(value)
        return path if self._dash and value == "-" else readable(path)


INPUT = InputFile()
INPUT_OR_STDIN = InputFile(dash=True)


def say(text: str) -> None:
    """Say a line to whoever started the command."""
    sys.stderr.write(f"cb-mail: {text}\n")
    sys.stderr.flush()


def server_options(*, required: bool = False) -> Callable[[Command], Command]:
    """Add the options that say where to send."""
    options = [
        click.option(
            "--server",
            envvar="CB_MAIL_SERVER",
            required=required,
            metavar="URL",
            help="smtp://[USER@]HOST[:PORT], smtps://…, lmtp:///SOCKET or sendmail: (or $CB_MAIL_SERVER).",
        ),
        click.option(
            "--tls",
            type=click.Choice(["starttls", "implicit", "none"]),
            help="By default as the URL says; none on loopback alone.",
        ),
        click.option("--ca", type=INPUT, metavar="FILE", help="Certificates to trust, instead of the system's."),
        click.option("--helo", default="", metavar="NAME", help="The name that we give."),
        click.option(
            "--timeout", type=click.FloatRange(0, min_open=True), default=60, show_default=True, metavar="SECONDS"
        ),
        click.option("--bind", default="", metavar="ADDRESS", help="What to connect from."),
        click.option(
            "--password-command", default="", metavar="COMMAND", help="Its first line of output is the password."
        ),
        click.option("--no-pipelining", is_flag=True, help="One command at a time, for old firewalls."),
    ]

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def dkim_options(command: Command) -> Command:
    """Add the options that have messages signed."""
    options = [
        click.option("--dkim-key", type=INPUT, metavar="FILE", help="Sign with this key (PEM; RSA or Ed25519)."),
        click.option("--dkim-selector", metavar="NAME", help="Which of the domain's keys that is."),
        click.option("--dkim-domain", metavar="DOMAIN", help="Who answers for the message: the domain in From."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def signer_of(options: dict[str, Any]) -> Callable[[Sendable], RawMessage] | None:
    """Take the options of `dkim_options` out of *options*; returns what signs, if anything is to."""
    key, selector, domain = (options.pop(f"dkim_{name}") for name in ("key", "selector", "domain"))
    if not (key or selector or domain):
        return None
    if not (key and selector and domain):
        raise click.UsageError("--dkim-key, --dkim-selector and --dkim-domain go together")
    from cb_mail.dkim import Signer

    return Signer(key, selector=selector, domain=domain).signed


def client_of(options: dict[str, Any], *, window: int = 1, most: int = 100) -> Callable[[], Client]:
    """Take the options of `server_options` out of *options*; returns what makes a client of them."""
    from cb_mail.client import Client
    from cb_mail.credentials import find_credentials
    from cb_mail.url import Place
    from cb_mail.wire import client_context

    taken = {
        name: options.pop(name)
        for name in ("server", "tls", "ca", "helo", "timeout", "bind", "password_command", "no_pipelining")
    }
    if not taken["server"]:
        raise click.UsageError("Missing option '--server' (or $CB_MAIL_SERVER)")
    try:
        place = Place.parse(taken["server"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--server") from error
    context = None
    if taken["ca"]:
        context = client_context(None)
        try:
            context.load_verify_locations(taken["ca"])
        except OSError as error:
            raise click.BadParameter(
                f"{taken['ca']}: {error.strerror or 'no certificate'}", param_hint="--ca"
            ) from error
    credentials = None
    if place.user:
        credentials = find_credentials(place.user, place.host, command=taken["password_command"])

    def connect() -> Client:
        try:
            return Client(
                taken["server"],
                credentials=credentials,
                tls=taken["tls"],
                context=context,
                timeout=taken["timeout"],
                helo=taken["helo"],
                source_address=(taken["bind"], 0) if taken["bind"] else None,
                window=window,
                max_per_connection=most,
                pipelining=not taken["no_pipelining"],
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error

    return connect


def spool_option(command: Command) -> Command:
    """Add the option that says which spool."""
    option = click.option(
        "--spool",
        type=FILE,
        envvar="CB_MAIL_SPOOL",
        metavar="FILE",
        help="By default in ~/.local/state (or $CB_MAIL_SPOOL).",
    )
    return option(command)


def spool_path(given: Path | None) -> Path:
    """Return where the spool is."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return given or Path(state) / "cb-mail" / "spool.sqlite"


def as_json(result: Result) -> list[dict[str, Any]]:
    """Return a result as rows, one a receiver."""
    from dataclasses import asdict

    return [{**asdict(one), "message_id": result.message_id} for one in result.recipients]


def told(result: Result, form: str) -> None:
    """Print what became of each receiver."""
    import json

    for one, row in zip(result.recipients, as_json(result), strict=True):
        click.echo(json.dumps(row, ensure_ascii=False) if form == "json" else str(one))


def status_of(*, refused: int, deferred: int, unknown: int) -> int:
    """Return the exit status for so many receivers who are not accepted."""
    return 1 if refused else 75 if deferred or unknown else 0
