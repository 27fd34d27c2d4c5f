"""``cb-threading race``, ``market``, ``recipe`` and ``doctor``."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from cb_threading.cli_io import FORMAT, SECONDS, ask
from cb_threading.errors import BadInput
from cb_threading.recipes import RECIPES

ANIMALS = ("rabbit", "turtle", "cheetah", "monkey", "cow", "horse", "tiger", "lion")


@click.command(short_help="Threads start at one signal; who is first?")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--laps", type=click.IntRange(0), default=0, help="Work to do on the way, in thousands of steps.")
@FORMAT
def race(names: tuple[str, ...], laps: int, form: str) -> None:
    """Start a thread for each NAME (eight animals if there is none) at one signal; print who came in when.

    \b
    Example:
      cb-threading race rabbit turtle --laps 10
    """
    from cb_threading.racing import race as run

    if len(set(names)) < len(names):
        raise click.BadParameter("each name once", param_hint="NAME")

    def lap_after_lap() -> None:
        for _ in range(laps):
            sum(range(1000))  # a thousand steps without another thread, Ctrl-C's included

    for finish in run(dict.fromkeys(names or ANIMALS, lap_after_lap)):
        if form == "json":
            click.echo(json.dumps({"place": finish.place, "name": finish.name, "seconds": finish.seconds}))
        else:
            click.echo(f"{finish.place}. I, {finish.name}, got to the goal! ({finish.seconds * 1000:.3f} ms)")


@click.command(short_help="Buyers and auditors on one repository.")
@click.option("--products", type=click.IntRange(1, 10_000), default=9, show_default=True, help="At 1, 2, 3, ...")
@click.option("--buyers", type=click.IntRange(1, 1000), default=4, show_default=True)
@click.option("--purchases", type=click.IntRange(0), default=1000, show_default=True, help="Of each buyer.")
@click.option("--seed", type=int, help="The same purchases in every run.")
@click.option("--max-auditors", type=click.IntRange(1), default=5, show_default=True, help="At a time.")
@click.option("--log", metavar="FILE", help="What the threads do, line by line.")
@click.option("-i", "--interactive", is_flag=True, help="Ask for the products.")
@FORMAT
def market(form: str, products: int, buyers: int, log: str | None, interactive: bool, **options: Any) -> None:
    """Let buyers buy at random, all at once, then audit each product. Status 1 if the sums do not agree.

    \b
    Example:
      cb-threading market --buyers 4 --purchases 1000 --seed 1
    """
    from cb_threading.market import BUYERS, run_market

    names = [BUYERS[number] if number < len(BUYERS) else f"buyer-{number + 1}" for number in range(buyers)]
    goods = _asked() if interactive else _goods(products)
    lines: list[str] = []
    report = run_market(goods, buyers=names, log=lines.append if log else None, **options)
    if log:
        Path(log).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if form == "json":
        sales = [{"product": one.product, "quantity": one.quantity, "total": str(one.total)} for one in report.sales]
        totals = {"purchases": report.purchases, "quantity": report.quantity, "total": str(report.total)}
        click.echo(json.dumps({**totals, "most_auditors": report.most_auditors, "sales": sales}))
    else:
        click.echo(f"{'product':<12}  {'sold':>10}  {'for':>14}")
        for one in report.sales:
            click.echo(f"{goods[one.product].description:<12}  {one.quantity:>10,}  {one.total:>14,}")
        click.echo(f"{report.purchases:,} purchases: {report.quantity:,} sold for {report.total:,}")
        click.echo(f"the audits {'agree' if report.balanced else 'DISAGREE'}, {report.most_auditors} at once at most")
    raise click.exceptions.Exit(0 if report.balanced else 1)


def _goods(count: int) -> list[Any]:
    from cb_threading.market import Product

    return [Product(chr(97 + number) if number < 26 else f"p{number}", Decimal(number + 1)) for number in range(count)]


def _asked() -> list[Any]:
    from cb_threading.market import Product

    goods = []
    while True:
        description = ask("product description")
        price = ask("product price")
        try:
            goods.append(Product(description, Decimal(price)))
        except InvalidOperation:
            raise BadInput(f"product {len(goods) + 1}: {price!r} is not a price") from None
        if ask("continue (y/N)", "N") != "y":
            return goods


@click.command(short_help="The chapter's small programs.")
@click.argument("name", metavar="NAME", type=click.Choice(list(RECIPES)))
@click.option("--delay", "delays", type=SECONDS, multiple=True, help="Of each thread; can be repeated.")
def recipe(name: str, delays: tuple[float, ...]) -> None:
    """Run one of the chapter's programs, as it should be: lowlevel, workers, info, daemon, timers, rlock or local.

    \b
    Example:
      cb-threading recipe lowlevel --delay 20ms --delay 40ms
    """
    run: Callable[..., None] = RECIPES[name]
    printing = threading.Lock()

    def say(line: str) -> None:
        with printing:  # whole lines
            click.echo(line)

    run(say, delays) if delays else run(say)


@click.command(short_help="What there is to fetch and thread with.")
@FORMAT
def doctor(form: str) -> None:
    """Say which engine fetches here, what it can do, and which limits there are.

    Status 1 if something should be mended.

    \b
    Example:
      cb-threading doctor
    """
    from cb_threading.doctor import examine

    facts, advice = examine()
    if form == "json":
        click.echo(json.dumps({**facts, "advice": advice}))
    else:
        for name, value in facts.items():
            click.echo(f"{name:<14}  {value}")
        for line in advice:
            click.echo(f"! {line}")
    raise click.exceptions.Exit(1 if advice else 0)
