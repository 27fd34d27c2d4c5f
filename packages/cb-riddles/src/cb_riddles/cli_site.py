"""``serve``, ``init``, ``migrate``, ``createadmin``, ``check``, ``manage``: the site and its upkeep."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from cb_riddles import ready
from cb_riddles.errors import NoInput, Refused


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 for a free one.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
@click.option("--name", "names", multiple=True, help="A host name that the site is known by; more than once for more.")
@click.option("--https", is_flag=True, help="A proxy speaks TLS with visitors, and sets X-Forwarded-Proto.")
@click.option("--sample", is_flag=True, help="Put the sample riddles in first, if there are none.")
@click.option("--durable", is_flag=True, help="SQLite waits for the disk at each answer: a power cut loses none.")
@click.option("--dev", is_flag=True, help="For who writes templates: Django's own server, reloads, tells all it knows.")
def serve(
    host: str,
    port: int,
    workers: int,
    names: tuple[str, ...],
    *,
    https: bool,
    sample: bool,
    durable: bool,
    dev: bool,
) -> None:
    """Serve the site. The first run makes the data folder, the secret key and the database.

    \b
    Example:
      cb-riddles serve --sample
    """
    from cb_riddles.site.server import Server

    local = host in {"127.0.0.1", "::1", "localhost"}
    if dev and (https or not local):
        raise click.UsageError("--dev tells visitors all it knows: it is for this machine alone")
    if durable:
        os.environ["CB_RIDDLES_DURABLE"] = "1"
    server = Server(host, port, workers, names, https=https, dev=dev)
    server.prepare()
    _offer_sample(put=sample)
    if not local and not https:
        click.echo("Plain HTTP beyond this machine: passwords can be read (see --https)", err=True)
    server.run()


def _offer_sample(*, put: bool) -> None:
    from cb_riddles.cli_files import put_sample
    from cb_riddles.models import Riddle

    if Riddle.objects.exists():
        return
    if put or (sys.stdin.isatty() and click.confirm("There are no riddles yet. Put the samples in?", err=True)):
        put_sample()
    else:
        click.echo("There are no riddles yet: cb-riddles sample", err=True)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False))
def init(folder: str) -> None:
    """Write a Django project of your own into FOLDER, with the app in it, to be edited."""
    from cb_riddles.site.project import write

    for path in write(folder):
        click.echo(path)


@click.command()
def migrate() -> None:
    """Bring the database up to date, and say what was applied."""
    ready.django()
    from django.core.management import call_command

    call_command("migrate", interactive=False)


@click.command()
@click.argument("name")
@click.option("--email", default="", help="The admin's address.")
@click.option(
    "--password-file", type=click.Path(readable=False, allow_dash=True), help="Holds the password; - is stdin."
)
def createadmin(name: str, email: str, password_file: str | None) -> None:
    """Make NAME an admin. The password is asked for, or read from a file; it is never an argument."""
    ready.migrated()
    from django.contrib.auth import get_user_model
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError

    users = get_user_model()
    if users.objects.filter(username=name).exists():
        raise Refused(f"{name!r} is there already (cb-riddles manage changepassword {name})")
    if password_file is None:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = _first_line(password_file)
    user = users(username=name, email=email, is_staff=True, is_superuser=True)
    try:
        validate_password(password, user)
        user.set_password(password)
        user.full_clean()
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from None
    user.save()
    click.echo(f"{name} may log in to the admin", err=True)


def _first_line(file: str) -> str:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise NoInput(file, error) from error
    except ValueError:
        raise Refused(f"{file}:1: not UTF-8 (write the password as text)") from None
    return text.partition("\n")[0].rstrip("\r")


@click.command()
@click.option("--deploy", is_flag=True, help="Check what matters behind TLS, too.")
def check(*, deploy: bool) -> None:
    """Check the settings, and that every riddle can be won."""
    ready.migrated()
    from django.core.management import call_command
    from django.core.management.base import SystemCheckError

    from cb_riddles.models import Riddle

    try:
        call_command("check", deploy=deploy, fail_level="WARNING")
    except SystemCheckError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    unwinnable = list(Riddle.objects.unwinnable())
    for riddle in unwinnable:
        click.echo(f"riddle {riddle.pk}: {riddle}: two options and a correct one are needed")
    sys.exit(1 if unwinnable else 0)


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def manage(words: tuple[str, ...]) -> None:
    """Run any of Django's management commands on the site."""
    ready.django()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["cb-riddles manage", *words])


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE.")
def backup(file: str, *, force: bool) -> None:
    """Copy the SQLite database to FILE, whole, while the site goes on; PostgreSQL has pg_dump.

    \b
    Example:
      cb-riddles backup riddles-monday.sqlite3
    """
    ready.django()
    from django.db import connection

    from cb_riddles.site.backup import copy

    if connection.vendor != "sqlite":
        raise Refused("backup is for SQLite (use pg_dump for PostgreSQL)")
    database = str(connection.settings_dict["NAME"])
    if not Path(database).exists():
        raise Refused(f"{database} is not there yet (cb-riddles migrate)")
    click.echo(f"{file}: {copy(database, Path(file), force=force):,} bytes", err=True)


@click.command()
@click.option("--base", default="/riddles", show_default=True, help="Where the app's addresses begin.")
def openapi(base: str) -> None:
    """Print the OpenAPI document of the JSON API."""
    import json

    from cb_riddles.openapi import document

    click.echo(json.dumps(document(base), indent=2))


COMMANDS: tuple[click.Command, ...] = (serve, init, migrate, createadmin, check, backup, openapi, manage)
