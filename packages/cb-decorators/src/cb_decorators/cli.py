"""The ``cb-decorators`` command: parse, call the library, print."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click

from cb_decorators import __version__
from cb_decorators.caching import cached
from cb_decorators.call import Call
from cb_decorators.cli_exec import clear, execute, invalidate, stats
from cb_decorators.cli_input import lines_of, say
from cb_decorators.cli_run import run
from cb_decorators.errors import DecoratorError
from cb_decorators.palindrome import complete, is_palindrome
from cb_decorators.timing import SPENT_TIME, timed
from cb_decorators.validation import no_whitespace, validated

_EXIT_CODES = """\b
Exit codes:
  0 done   1 the answer is no, or some input failed
  2 wrong usage, or a file that cannot be read   130 interrupted
  exec: what the command ended with
"""
_FIRST_PROMPT = "string to convert to palindrome (exit to terminate program): "
_PROMPT = "string to check (exit to terminate program): "


class _Commands(click.Group):
    """What click itself would answer with a blank line, or with status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted")
            raise click.exceptions.Exit(130) from None
        except BrokenPipeError:  # whoever read our output has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None


# Another name, or another user, and it goes: wrong usage.
_NAMES = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


def main() -> None:
    """Run the command. Every error is one line and a status; ``CB_DEBUG=1`` shows the traceback behind it."""
    logging.basicConfig(format="cb-decorators: %(message)s", level=logging.WARNING)
    try:
        sys.exit(commands.main(standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "cb-decorators"
        say(f"{error.format_message().rstrip('.')} (see {path} --help)")
        sys.exit(2)
    except click.ClickException as error:
        say(error.format_message())
        sys.exit(1)
    except (DecoratorError, OSError) as error:
        if os.environ.get("CB_DEBUG") == "1":
            raise
        if isinstance(error, _NAMES) and error.filename:
            say(f"{error.filename}: {error.strerror} (look at the name and the rights)")
            sys.exit(2)
        say(f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error))
        sys.exit(1)


@click.group(cls=_Commands, name="cb-decorators", epilog=_EXIT_CODES)
@click.version_option(__version__, prog_name="cb-decorators")
def commands() -> None:
    """Time it, cache it, check it.

    \b
    Example:
      cb-decorators exec --ttl 10m -- sh -c 'sleep 2; date'
    Paste it twice: the second time the answer is there at once.
    """


@commands.command(short_help="Complete words to palindromes, or check them.")
@click.argument("words", nargs=-1)
@click.option("--check", is_flag=True, help="Print true or false for each word; exit 1 if one is false.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="json: an object for each word."
)
@click.option("--time", "timing", is_flag=True, help="Say on stderr how long each took.")
@click.option("--cache", "caching", is_flag=True, help="Keep results, and say on stderr when one was not there.")
@click.option("--no-spaces", is_flag=True, help="Refuse words with white space in them.")
@click.option("-i", "--interactive", is_flag=True, help="Ask for words until 'exit' or the end of input.")
def palindrome(
    words: tuple[str, ...],
    check: bool,
    form: str,
    timing: bool,
    caching: bool,
    no_spaces: bool,
    interactive: bool,
) -> None:
    """Complete each WORD, or each line of stdin, to a palindrome with as few letters as possible at its end.

    \b
    Example:
      cb-decorators palindrome mene casa casaca
    """
    if interactive and (words or check or form == "json"):
        raise click.UsageError("-i asks for the words: leave WORD, --check and --format out")

    def convert_to_palindrome(v: str) -> str:
        return complete(v)

    convert = convert_to_palindrome
    if caching:
        convert = cached(maxsize=None, on_miss=_not_found)(convert)
    if no_spaces:
        check_first: Callable[..., Any] = (
            validated(no_whitespace, if_invalid="input shouldn't contain spaces.")
            if interactive
            else validated(no_whitespace)
        )
        convert = check_first(convert)
    if timing:
        convert = timed(log=say_plainly, template=SPENT_TIME)(convert)
    if interactive:
        for word in _asked():
            click.echo(convert(word))
        return
    source: Iterable[tuple[str, str]] = (
        ((f"WORD:{number}", word) for number, word in enumerate(words, 1)) if words else lines_of("-")
    )
    status = 0
    for where, word in source:
        if no_spaces and not no_whitespace(word):
            column = 1 + next(at for at, letter in enumerate(word) if letter.isspace())
            say(f"{where}:{column}: white space in the word (remove it, or leave --no-spaces out)")
            status = 1
        elif form == "json":
            found = {"word": word, "palindrome": is_palindrome(word), "completed": convert(word)}
            click.echo(json.dumps(found, ensure_ascii=False))
        elif check:
            click.echo("true" if is_palindrome(word) else "false")
        else:
            click.echo(convert(word))
        if check and not is_palindrome(word):
            status = 1
    raise click.exceptions.Exit(status)


def say_plainly(text: str) -> None:
    """Print a line on stderr."""
    click.echo(text, err=True)


def _not_found(call: Call[str]) -> None:
    say_plainly(f"result for args {call.arguments()} was not found in cache...")


def _asked() -> Iterator[str]:
    prompt = _FIRST_PROMPT
    while True:
        click.echo(prompt, nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            click.echo(err=True)
            return
        if (word := line.removesuffix("\n")) == "exit":
            return
        yield word
        prompt = _PROMPT


for _command in (run, execute, stats, invalidate, clear):
    commands.add_command(_command)
