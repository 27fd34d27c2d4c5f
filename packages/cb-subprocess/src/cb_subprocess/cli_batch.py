"""``cb-subprocess batch``: GNU parallel's spelling where it exists, no shell unless asked for."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias

import click

from cb_subprocess.cli_io import SECONDS, SIZE, passed_on, say
from cb_subprocess.errors import BadCommand, BatchHalted

if TYPE_CHECKING:
    from cb_subprocess.result import JobResult

Rows: TypeAlias = "Iterable[Sequence[str]]"
_PASS = {"allow_interspersed_args": False}


def _read(stream: BinaryIO, end: bytes, separator: str | None) -> Iterator[list[str]]:
    """Rows of values: pieces up to `end`, each cut at `separator`."""
    rest = b""
    while chunk := stream.read1(1 << 16) if hasattr(stream, "read1") else stream.read(1 << 16):
        *whole, rest = (rest + chunk).split(end)
        for piece in whole:
            yield _cut(piece, separator)
    if rest:
        yield _cut(rest, separator)


def _cut(piece: bytes, separator: str | None) -> list[str]:
    text = piece.decode("utf-8", "surrogateescape")
    return text.split(separator) if separator else [text]


def sources(words: Sequence[str], end: bytes, separator: str | None) -> tuple[list[str], Rows, str]:
    """Cut the command off from its sources: ``::: values``, ``:::: files``; all of one with all of the next.

    With a ``+`` behind, the first of one with the first of the next. Also returned is the name of the only file.
    """
    marks = (":::", "::::", ":::+", "::::+")
    first = next((index for index, word in enumerate(words) if word in marks), len(words))
    command, rest = list(words[:first]), list(words[first:])
    if not rest:
        return command, _read(sys.stdin.buffer, end, separator), "-"
    groups: list[list[list[str]]] = []
    kinds: list[str] = []
    for word in rest:
        if word in marks:
            kinds.append(word)
            groups.append([])
        elif kinds[-1].startswith("::::"):
            with open(word, "rb") if word != "-" else contextlib.nullcontext(sys.stdin.buffer) as file:  # noqa: PTH123
                groups[-1].extend(_read(file, end, separator))
        else:
            groups[-1].append(word.split(separator) if separator else [word])
    joined: list[list[list[str]]] = []
    for kind, group in zip(kinds, groups, strict=True):
        if kind.endswith("+") and joined:
            joined[-1] = [[*one, *other] for one, other in zip(joined[-1], group, strict=False)]
        else:
            joined.append(group)
    rows = ([value for part in row for value in part] for row in itertools.product(*joined))
    return command, rows, rest[1] if rest[0] == "::::" and len(rest) == 2 else ""


class _Bar:
    """How far it is, on a terminal."""

    def __init__(self, total: int | None, *, on: bool) -> None:
        self._total, self._on, self._done, self._failed = total, on, 0, 0
        self._began, self._next = time.monotonic(), 0.0

    def step(self, job: JobResult) -> None:
        self._done += 1
        self._failed += not job.ok
        now = time.monotonic()
        if self._on and (now >= self._next or self._done == self._total):
            self._next = now + 0.1
            width = max(10, shutil.get_terminal_size().columns - 50)
            filled = round(width * self._done / self._total) if self._total else 0
            of = f"{self._done}/{self._total}" if self._total else str(self._done)
            rate = self._done / (now - self._began) if now > self._began else 0.0
            bar = f"{'█' * filled}{' ' * (width - filled)}" if self._total else ""
            click.echo(f"\r{bar} {of} done, {self._failed} failed, {rate:.0f}/s ", err=True, nl=False)

    def end(self) -> None:
        if self._on and self._done:
            click.echo(err=True)


@click.command(
    context_settings=_PASS, short_help="Run many commands, some at once, in order, with a log to resume from."
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("-j", "--jobs", type=click.IntRange(1), help="So many at once; default: as many as processors.")
@click.option("-k", "--keep-order", is_flag=True, help="Outputs in the order of the input.")
@click.option("-0", "--null", is_flag=True, help="Input ends with NUL, not with a line's end.")
@click.option("-C", "--colsep", metavar="TEXT", help="Cut each line there: {1}, {2} …")
@click.option("--joblog", type=click.Path(), metavar="FILE", help="A line for every finished job.")
@click.option("--resume", is_flag=True, help="Pass over what the log has.")
@click.option("--resume-failed", is_flag=True, help="Pass over what has succeeded by the log.")
@click.option("--retries", type=click.IntRange(0), default=0, help="Try a failed job again so often.")
@click.option("--backoff", type=SECONDS, default=1.0, show_default=True, help="Seconds before that, then doubled.")
@click.option("--timeout", type=SECONDS, help="Seconds a job may take, with all that it starts.")
@click.option("--grace", type=SECONDS, default=2.0, show_default=True, help="Seconds between SIGTERM and SIGKILL.")
@click.option(
    "--halt", default="never", show_default=True, metavar="POLICY", help="soon,fail=3  now,fail=10%  now,success=1"
)
@click.option("--delay", type=SECONDS, default=0.0, help="Seconds between two starts.")
@click.option("--load", type=click.FloatRange(0), help="Start nothing while the load is higher.")
@click.option("--memfree", type=SIZE, help="Start nothing while less memory is free.")
@click.option("--tag", is_flag=True, help="The values and a tab before each line.")
@click.option("--bar", is_flag=True, help="Progress, on a terminal.")
@click.option("-u", "--ungroup", is_flag=True, help="Jobs write by themselves, mixed.")
@click.option("--dry-run", is_flag=True, help="Print the commands, run none.")
@click.option("--shell", is_flag=True, help="The command is a text for /bin/sh; values are quoted.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="json: a line for each job."
)
@click.option("--engine", type=click.Choice(["local", "dask"]), default="local", help="Where the jobs run.")
@click.option("--scheduler", metavar="ADDRESS", help="Of the dask cluster.")
@click.option("--emit", type=click.Choice(["parallel", "slurm-array"]), help="Write a program for that, run nothing.")
def batch(command: tuple[str, ...], **options: Any) -> None:
    """Run COMMAND for every line of stdin, or for every value behind ``:::``, or line of a file behind ``::::``.

    \b
    {} the value  {.} without extension  {/} last part  {//} folder  {/.} both  {#} number  {%} slot  {1} {2.} columns

    Without COMMAND each line is a command. No shell is involved, and a value is always one word, unless --shell.

    \b
    Example:
      cb-subprocess batch -j 4 --tag -- wc -c ::: /etc/passwd /etc/group
    """
    if options["resume"] and options["resume_failed"]:
        raise click.UsageError("--resume or --resume-failed, not both")
    if (options["resume"] or options["resume_failed"]) and not options["joblog"]:
        raise click.UsageError("to resume, name the log: --joblog FILE")
    if (options["engine"] == "dask") != bool(options["scheduler"]):
        raise click.UsageError("--engine dask and --scheduler ADDRESS go together")
    words, rows, name = sources(command, b"\0" if options["null"] else b"\n", options["colsep"])
    try:
        if options["emit"]:
            from cb_subprocess.emit import emit

            click.echo(emit(options["emit"], words, list(rows), options), nl=False)
            return
        raise click.exceptions.Exit(_run(words, rows, options))
    except BadCommand as error:
        where = "" if error.job is None else f"{name}:{error.job}: " if name else f"job {error.job}: "
        raise BadCommand(f"{where}{error}") from error


def _run(words: list[str], rows: Rows, options: dict[str, Any]) -> int:
    from cb_subprocess.batch import batch as run_batch
    from cb_subprocess.command import quote
    from cb_subprocess.command import words as words_of
    from cb_subprocess.template import Template

    template = Template(words, shell=options["shell"])
    if options["bar"] and not isinstance(rows, list):
        rows = list(rows)
    total = len(rows) if isinstance(rows, list) else None
    values: dict[int, Sequence[str]] = {}

    def kept() -> Iterator[Sequence[str]]:
        for number, row in enumerate(rows, 1):
            if options["tag"]:
                values[number] = row
            yield row

    jobs = template.jobs(kept())
    if options["dry_run"]:
        for command in jobs:
            made = command(1) if callable(command) else command
            click.echo(quote(made) if isinstance(made, list) else made.text)
        return 0
    resume: Literal["all", "failed"] | None = "all" if options["resume"] else None
    if options["resume_failed"]:
        resume = "failed"
    results: Iterator[JobResult]
    if options["engine"] == "dask":
        from cb_subprocess.dask import batch_on_dask

        fixed = (words_of(command(1) if callable(command) else command) for command in jobs)
        results = batch_on_dask(
            fixed,
            options["scheduler"],
            retries=options["retries"],
            timeout=options["timeout"],
            joblog=options["joblog"],
            resume=resume,
        )
    else:
        results = run_batch(
            jobs,
            at_once=options["jobs"],
            retries=options["retries"],
            backoff=options["backoff"],
            timeout=options["timeout"],
            grace=options["grace"],
            halt=options["halt"],
            order="input" if options["keep_order"] else "done",
            joblog=options["joblog"],
            resume=resume,
            max_load=options["load"],
            min_free=options["memfree"],
            delay=options["delay"],
            max_bytes=1 << 20,
            capture=not options["ungroup"],
        )
    bar = _Bar(total, on=options["bar"] and sys.stderr.isatty())
    failed = 0
    try:
        for job in results:
            failed += not job.ok
            show(job, options["form"], values.pop(job.seq, None))
            bar.step(job)
    except BatchHalted as error:
        say(str(error))
        failed = max(failed, 1)
    finally:
        bar.end()
    return min(failed, 101)


def show(job: JobResult, form: str, tag: Sequence[str] | None) -> None:
    """Write what a job wrote: its own bytes, or a line of JSON."""
    if form == "json":
        import json

        names = ("seq", "args", "code", "stdout", "stderr", "started", "seconds", "tries", "timed_out")
        click.echo(json.dumps({name: getattr(job, name) for name in names}))
        for left in (job.stdout_file, job.stderr_file):
            if left is not None:
                left.close()
        return
    prefix = "" if tag is None else " ".join(tag) + "\t"
    for text, file, stream in ((job.stdout, job.stdout_file, sys.stdout), (job.stderr, job.stderr_file, sys.stderr)):
        if file is not None:
            with file:
                for chunk in iter(lambda file=file: file.read(1 << 20), b"") if not prefix else file:  # type: ignore[misc]
                    passed_on(prefix + chunk.decode("utf-8", "surrogateescape"), stream)
        elif text:
            passed_on("".join(f"{prefix}{line}" for line in text.splitlines(keepends=True)) if prefix else text, stream)
