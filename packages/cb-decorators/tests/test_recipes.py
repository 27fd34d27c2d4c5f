"""The recipes of the chapter, in its order."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

import pytest
from cb_decorators import SPENT_TIME, Call, Timings, announce, cached, decorator, no_whitespace, validated
from cb_decorators.palindrome import complete, is_palindrome
from decorators_support import command


def test_functions_are_values() -> None:
    """2.1 functions as values, inner, passed, returned.

    A function can be named anew, defined in another, passed and returned: 2 each time.
    """

    def plus_one(foo: int) -> int:
        return foo + 1

    my_var = plus_one

    def with_inner(foo: int) -> int:
        def inner() -> int:
            return 1

        return foo + inner()

    def with_parameter(foo: int, function: Callable[[], int]) -> int:
        return foo + function()

    def adder(constant: int) -> Callable[[int], int]:
        return lambda foo: foo + constant

    assert [my_var(1), with_inner(1), with_parameter(1, lambda: 1), adder(1)(1)] == [2, 2, 2, 2]


def test_announce(capsys: pytest.CaptureFixture[str]) -> None:
    """2.2 announce a call: the decorator says the call, then makes it."""

    @announce
    def replace_commas_with_spaces(value: str) -> str:
        """Replace them."""
        return value.replace(",", " ")

    sys.stdout.write(replace_commas_with_spaces("my,commas,will,be,replaces,with,spaces"))
    assert capsys.readouterr().out.splitlines() == [
        "you are calling replace_commas_with_spaces with 'my,commas,will,be,replaces,with,spaces' as parameter",
        "my commas will be replaces with spaces",
    ]


def test_without_wraps() -> None:
    """2.2 a decorator that loses the name: a hand-made wrapper without functools.wraps loses name and documentation."""

    def plain(function: Callable[[str], str]) -> Callable[[str], str]:
        def wrapper(value: str) -> str:
            return function(value)

        return wrapper

    @plain
    def replace_commas_with_spaces(value: str) -> str:
        """Replace them."""
        return value.replace(",", " ")

    assert (replace_commas_with_spaces.__name__, replace_commas_with_spaces.__doc__) == ("wrapper", None)


def test_with_wraps() -> None:
    """2.2 a decorator that keeps name, signature, documentation.

    What `decorator` makes keeps name, module, documentation and the call itself.
    """

    @decorator
    def passing(call: Call[str]) -> str:
        return call()

    @passing
    def replace_commas_with_spaces(value: str) -> str:
        """Replace them."""
        return value.replace(",", " ")

    kept = replace_commas_with_spaces
    assert (kept.__name__, kept.__module__, kept.__doc__) == (
        "replace_commas_with_spaces",
        __name__,
        "Replace them.",
    )
    assert kept("a,b") == "a b"


WORDS = {
    "anita lava la tina": "anita lava la tinanit al aval atina",
    "anitalavalatina": "anitalavalatina",
    "menem": "menem",
    "mene": "menem",
    "casa": "casac",
    "casaca": "casacasac",
    "": "",
}


def test_palindromes() -> None:
    """2.3 is it a palindrome; make it one.

    Seven inputs of the chapter, completed; those that were palindromes are recognised.
    """
    assert {word: complete(word) for word in WORDS} == WORDS
    assert [word for word in WORDS if is_palindrome(word)] == [word for word in WORDS if WORDS[word] == word]


def test_palindromes_by_command() -> None:
    """2.3 is it a palindrome; make it one.

    Words as arguments, lines on stdin, and asking for them until `exit` give the same.
    """
    words = [word for word in WORDS if word]
    expected = [WORDS[word] for word in words]
    assert command("palindrome", *words).stdout.splitlines() == expected
    assert command("palindrome", text="\n".join(words)).stdout.splitlines() == expected
    asked = command("palindrome", "-i", text="\n".join([*words, "exit", "not read"]))
    assert asked.stdout.splitlines() == expected
    prompts = "string to convert to palindrome (exit to terminate program): " + (
        "string to check (exit to terminate program): " * len(words)
    )
    assert (asked.stderr, asked.returncode) == (prompts, 0)


def test_spent_time(capsys: pytest.CaptureFixture[str]) -> None:
    """2.3 spent time: a line with the time, the name, the arguments and the result; the function is not touched."""

    @Timings()(log=print, template=SPENT_TIME)
    def convert_to_palindrome(v: str) -> str:
        return complete(v)

    assert convert_to_palindrome("anitalavalatina") == "anitalavalatina"
    assert re.fullmatch(
        r"spent \d+ microseconds in convert_to_palindrome with arguments \('anitalavalatina',\)\. "
        r"Result was: anitalavalatina\n",
        capsys.readouterr().out,
    )


def test_cache(capsys: pytest.CaptureFixture[str]) -> None:
    """2.3 cache: the first call says that the result was not there, the second does not."""

    @cached(on_miss=lambda call: sys.stdout.write(f"result for args {call.args} was not found in cache...\n"))
    def convert_to_palindrome(v: str) -> str:
        return complete(v)

    results = [convert_to_palindrome("anitalavalatina") for _ in range(2)]
    assert results == ["anitalavalatina"] * 2
    assert capsys.readouterr().out == "result for args ('anitalavalatina',) was not found in cache...\n"


def test_validation() -> None:
    """2.3 validation: a word with a space is answered with the message, and never gets to the function."""
    seen = []

    @validated(no_whitespace, if_invalid="input shouldn't contain spaces.")
    def convert_to_palindrome(v: str) -> str:
        seen.append(v)
        return complete(v)

    assert convert_to_palindrome("anita lava la tina") == "input shouldn't contain spaces."
    assert convert_to_palindrome("mene") == "menem"
    assert seen == ["mene"]


GOLDEN = """\
string to convert to palindrome (exit to terminate program): \
spent N microseconds in convert_to_palindrome with arguments ('anita lava la tina',). \
Result was: input shouldn't contain spaces.
input shouldn't contain spaces.
string to check (exit to terminate program): result for args ('anitalavalatina',) was not found in cache...
spent N microseconds in convert_to_palindrome with arguments ('anitalavalatina',). Result was: anitalavalatina
anitalavalatina
string to check (exit to terminate program): \
spent N microseconds in convert_to_palindrome with arguments ('anitalavalatina',). Result was: anitalavalatina
anitalavalatina
string to check (exit to terminate program): """


def test_all_three_stacked() -> None:
    """2.3 all three, one over the other.

    The session of the last listing: timed around validated around cached; a refused word is timed, not cached.
    """
    asked = "anita lava la tina\nanitalavalatina\nanitalavalatina\nexit\n"
    session = command("palindrome", "-i", "--time", "--no-spaces", "--cache", text=asked, both=True)
    assert re.sub(r"spent \d+ ", "spent N ", session.stdout) == GOLDEN
    assert session.returncode == 0
