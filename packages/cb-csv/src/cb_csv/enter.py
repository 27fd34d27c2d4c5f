"""Rows and dicts asked of a person, one field at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

__all__ = ["ask_columns", "prompt_dicts", "prompt_rows"]

Ask = Callable[[str], str]
_YES = {"y", "yes"}


def ask_columns(ask: Ask = input, say: Callable[[str], object] = print) -> int:
    """Ask how many columns, until the answer is a number above 0.

    Raises:
        EOFError: There are no more answers.

    >>> answers = iter(["three", "0", "3"])
    >>> ask_columns(lambda prompt: next(answers))
    'three' is no number of columns (use 1, 2, 3 and so on)
    '0' is no number of columns (use 1, 2, 3 and so on)
    3
    """
    while True:
        answer = ask("How many columns do you want to write? ").strip()
        if answer.isdecimal() and int(answer) > 0:
            return int(answer)
        say(f"{answer!r} is no number of columns (use 1, 2, 3 and so on)")


def prompt_rows(columns: int, ask: Ask = input) -> Iterator[list[str]]:
    """Ask for rows until the answer to "continue?" is not yes. The end of input ends it, too: a row begun is dropped.

    >>> answers = iter(["a, b", "c", "Y", "d", "e", ""])
    >>> list(prompt_rows(2, lambda prompt: next(answers)))
    [['a, b', 'c'], ['d', 'e']]
    """
    yield from _prompt([f"column {number}: " for number in range(1, columns + 1)], ask)


def prompt_dicts(fields: Sequence[str], ask: Ask = input) -> Iterator[dict[str, str]]:
    """As `prompt_rows`, for dicts with these keys: ``last_name`` is asked for as ``Last Name``.

    >>> answers = iter(["John", "Doe", "no"])
    >>> list(prompt_dicts(["name", "last_name"], lambda prompt: next(answers)))
    [{'name': 'John', 'last_name': 'Doe'}]
    """
    for row in _prompt([f"{field.replace('_', ' ').title()}: " for field in fields], ask):
        yield dict(zip(fields, row, strict=True))


def _prompt(prompts: Sequence[str], ask: Ask) -> Iterator[list[str]]:
    while True:
        try:
            row = [ask(prompt) for prompt in prompts]
        except EOFError:
            return
        yield row
        try:
            if ask("continue? (y/N): ").strip().lower() not in _YES:
                return
        except EOFError:
            return
