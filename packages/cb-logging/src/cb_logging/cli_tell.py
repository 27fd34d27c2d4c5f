"""``levels``, ``handlers``, ``attributes``, ``format``, ``check``: what there is, and whether it is right."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping

import click

from cb_logging.attributes import ATTRIBUTES
from cb_logging.handlers import HANDLERS
from cb_logging.levels import Level
from cb_logging.outputs import Formatter

_json = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="json: a line each.")


def _table(rows: list[dict[str, object]], form: str) -> None:
    if form == "json":
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
        return
    wide = {name: max(len(str(row[name])) for row in rows) for name in rows[0]}
    for row in rows:
        click.echo("  ".join(f"{row[name]!s:<{wide[name]}}" for name in row).rstrip())


@click.command("levels")
@_json
def levels_(form: str) -> None:
    """The levels, their numbers, and when to use which."""
    _table([{"level": str(one), "number": int(one), "meaning": one.meaning} for one in Level], form)


@click.command("handlers")
@click.argument("name", required=False, metavar="[NAME]", type=click.Choice(list(HANDLERS)))
@_json
def handlers_(name: str | None, form: str) -> None:
    """Every kind of handler: how it is written, its class, what it is for."""
    _table(
        [
            {"handler": one.name, "class": one.made_of, "written": one.example, "meaning": one.meaning}
            for one in HANDLERS.values()
            if name in {None, one.name}
        ],
        form,
    )


def _sample() -> logging.LogRecord:
    """A record of this moment, with an exception."""
    logger = logging.Logger("shop.orders")  # noqa: LOG001 - nobody else is to see it
    found: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = found.append  # type: ignore[method-assign,assignment]
    logger.addHandler(handler)
    try:
        raise ValueError("no such order")  # noqa: TRY301 - to have one
    except ValueError:
        logger.exception("order %d by %s", 17, "ann")
    return found[0]


@click.command("attributes")
@_json
def attributes_(form: str) -> None:
    """The attributes of a record: type, a value of this moment, meaning."""
    record = _sample()
    formatter = logging.Formatter("%(asctime)s")
    formatter.format(record)
    rows: list[dict[str, object]] = []
    for one in ATTRIBUTES.values():
        value = repr(getattr(record, one.name, None))
        shown = value if len(value) <= 40 else value[:39] + "…"
        rows.append({"attribute": one.name, "type": one.kind.__name__, "value": shown, "meaning": one.meaning})
    _table(rows, form)


@click.command("format")
@click.argument("template")
@click.option("--datefmt", help="As time.strftime takes it.")
@click.option("--field", "fields", multiple=True, help="A context field that it uses.")
def format_(template: str, datefmt: str | None, fields: tuple[str, ...]) -> None:
    """Check a format, and show a record in it.

    \b
    Example:
      cb-logging format '%(asctime)s %(levelname)-8s %(message)s'
    """
    record = _sample()
    record.exc_info = None
    click.echo(Formatter(template, datefmt=datefmt, fields=fields).format(record))


@click.command("check")
@click.argument("config", required=False, type=click.Path(readable=False))
def check_(config: str | None) -> None:
    """Check a configuration, in TOML or in the environment (CB_LOGGING_…): set logging up by it, say what came of it.

    \b
    Example:
      cb-logging check pyproject.toml
    """
    from cb_logging.settings import setup_env, setup_toml

    with setup_toml(config) if config else setup_env(environment=_ours(os.environ)) as made:
        for one in made.handlers:
            click.echo(repr(one))
        click.echo(f"level {logging.getLevelName(logging.root.level)}")
    sys.stdout.flush()


def _ours(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("CB_LOGGING_")}
