"""``cb-threading fetch``."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from cb_threading.cli_io import SECONDS, SIZE, ask, say
from cb_threading.fetching import Fetch
from cb_threading.plan import Job
from cb_threading.policy import Policy, Retry, Timeout
from cb_threading.results import Result
from cb_threading.sources import jobs_of


@click.command(short_help="A list of URLs to files.", context_settings={"max_content_width": 100})
@click.argument("sources", nargs=-1, metavar="[URL|FILE|-]...")
@click.option("-o", "--output", "out", metavar="DIR", help="The folder; made if it is not there.")
@click.option("--in", "form", type=click.Choice(["text", "csv", "jsonl"]), help="Of FILE; else by its extension.")
@click.option(
    "--names",
    type=click.Choice(["path", "host", "flat", "hash"]),
    default="path",
    show_default=True,
    help="Name files after the URL's path, host and path, last part, or a hash.",
)
@click.option("--resume", is_flag=True, help="Keep what is there from before, go on with what was begun.")
@click.option("--force", is_flag=True, help="Replace files that are there and not from here.")
@click.option("-j", "--jobs", type=click.IntRange(1, 500), default=64, show_default=True, help="Transfers at a time.")
@click.option("--per-host", type=click.IntRange(1), default=4, show_default=True, help="Transfers at a time a host.")
@click.option("--delay", type=SECONDS, default=0.0, help="Between two requests to a host.")
@click.option("--robots/--no-robots", default=True, help="Keep to robots.txt (yes).")
@click.option("--retries", type=click.IntRange(0), default=3, show_default=True, help="Further tries for a URL.")
@click.option("--redirects", type=click.IntRange(0), default=10, show_default=True, help="To follow for a URL.")
@click.option("--connect-timeout", type=SECONDS, default=10.0, show_default=True, help="Until a connection is there.")
@click.option("--stall-timeout", type=SECONDS, default=30.0, show_default=True, help="With less than 1 kB coming.")
@click.option("--timeout", type=SECONDS, help="For one try, in all.")
@click.option("--max-bytes", type=SIZE, help="Give a longer page up.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Send it; can be repeated.")
@click.option("--agent", default="cb-threading", show_default=True, help="Our name, for robots.txt too.")
@click.option("--proxy", help="http://host:port; else as http_proxy, https_proxy and no_proxy say.")
@click.option("--ca", type=click.Path(exists=True, dir_okay=False), help="Certificates to trust, not the system's.")
@click.option("--hash", "digest", type=click.Choice(["sha256", "none"]), default="sha256", show_default=True)
@click.option("--compressed/--no-compressed", default=True, help="Let servers compress; files are decoded (yes).")
@click.option("--fsync", is_flag=True, help="Wait until each file is on the disk: safe against power failures.")
@click.option("--engine", type=click.Choice(["auto", "curl", "http"]), default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Of the curl engine.")
@click.option("--dask", metavar="ADDRESS", help="Share the hosts out among the workers of a Dask cluster.")
@click.option("-i", "--interactive", is_flag=True, help="Ask for host and file, one after the other.")
@click.option("--progress", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
@click.option("--format", "shown", type=click.Choice(["json", "text"]), default="json", show_default=True)
@click.option("-q", "--quiet", is_flag=True, help="No words on stderr but for errors.")
def fetch(sources: tuple[str, ...], out: str | None, **options: Any) -> None:
    """Fetch URLs, or lists of them, into the folder DIR. A name in it is only ever a complete file.

    A list is text (a URL a line), CSV (columns url, path, sha256) or JSON Lines (the same as keys). Results are JSON
    Lines on stdout, in the order in which they come.

    \b
    Examples:
      cb-threading fetch https://example.com/ -o pages
      cb-threading fetch urls.csv -o pages --per-host 2 --delay 200ms --resume
    """
    jobs: list[Job] = []
    if options["interactive"]:
        jobs, out = asked(out or ".")
    elif not sources:
        raise click.UsageError("Nothing to fetch: give URLs, a FILE, or - for stdin")
    if out is None:
        raise click.UsageError("Missing option '-o' / '--output': the folder")
    jobs += jobs_of(sources, options["form"])
    start = time.monotonic()
    counts: Counter[str] = Counter()
    try:
        for result in _results(jobs, out, options):
            counts[result.state] += 1
            _show(result, options["shown"])
    except KeyboardInterrupt:
        sys.stdout.flush()
        there = counts["saved"] + counts["kept"]
        say(f"interrupted: {there} of {len(jobs)} are there, complete (--resume goes on with the rest)")
        raise click.exceptions.Exit(130) from None
    if not options["quiet"]:
        kept = f", {counts['kept']} were there" if counts["kept"] else ""
        say(f"{counts['saved']} saved{kept}, {counts['failed']} failed, {time.monotonic() - start:.1f} s")
    raise click.exceptions.Exit(1 if counts["failed"] else 0)


def _results(jobs: list[Job], out: str, options: dict[str, Any]) -> Iterator[Result]:
    policy = _policy(options)
    how: dict[str, Any] = {key: options[key] for key in ("names", "resume", "force")}
    if options["dask"]:
        from cb_threading.dask import fetch_on_dask

        yield from fetch_on_dask(jobs, out, options["dask"], policy=policy, **how)
        return
    with Fetch(jobs, out, policy=policy, **how) as running:
        shown = options["progress"] == "always" or (options["progress"] == "auto" and sys.stderr.isatty())
        if not shown or options["quiet"]:
            yield from running
            return
        from cb_threading.progress import ProgressLine

        with ProgressLine(running.progress):
            yield from running


def _show(result: Result, form: str) -> None:
    if form == "json":
        sys.stdout.write(f"{result.json()}\n")
    elif result.state == "failed":
        sys.stdout.write(f"failed  {result.url}  {result.error}\n")
    else:
        sys.stdout.write(f"{result.state:<6}  {result.path}  {result.size}\n")


def _policy(options: dict[str, Any]) -> Policy:
    headers = []
    for line in options["headers"]:
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or set(line) & set("\r\n\0"):
            raise click.BadParameter(f"{line!r} is not NAME: VALUE", param_hint="--header")
        headers.append((name.strip(), value.strip()))
    return Policy(
        jobs=options["jobs"],
        per_host=options["per_host"],
        delay=options["delay"],
        timeout=Timeout(options["connect_timeout"], options["stall_timeout"], options["timeout"]),
        retry=Retry(attempts=options["retries"] + 1),
        redirects=options["redirects"],
        robots=options["robots"],
        agent=options["agent"],
        headers=tuple(headers),
        max_bytes=options["max_bytes"],
        hash=options["digest"] == "sha256",
        compressed=options["compressed"],
        proxy=options["proxy"],
        ca=options["ca"],
        fsync=options["fsync"],
        engine=options["engine"],
        threads=options["threads"],
    )


def asked(out: str) -> tuple[list[Job], str]:
    """The book's questions: a host, a file, and whether there is more. Returns jobs and the folder of all files."""
    urls: list[str] = []
    paths: list[str] = []
    while True:
        host = ask("host")
        urls.append(host if "://" in host else f"http://{host}/")
        paths.append(os.path.abspath(Path(out, ask("output file absolute path"))))  # noqa: PTH100
        if ask("add another? (y/N)", "N") != "y":
            break
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120 - text in, text out
    answers = enumerate(zip(urls, paths, strict=True), 1)
    return [Job(url, os.path.relpath(path, folder), source=f"answer {count}") for count, (url, path) in answers], folder
