"""Palindromes: recognise one, and complete a word to one with as few letters as possible at its end.

A completion needs the longest suffix that is a palindrome. The text reversed starts with it. Look for suffixes of at
most *n* letters, and at least half of that: all of them start with the first half of what the reversed text has there,
and end with its mirror image, and together these cover them. So wherever that half is found, from there on the text is
a palindrome, and the first find is the longest. Where it is not found, the same is done for half of *n*. All searching
is done by ``str.find``, which is linear at worst: O(n) time in all, whatever the text.

Letters are code points: an accent that is a character of its own is one.
"""

from __future__ import annotations

__all__ = ["complete", "is_palindrome"]


def is_palindrome(text: str) -> bool:
    """Whether *text* reads the same from both ends. The empty text does.

    >>> is_palindrome("menem"), is_palindrome("mene")
    (True, False)
    """
    return text == text[::-1]


def complete(text: str) -> str:
    """Return the shortest palindrome that starts with *text*. O(n) time and memory; no recursion.

    >>> complete("casaca"), complete("menem"), complete("")
    ('casacasac', 'menem', '')
    """
    return text + text[: _longest_suffix(text)][::-1]


def _longest_suffix(text: str) -> int:
    """Return where the longest suffix that is a palindrome starts."""
    turned = text[::-1]
    if text == turned:
        return 0
    size = longest = len(text)
    while True:
        half = turned[: (longest + 1) // 2]
        # Searching takes a preparation as long as what is searched for: a short piece of it rules most out.
        piece = half[: len(half) // 16]
        start = text.find(piece, size - longest, size - len(half) + len(piece))
        if start >= 0 and (start := text.find(half, start)) >= 0:
            return start
        longest = len(half) - 1
