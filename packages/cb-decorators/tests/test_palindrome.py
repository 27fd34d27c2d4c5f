"""Palindromes: always the shortest completion, in linear time, without recursion."""

from __future__ import annotations

import pytest
from cb_decorators.palindrome import complete, is_palindrome
from hypothesis import example, given
from hypothesis import strategies as st


def shortest(text: str) -> str:
    """The definition: the first of ever longer completions that is a palindrome."""
    return next(text + text[:count][::-1] for count in range(len(text) + 1) if is_palindrome(text + text[:count][::-1]))


@st.composite
def periodic(draw: st.DrawFn) -> str:
    """A word again and again, broken in a few places: where searching can go wrong."""
    word = draw(st.text("ab", min_size=1, max_size=6))
    mirrored = word + word[::-1] if draw(st.booleans()) else word
    text = list(mirrored * draw(st.integers(1, 80)))
    for _ in range(draw(st.integers(0, 3))):
        text[draw(st.integers(0, len(text) - 1))] = draw(st.sampled_from("abc"))
    return "".join(text)[draw(st.integers(0, 5)) :]


@given(st.one_of(st.text("ab", max_size=300), periodic(), st.text(max_size=100)))
@example("a" * 300 + "b")
@example("b" + "a" * 300)
@example(("ab" * 80 + "a") * 2)
def test_the_completion_is_the_shortest(text: str) -> None:
    """It starts with the text, is a palindrome, and none is shorter."""
    assert complete(text) == shortest(text)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 999_999 + "b",
        "a" * 500_000 + "b" + "a" * 499_998,
        "".join("a" * count + "b" for count in range(1400)),
        ("a" * 999 + "b") * 1000,
        "a" * 1_000_000,
    ],
    ids=["break at the end", "break in the middle", "growing runs", "periodic", "palindrome"],
)
def test_a_million_letters(text: str) -> None:
    """Long and repetitive words are completed, and correctly: the part that is kept is a palindrome."""
    done = complete(text)
    assert done.startswith(text)
    assert is_palindrome(done)
    assert len(done) < 2 * len(text)


def test_letters_are_code_points() -> None:
    """An accent of its own is turned like a letter; surrogates and astral letters are letters."""
    assert complete("ae\N{COMBINING ACUTE ACCENT}") == "ae\N{COMBINING ACUTE ACCENT}ea"
    assert complete("\U0001f600a") == "\U0001f600a\U0001f600"
