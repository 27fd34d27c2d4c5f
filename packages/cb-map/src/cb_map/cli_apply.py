"""``apply`` and ``zip``: the user's own Python on every record."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

from cb_map.ending import say
from cb_map.options import PREVIEW, Command, stream_options

BACKENDS = "inline, thread, process, ray, dask, dask:ADDRESS"


class Backend(click.ParamType[str]):
    """A name, or dask:ADDRESS."""

    name = "backend"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value.partition(":")[0] == "dask" or value in {"inline", "thread", "process", "ray"}:
            return value
        return self.fail(f"{value!r} is none of: {BACKENDS}", param, ctx)


@contextlib.contextmanager
def _backend(name: str) -> Iterator[Any]:
    """The backend of that name; a Dask client is closed at the end."""
    if name.partition(":")[0] != "dask":
        yield name
        return
    try:
        import distributed
    except ImportError:
        raise click.UsageError("Dask is not installed (pip install 'cb-map[dask]')") from None
    address = name.partition(":")[2]
    try:
        connect: Any = distributed.Client
        client: Any = connect(address) if address else connect(dashboard_address=None)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"no Dask scheduler at {address}: {error}") from None
    with client:
        yield client


def _progress() -> tuple[Callable[[Any], None], Callable[[], None]]:
    """A line that is written over; nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        return (lambda _: None), (lambda: None)

    def show(stats: Any) -> None:
        text = f"{stats.done} done, {stats.failed} failed, {stats.rate:,.0f}/s"
        click.echo(f"\rcb-map: {text:60}", err=True, nl=False)

    return show, lambda: click.echo(err=True)


@click.command("apply", cls=Command, short_help="Call Python with every record.")
@click.argument("words", nargs=-1, metavar="[MODULE:FUNCTION] [FILE]...")
@click.option("-e", "--expression", metavar="EXPR", help="A Python expression of x, the record.")
@click.option("--where", metavar="EXPR", help="Only records for which this is true; the others are left out.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Workers; the number of cores where a backend is named.")
@click.option("--backend", type=Backend(), help=f"{BACKENDS}. Default: process with --jobs, else inline.")
@click.option("--unordered", is_flag=True, help="Write results as they come.")
@click.option("--retries", type=click.IntRange(0), default=0, help="Further calls for a record that failed.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Seconds for a record.")
@click.option("--progress", is_flag=True, help="Show how far it is, on a terminal.")
@stream_options
def apply(
    words: tuple[str, ...],
    expression: str | None,
    where: str | None,
    jobs: int | None,
    backend: str | None,
    unordered: bool,
    retries: int,
    timeout: float | None,
    progress: bool,
    **options: Any,
) -> None:
    """Call MODULE:FUNCTION, or evaluate -e, with every record, and write what it returns.

    A record is any JSON value, called x; the row of a CSV file is a dict of strings. The expression is your own Python
    and can do all that you can: never make one from data.

    \b
    Example:
      seq 5 | cb-map apply -e 'x + 1'
      cb-map apply --where 'x["amount"] > 2' -e '{**x, "vat": x["amount"] * 0.2}' prices.jsonl
      cb-map apply --jobs 4 --timeout 10 --retries 2 mymodule:fetch urls.jsonl
    """
    from cb_map import codec
    from cb_map.convert import Function
    from cb_map.parallel import converting
    from cb_map.running import Settings, run
    from cb_map.stream import convert

    gc.enable()  # the function may make what only this collects
    source = expression
    if expression is None and where is None:
        if not words:
            raise click.UsageError("what should be applied? MODULE:FUNCTION, -e EXPR or --where EXPR")
        source, words = words[0], words[1:]
    backend = backend or ("process" if jobs or timeout else "inline")
    if timeout is not None and backend == "inline":
        raise click.UsageError("--timeout needs workers (--jobs 1, or another --backend)")
    inline = backend == "inline" and not retries and not progress

    def make(decode: codec.Decode, encode: codec.Encode, lines: bool) -> Function:  # noqa: ARG001
        return Function(source, expression=expression is not None, where=where, decode=decode, encode=encode)

    show, end = _progress() if progress else (None, lambda: None)
    with _backend(backend) as chosen:
        by: Any = convert
        if not inline:
            by = converting(
                backend=chosen, jobs=jobs, ordered=not unordered, retries=retries, timeout=timeout, progress=show
            )
        try:
            run(Settings(files=words, **options), make, decode=codec.decode_any, by=by)
        finally:
            end()


@click.command("zip", short_help="Call Python with the records of several files, side by side.")
@click.argument("files", nargs=-1, required=True, metavar="FILE FILE...")
@click.option("-e", "--expression", metavar="EXPR", help="Of x, y, z, ... Without it: the records as an array.")
@click.option("--longest", is_flag=True, help="Go on to the end of the longest file.")
@click.option("--fill", metavar="JSON", help="What stands for records that are missing; null else. Wants --longest.")
@click.option("--strict", is_flag=True, help="Files of different lengths are an error.")
@click.option("--in", "form", type=click.Choice(["jsonl", "json", "csv", "tsv"]), help="Format of all inputs.")
@click.option("--out", "out", type=click.Choice(["jsonl", "json", "csv", "tsv"]), help="Format of the output.")
@click.option("-o", "--output", default="-", metavar="FILE", help="Write to FILE, when all went well.")
@PREVIEW
def zip_files(
    files: tuple[str, ...],
    expression: str | None,
    longest: bool,
    fill: str | None,
    strict: bool,
    form: Any,
    out: Any,
    output: str,
    preview: int | None,
) -> None:
    """Put the records of several files side by side. Ends with the shortest file, unless told otherwise.

    A bad record stops it: left out, it would put all after it beside the wrong ones (look with cb-map check).

    \b
    Example:
      cb-map zip a.jsonl b.jsonl -e 'x * y'
    """
    from cb_map.running import Settings
    from cb_map.zipping import zip_into

    gc.enable()
    if longest and strict:
        raise click.UsageError("--longest and --strict exclude each other")
    if fill is not None and not longest:
        raise click.UsageError("--fill wants --longest")
    if len(files) > len("xyzuvw"):
        raise click.UsageError("at most 6 files")
    settings = Settings(files=files, form=form, out=out, output=output, preview=preview)
    settings.check()
    count = zip_into(settings, expression, "longest" if longest else "strict" if strict else "shortest", fill or "null")
    if not count:
        say("nothing to write: a file has no records")
