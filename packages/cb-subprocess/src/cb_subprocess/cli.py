"""The ``cb-subprocess`` command: parse, call the library, print."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from cb_subprocess import __version__
from cb_subprocess.cli_batch import batch
from cb_subprocess.cli_io import SECONDS, SIZE, passed_on, say, with_all_streams
from cb_subprocess.errors import BadCommand, CommandError, CommandNotFound, CommandNotRunnable, CommandTimeout

_EXIT_CODES = """\b
Exit codes:
  0 done   1 the answer is no, or something failed   2 wrong usage   130 interrupted
  run, pipe   the command's own; 128+N killed by signal N; as timeout(1) and env(1) have it:
              124 time was up   125 wrong usage   126 cannot be started   127 not found
  batch       how many jobs failed, 101 at most   102 wrong usage, wrong log, wrong input
"""
_OWN = {"run": 125, "pipe": 125, "batch": 102}  # what is wrong with our call, not with what we call


class _Commands(click.Group):
    """What click itself would answer with a blank line, or with status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted, everything that was started has been ended")
            raise click.exceptions.Exit(130) from None
        except BrokenPipeError:  # whoever read our output has enough
            _let_go_of_stdout()
            raise click.exceptions.Exit(0) from None
        except (CommandError, OSError, ValueError) as error:
            if os.environ.get("CB_DEBUG") == "1":
                raise
            if isinstance(error, OSError) and not isinstance(error, CommandError) and not error.filename:
                _let_go_of_stdout()
            say(_words(error))
            raise click.exceptions.Exit(_status(error, ctx.invoked_subcommand or "")) from None


def main() -> None:
    """Run the command. Every error is one line and a status; ``CB_DEBUG=1`` shows the traceback behind it."""
    try:
        with_all_streams()
        with _terminated_is_interrupted():
            sys.exit(commands.main(standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "cb-subprocess"
        say(f"{error.format_message().rstrip('.')} (see {path} --help)")
        sys.exit(_OWN.get(path.split()[-1], 2))


def _let_go_of_stdout() -> None:
    """What was not written has been told: it is not to be tried again at the end."""
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), sys.stdout.fileno())


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, CommandError) and error.strerror:
        if not error.filename:
            return f"output: {error.strerror}"
        return f"{os.fsdecode(error.filename)}: {error.strerror} (look at the name and the rights)"
    return str(error)


def _status(error: Exception, name: str) -> int:
    kinds: tuple[tuple[type[Exception], int], ...] = (
        (CommandTimeout, 124),
        (CommandNotFound, 127),
        (CommandNotRunnable, 126),
        (BadCommand, _OWN.get(name, 2)),
    )
    return next((status for kind, status in kinds if isinstance(error, kind)), _OWN["batch"] if name == "batch" else 1)


@contextlib.contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    """SIGTERM and SIGHUP end what runs, as Ctrl-C does, and leave with their own status."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@click.group(cls=_Commands, name="cb-subprocess", epilog=_EXIT_CODES)
@click.version_option(__version__, prog_name="cb-subprocess")
def commands() -> None:
    """Run external commands so that nothing hangs, leaks, is lost or injected.

    \b
    Example:
      cb-subprocess batch echo 'hello {}' ::: one two three
    """


_PASS = {"allow_interspersed_args": False}


@commands.command(context_settings=_PASS, short_help="Run one command: time-out, retries, a limit, a report.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--timeout", type=SECONDS, help="Kill it, and all that it started, after so many seconds.")
@click.option("--grace", type=SECONDS, default=2.0, show_default=True, help="Seconds between SIGTERM and SIGKILL.")
@click.option("--retries", type=click.IntRange(0), default=0, help="Try again so often if it fails.")
@click.option("--max-bytes", type=SIZE, help="Kill it if it writes more to one stream.")
@click.option("--shell", "by_shell", is_flag=True, help="COMMAND is one text for /bin/sh.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="json: a report on stdout.")
def run(
    command: tuple[str, ...],
    timeout: float | None,
    grace: float,
    retries: int,
    max_bytes: int | None,
    by_shell: bool,
    form: str,
) -> None:
    """Run COMMAND and leave with its status. Its input and outputs are ours.

    \b
    Example:
      cb-subprocess run --timeout 10 -- sh -c 'echo hello'
    """
    from cb_subprocess import INHERIT, Command, RunOptions, run, shell

    what: Command = shell(" ".join(command)) if by_shell else list(command)
    options = RunOptions(timeout=timeout, grace=grace, check=False, input=INHERIT)
    if form == "json" or max_bytes is not None:
        options |= RunOptions(max_bytes=max_bytes, spill=False)
    else:
        options |= RunOptions(stdout=INHERIT, stderr=INHERIT)
    tries, result = 1, run(what, **options)
    while not result.ok and tries <= retries:
        say(f"{command[0]}: status {result.code}, try {tries} of {retries + 1}")
        tries, result = tries + 1, run(what, **options)
    if form == "json":
        names = ("args", "code", "stdout", "stderr", "seconds", "cpu", "max_rss")
        shown = {name: getattr(result, name) for name in names}
        click.echo(json.dumps({**shown, "tries": tries}))
    elif max_bytes is not None:
        passed_on(result.stdout, sys.stdout)
        passed_on(result.stderr, sys.stderr)
    raise click.exceptions.Exit(result.code if result.code >= 0 else 128 - result.code)


@commands.command(context_settings=_PASS, short_help="Run commands joined by pipes; every stage's status counts.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--timeout", type=SECONDS, help="Kill all after so many seconds.")
@click.option("--sep", default="+", show_default=True, metavar="WORD", help="The word between two commands.")
def pipe(command: tuple[str, ...], timeout: float | None, sep: str) -> None:
    """Run commands joined by pipes, without a shell; leave with the status of the last one that failed.

    \b
    Example:
      cb-subprocess pipe -- seq 100 + grep 7 + wc -l
    """
    from cb_subprocess import INHERIT, pipe

    stages: list[list[str]] = [[]]
    for word in command:
        if word == sep:
            stages.append([])
        else:
            stages[-1].append(word)
    done = pipe(*stages, timeout=timeout, input=INHERIT, stdout=INHERIT, stderr=INHERIT, check=False)
    raise click.exceptions.Exit(done.code if done.code >= 0 else 128 - done.code)


@commands.command(short_help="How much room files and folders take.")
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("-h", "--human", "readable", is_flag=True, help="1.5K, 3.0G instead of bytes.")
@click.option("--apparent", is_flag=True, help="Lengths instead of disk use.")
@click.option("-x", "--one-file-system", is_flag=True, help="Leave out what is mounted from elsewhere.")
@click.option("--top", type=click.IntRange(1), help="The largest so many inside, as a picture.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def size(
    paths: tuple[str, ...], readable: bool, apparent: bool, one_file_system: bool, top: int | None, form: str
) -> None:
    """Print how much room PATHS take together, as du does; leave with 1 if something could not be read.

    \b
    Example:
      cb-subprocess size -h --top 5 .
    """
    from cb_subprocess.size import human
    from cb_subprocess.size import size as measure

    found = measure(*(paths or (".",)), one_file_system=one_file_system)
    for error in found.errors:
        say(error)
    if form == "json":
        shown = dataclasses.asdict(found)
        shown["entries"] = shown["entries"][: top or None]
        click.echo(json.dumps(shown))
    else:
        show = human if readable else str
        total = found.apparent if apparent else found.disk
        rows = [(entry.apparent if apparent else entry.disk, entry.path) for entry in found.entries]
        rows = sorted(rows, reverse=True)[: top or 0]
        wide = max(len(show(value)) for value, _ in [*rows, (total, "")])
        for value, path in rows:
            bar = "█" * round(24 * value / (rows[0][0] or 1))
            click.echo(f"{show(value):>{wide}}  {bar:<24}  {_printable(Path(path).name)}")
        click.echo(f"{show(total):>{wide}}  {' '.join(map(_printable, paths)) or '.'}")
    raise click.exceptions.Exit(1 if found.errors else 0)


def _printable(name: str) -> str:
    from cb_subprocess.command import quote

    return name if name.isprintable() else quote(name.encode("utf-8", "replace").decode("utf-8", "replace"))


@commands.command(context_settings=_PASS, short_help="Quote words for a POSIX shell.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def quote(words: tuple[str, ...]) -> None:
    """Quote WORDS so that a POSIX shell reads each as one word.

    \b
    Example:
      cb-subprocess quote '/dev/null; ls -l /tmp'
    """
    from cb_subprocess.command import quote

    click.echo(quote(words))


@commands.command(context_settings=_PASS, short_help="Cut a line into words as a shell would.")
@click.argument("text", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def split(text: tuple[str, ...], form: str) -> None:
    """Cut TEXT into words, one a line, or as a JSON list.

    \b
    Example:
      cb-subprocess split "grep -n 'two words' file"
    """
    from cb_subprocess.command import split

    words = split(" ".join(text))
    click.echo(json.dumps(words) if form == "json" else "\n".join(words))


@commands.command(short_help="Where a program is, or what looks like it.")
@click.argument("names", nargs=-1, required=True)
def which(names: tuple[str, ...]) -> None:
    """Print the path of each program; leave with 1 if one is missing.

    \b
    Example:
      cb-subprocess which sh env
    """
    from cb_subprocess.command import which

    missing = False
    for name in names:
        try:
            click.echo(which(name))
        except (CommandNotFound, CommandNotRunnable) as error:
            say(str(error))
            missing = True
    raise click.exceptions.Exit(1 if missing else 0)


@commands.command(short_help="Find commands that can be injected, in Python files.")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, allow_dash=True))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def lint(paths: tuple[str, ...], form: str) -> None:
    """Find built text for a shell, os.system, and unsplit commands in Python files, and in folders of them.

    \b
    Example:
      echo 'import os; os.system("ls")' | cb-subprocess lint -
    """
    from cb_subprocess.lint import lint

    count = 0
    for path in paths or (".",):
        files = [path] if not Path(path).is_dir() else sorted(map(str, Path(path).rglob("*.py")))
        for file in files:
            source = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
            for finding in lint(source, file):
                count += 1
                click.echo(json.dumps(dataclasses.asdict(finding)) if form == "json" else str(finding))
    raise click.exceptions.Exit(1 if count else 0)


@commands.command(short_help="Run the chapter's recipes.")
@click.argument("name", default="")
@click.option("--source", is_flag=True, help="Print the code, too.")
def recipes(name: str, source: bool) -> None:
    """Run one of the chapter's recipes, or list them.

    \b
    Example:
      cb-subprocess recipes size-of-tmp
    """
    import inspect

    from cb_subprocess.recipes import RECIPES

    if not name:
        for one, recipe in RECIPES.items():
            click.echo(f"{one:16} {inspect.getdoc(recipe)}")
        return
    if name not in RECIPES:
        raise click.UsageError(f"no recipe {name!r} (there are: {', '.join(RECIPES)})")
    if source:
        click.echo(inspect.getsource(RECIPES[name]))
    for line in RECIPES[name]():
        click.echo(line)


commands.add_command(batch)
