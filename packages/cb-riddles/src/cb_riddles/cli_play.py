"""``list``, ``show``, ``answer``, ``stats``: the game in a terminal, by the same code as the pages."""

from __future__ import annotations

import getpass
import json
import sys
from typing import TYPE_CHECKING

import click

from cb_riddles import ready
from cb_riddles.errors import Refused

if TYPE_CHECKING:
    from cb_riddles.playing import Open

_FORMAT = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)


def _player() -> str:
    return f"t{getpass.getuser()}"[:64]


def _found(riddle_id: int) -> Open:
    from django.http import Http404

    from cb_riddles import playing

    try:
        return playing.find(riddle_id)
    except Http404:
        raise Refused(f"there is no riddle {riddle_id} (cb-riddles list)") from None


@click.command("list")
@click.option("-n", "count", default=20, show_default=True, type=click.IntRange(1), help="How many at most.")
@click.option("--search", default="", help="Only those with these words.")
@_FORMAT
def list_riddles(count: int, search: str, form: str) -> None:
    """List the published riddles, newest first."""
    ready.migrated()
    from cb_riddles.models import Riddle

    for riddle in Riddle.objects.search(search)[:count]:
        if form == "json":
            click.echo(json.dumps({"id": riddle.pk, "riddle": riddle.riddle_text}, ensure_ascii=False))
        else:
            click.echo(f"{riddle.pk:>6}  {riddle.riddle_text}")


@click.command()
@click.argument("riddle_id", metavar="ID", type=int)
@click.option("--hint", is_flag=True, help="Show the hint, too.")
@_FORMAT
def show(riddle_id: int, form: str, *, hint: bool) -> None:
    """Show a riddle and its options, numbered."""
    ready.migrated()
    opened = _found(riddle_id)
    texts = [option.text for option in opened.shown(_player())]
    if form == "json":
        row = {"id": riddle_id, "riddle": str(opened.riddle), "several": opened.several, "options": texts}
        click.echo(json.dumps(row, ensure_ascii=False))
        return
    click.echo(str(opened.riddle))
    for number, text in enumerate(texts, 1):
        click.echo(f"  {number}  {text}")
    if hint and opened.riddle.hint:
        click.echo(f"Hint: {opened.riddle.hint}")


@click.command()
@click.argument("riddle_id", metavar="ID", type=int)
@click.argument("numbers", metavar="NUMBER...", nargs=-1, type=int, required=True)
def answer(riddle_id: int, numbers: tuple[int, ...]) -> None:
    """Answer a riddle with the NUMBERs that ``show`` gave its options; status 1 when that is wrong."""
    ready.migrated()
    from cb_riddles import playing

    opened = _found(riddle_id)
    keys = {number: option.key for number, option in enumerate(opened.shown(_player()), 1)}
    try:
        outcome = playing.answer(opened, _player(), [keys.get(number, "") for number in numbers])
    except playing.UnknownOption:
        raise Refused(f"Option does not exist (cb-riddles show {riddle_id})") from None
    click.echo("Nice! Choose another one!" if outcome.correct else "Wrong Answer!")
    if outcome.explanation:
        click.echo(outcome.explanation)
    sys.exit(0 if outcome.correct else 1)


@click.command()
@_FORMAT
def stats(form: str) -> None:
    """Count riddles, answers, and what you have solved."""
    ready.migrated()
    from django.utils import timezone

    from cb_riddles.models import Attempt, Riddle
    from cb_riddles.play import streak

    counts = {
        "riddles": Riddle.objects.count(),
        "published": Riddle.objects.published().count(),
        "answers": Attempt.objects.count(),
        "right": Attempt.objects.filter(correct=True).count(),
        "solved": Attempt.objects.solved(_player()).count(),
        "streak": streak(Attempt.objects.days(_player()), timezone.localdate()),
    }
    if form == "json":
        click.echo(json.dumps(counts))
    else:
        for name, count in counts.items():
            click.echo(f"{name:<10} {count:>8}")


COMMANDS: tuple[click.Command, ...] = (list_riddles, show, answer, stats)
