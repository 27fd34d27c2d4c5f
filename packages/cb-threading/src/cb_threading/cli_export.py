"""``cb-threading export``."""

from __future__ import annotations

import click

from cb_threading.cli_io import SECONDS, say
from cb_threading.export_scrapy import export_scrapy
from cb_threading.plan import Format
from cb_threading.policy import Policy, Retry
from cb_threading.sources import jobs_of


@click.group(short_help="Hand a crawl over to another tool.")
def export() -> None:
    """Hand a crawl over to a tool that follows links."""


@export.command(short_help="A Scrapy project with the same manners.")
@click.argument("sources", nargs=-1, required=True, metavar="URL|FILE|-...")
@click.option("-o", "--output", "out", metavar="DIR", required=True, help="The folder of the project.")
@click.option("--in", "form", type=click.Choice(["text", "csv", "jsonl"]), help="Of FILE; else by its extension.")
@click.option("-j", "--jobs", type=click.IntRange(1), default=64, show_default=True, help="Transfers at a time.")
@click.option("--per-host", type=click.IntRange(1), default=4, show_default=True, help="Transfers at a time a host.")
@click.option("--delay", type=SECONDS, default=0.0, help="Between two requests to a host.")
@click.option("--robots/--no-robots", default=True, help="Keep to robots.txt (yes).")
@click.option("--retries", type=click.IntRange(0), default=3, show_default=True)
@click.option("--agent", default="cb-threading", show_default=True)
def scrapy(
    sources: tuple[str, ...],
    out: str,
    form: Format | None,
    jobs: int,
    per_host: int,
    delay: float,
    robots: bool,
    retries: int,
    agent: str,
) -> None:
    """Write a Scrapy project that follows links from these URLs, within their hosts.

    \b
    Example:
      cb-threading export scrapy https://example.com/ -o project
    """
    retry = Retry(attempts=retries + 1)
    policy = Policy(jobs=jobs, per_host=per_host, delay=delay, robots=robots, retry=retry, agent=agent)
    files = export_scrapy(jobs_of(sources, form), out, policy=policy)
    for file in files:
        click.echo(file)
    say(f"cd {out} && scrapy crawl pages -O index.jsonl")
