"""``cb-mail merge`` and ``cb-mail preview``."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cb_mail.cli_options import (
    FILE,
    INPUT,
    INPUT_OR_STDIN,
    client_of,
    dkim_options,
    say,
    server_options,
    signer_of,
    spool_option,
    spool_path,
    status_of,
)

if TYPE_CHECKING:
    from cb_mail.message import Message
    from cb_mail.rows import Rows
    from cb_mail.template import Template

__all__ = ["merge", "preview"]


class _Rate(click.ParamType[tuple[float, float]]):
    """So many in so long: ``100/min``."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:/(s|min|h))?", str(value))
        if not found or not float(found[1]):
            self.fail(f"{value!r} is no rate (like 100/min, 5/s, 2000/h)", param, ctx)
        return float(found[1]), {"s": 1.0, "min": 60.0, "h": 3600.0}[found[2] or "min"]


def _rows(path: Path) -> Rows:
    from cb_mail.rows import read_rows

    name = "-" if str(path) == "-" else str(path)
    return read_rows(sys.stdin.buffer.read() if name == "-" else path.read_bytes(), name)


@contextlib.contextmanager
def _naming(rows: Path) -> Iterator[None]:
    """Name the file of the row that makes no message."""
    from cb_mail.errors import TemplateError

    try:
        yield
    except TemplateError as error:
        raise TemplateError(f"{rows}: {error}", row=error.row) from error


@click.command()
@click.argument("template", type=INPUT)
@click.argument("rows", type=INPUT_OR_STDIN)
@click.option("--dry-run", is_flag=True, help="Send nothing; print the first, the last and the longest message.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Send to so many rows at most.")
@click.option("--rate", type=_Rate(), metavar="N/min", help="At most so many; also N/s, N/h.")
@click.option("--connections", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N")
@click.option(
    "--window",
    type=click.IntRange(1, 1000),
    default=16,
    show_default=True,
    metavar="N",
    help="The most messages a connection may leave unknown if all breaks; more is faster.",
)
@click.option(
    "--per-connection", type=click.IntRange(1), default=100, show_default=True, metavar="N", help="Then connect anew."
)
@click.option("--resume", is_flag=True, help="Go on with a merge that was begun.")
@click.option("--again", is_flag=True, help="Send all of it once more.")
@click.option("--results", type=FILE, metavar="FILE", help="CSV, or .jsonl; by default ROWS.results.csv.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no words when all went well.")
@dkim_options
@spool_option
@server_options()
def merge(template: Path, rows: Path, **options: Any) -> int:
    """Send TEMPLATE to every row of ROWS (CSV with a header, or JSON Lines; - is stdin).

    All rows are made before anything is sent: one with a missing column, a bad address or a line end in its name stops
    the merge. What a receiver's server said is in the results file. Killed, or the line broken, --resume goes on.

    \b
    TEMPLATE is a text file like this, for ROWS with the columns name and mail:
      From: Shop <shop@example.com>
      To: {{ name }} <{{ mail }}>
      Subject: Your order, {{ name }}
      Html: letter.html
      Attach: terms.pdf

      Dear {{ name }}, …
    """
    from cb_mail.merge import merge_key
    from cb_mail.spool import Spool
    from cb_mail.template import Template

    signed = signer_of(options)
    made, values = Template.load(template), _rows(rows)
    if not values:
        raise click.UsageError(f"{rows}: no rows")
    if options["dry_run"]:
        with _naming(rows):
            return _dry(made, values)
    path = spool_path(options.pop("spool"))
    key = merge_key(made, values)
    with Spool(path) as spool:
        number = spool.find_merge(key)
        if number is not None and not (options["resume"] or options["again"]):
            left = sum(1 for entry in spool.entries(merge=number) if entry.state != "done")
            what = f"begun, and has {left} of {len(values)} rows left" if left else "sent"
            raise click.UsageError(f"this merge was {what} (--resume goes on with it, --again sends all once more)")
        if number is None or options["again"]:
            import time

            key = f"{key} {time.time()}" if number is not None else key
            with _naming(rows):
                number = spool.put_merge(made, values, key=key, signed=signed)
    results = options["results"] or Path("rows.results.csv" if str(rows) == "-" else f"{rows}.results.csv")
    return _deliver(path, number, len(values), results, options)


def _deliver(path: Path, number: int, total: int, results: Path, options: dict[str, Any]) -> int:
    from cb_mail.merge import Pace, deliver, write_results
    from cb_mail.spool import Spool

    connect = client_of(options, window=options["window"], most=options["per_connection"])
    shown = sys.stderr.isatty() and not options["quiet"]
    count = options["limit"] or total
    interrupted = False
    totals = None
    try:
        with click.progressbar(length=count, label="sending", file=sys.stderr, hidden=not shown) as bar:
            totals = deliver(
                path,
                connect,
                merge=number,
                connections=options["connections"],
                limit=options["limit"],
                pace=Pace(*options["rate"]) if options["rate"] else None,
                progress=lambda _: bar.update(1),
            )
    except KeyboardInterrupt:
        interrupted = True
    finally:
        with Spool(path) as spool:
            write_results(spool.entries(merge=number), results)
            states = [entry.state for entry in spool.entries(merge=number)]
            left, unknown = states.count("queued"), states.count("unknown")
        if left or unknown or not options["quiet"]:
            held = f", {unknown} unknown (cb-mail queue list --state unknown)" if unknown else ""
            more = f", {left} left (--resume)" if left else ""
            say(f"{len(states) - left - unknown} of {len(states)} done{more}{held}; results in {results}")
    if interrupted:
        raise KeyboardInterrupt
    assert totals is not None
    return status_of(refused=totals.refused, deferred=totals.deferred, unknown=unknown)


def _dry(template: Template, rows: Rows) -> int:
    made = [template.render(row, number=number) for number, row in enumerate(rows, 1)]
    sizes = [message.size for message in made]
    shown = {"first": 0, "last": len(made) - 1, "longest": sizes.index(max(sizes))}
    for position in sorted(set(shown.values())):
        names = " and ".join(name for name, at in shown.items() if at == position)
        click.echo(f"--- {names}: row {position + 1}, {sizes[position]:,} octets")
        click.echo(made[position].as_bytes().decode().replace("\r\n", "\n"))
    receivers = [one.addr for message in made for one in message.envelope().recipients]
    twice = len(receivers) - len(set(receivers))
    say(f"{len(made)} messages to {len(receivers)} receivers, {sum(sizes):,} octets; nothing was sent")
    if twice:
        say(f"{twice} receivers stand in more than one row")
    return 0


@click.command()
@click.argument("file", type=INPUT)
@click.argument("rows", type=INPUT_OR_STDIN, required=False)
@click.option("--row", type=click.IntRange(1), default=1, show_default=True, help="Which row of ROWS.")
@click.option("--html", is_flag=True, help="Print the HTML, images in it.")
@click.option("--open", "open_it", is_flag=True, help="Show it in a browser.")
def preview(file: Path, rows: Path | None, row: int, html: bool, open_it: bool) -> int:
    """Show FILE, a message (.eml), or a template with a row of ROWS: its parts, and what may be wrong with it.

    Exit 1 if something may be.
    """
    from cb_mail.lint import lint, tree

    raw = _message(file, rows, row)
    if html or open_it:
        page = _page(raw)
        if open_it:
            _show(page)
        else:
            click.echo(page)
        return 0
    click.echo(tree(raw))
    found = lint(raw)
    for line in found:
        say(f"{file}: {line}")
    return 1 if found else 0


def _message(file: Path, rows: Path | None, row: int) -> bytes:
    from cb_mail.raw import crlf
    from cb_mail.template import Template

    if rows is None:
        return crlf(file.read_bytes())
    values = _rows(rows)
    if row > len(values):
        raise click.BadParameter(f"{rows} has {len(values)} rows", param_hint="--row")
    with _naming(rows):
        message: Message = Template.load(file).render(values[row - 1], number=row)
    return message.as_bytes()


def _page(raw: bytes) -> str:
    """Return the message's HTML with its images in it; its text, where it has none."""
    from base64 import b64encode
    from html import escape

    from cb_mail.lint import parts_of

    parts = parts_of(raw)
    html = next((part for part in parts if part.content_type == "text/html" and not part.name), None)
    if html is None:
        text = next((part for part in parts if part.content_type == "text/plain" and not part.name), None)
        words = escape(text.data.decode("utf-8", "replace")) if text else ""
        return f"<!doctype html><meta charset=utf-8><pre>{words}</pre>"
    page = html.data.decode("utf-8", "replace")
    for part in parts:
        if part.content_id:
            data = f"data:{part.content_type};base64,{b64encode(part.data).decode()}"
            page = page.replace(f"cid:{part.content_id}", data)
    return page


def _show(page: str) -> None:
    import tempfile
    import webbrowser

    with tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8", delete=False) as file:
        file.write(page)
    if not webbrowser.open(Path(file.name).as_uri()):
        raise click.UsageError(f"no browser here; the page is {file.name}")
