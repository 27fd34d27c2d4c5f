"""``cb-mail queue``: what waits in the spool."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from cb_mail.cli_options import client_of, say, server_options, spool_option, spool_path, status_of, told

__all__ = ["queue"]


@click.group()
def queue() -> None:
    """See and send what waits in the spool.

    \b
    Example:
      cb-mail queue list --state unknown
    """


@queue.command("list")
@click.option("--state", type=click.Choice(["queued", "in_flight", "unknown", "done"]), help="Only these.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@spool_option
def list_(spool: Path | None, state: Any, form: str) -> None:
    """List messages, the oldest first."""
    from cb_mail.spool import Spool

    with Spool(spool_path(spool)) as opened:
        if form == "json":
            import json
            from dataclasses import asdict

            for entry in opened.entries(state=state):
                click.echo(json.dumps(asdict(entry), ensure_ascii=False))
            return
        for entry in opened.entries(state=state):
            who = ", ".join(entry.recipients or [one.recipient for one in entry.results])
            wait = entry.due - time.time()
            due = f"in {wait:.0f} s" if entry.state == "queued" and wait > 0 else ""
            click.echo(f"{entry.id:>6}  {entry.state:<9}  {due:>9}  {who}  {entry.subject}")


@queue.command()
@click.argument("number", type=int)
@spool_option
def show(number: int, spool: Path | None) -> None:
    """Print a message of the spool, and what became of its receivers on stderr."""
    from cb_mail.spool import Spool

    with Spool(spool_path(spool)) as opened:
        sys.stdout.buffer.write(opened.content(number))
        sys.stdout.buffer.flush()
        entry = opened.entry(number)
        assert entry is not None
        for one in (*entry.results, *entry.said):
            say(str(one))
        for recipient in set(entry.recipients) - {one.recipient for one in entry.said}:
            say(f"{recipient}: {entry.state.replace('_', ' ')}")


@queue.command()
@click.option("--watch", is_flag=True, help="Go on for ever, and send what becomes due.")
@click.option(
    "--every", type=click.FloatRange(0.1), default=10, show_default=True, metavar="SECONDS", help="With --watch."
)
@click.option("--on-unknown", type=click.Choice(["hold", "resend"]), default="hold", show_default=True)
@click.option("--window", type=click.IntRange(1, 1000), default=16, show_default=True, metavar="N")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@spool_option
@server_options()
def run(watch: bool, every: float, on_unknown: Any, window: int, form: str, spool: Path | None, **options: Any) -> int:
    """Send what is due."""
    from cb_mail.errors import ConnectError, ServerError
    from cb_mail.spool import Spool

    connect = client_of(options, window=window)
    with Spool(spool_path(spool)) as opened:
        while True:
            try:
                with connect() as client:
                    totals = opened.run(client, on_unknown=on_unknown, progress=lambda result: told(result, form))
                if not watch:
                    return status_of(refused=totals.refused, deferred=totals.deferred, unknown=totals.unknown)
            except (ConnectError, ServerError) as error:
                if not watch:
                    raise
                say(str(error))
            time.sleep(every)


def _change(name: str, about: str) -> None:
    @queue.command(name, help=about)
    @click.argument("number", type=int, required=False)
    @spool_option
    def change(number: int | None, spool: Path | None) -> int:
        from cb_mail.spool import Spool

        with Spool(spool_path(spool)) as opened:
            count = getattr(opened, name)(number)
        if number is not None and not count:
            say(f"message {number} is not there, or not in such a state (cb-mail queue list)")
            return 1
        say(f"{count} message{'s' * (count != 1)}")
        return 0


_change("retry", "Make what is deferred due now: NUMBER, or all.")
_change("release", "Have what is unknown sent again, NUMBER or all: a receiver may have it twice.")
_change("remove", "Forget NUMBER, or all that is done.")


@queue.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="CSV, or .jsonl.",
)
@spool_option
def export(output: Path, spool: Path | None) -> None:
    """Write what became of every receiver to FILE."""
    from cb_mail.merge import write_results
    from cb_mail.spool import Spool

    with Spool(spool_path(spool)) as opened:
        count = write_results(opened.entries(), output)
    say(f"{count} receivers in {output}")
