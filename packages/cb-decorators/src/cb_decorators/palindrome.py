"""Palindromes: recognise one, and complete a word to one with as few letters as possible at its end.

A completion needs the longest suffix that is a palindrome, which is the longest suffix of the text that is also a
prefix of the text reversed. It is looked for among suffixes longer than two thirds of the length, then longer than two
thirds of that, and so on: within one such band the prefix that all candidates share is longer than twice the band is
wide, so wherever it occurs its occurrences stand in equal steps, and how far the step goes on in both strings tells
which single one can match. All comparing and searching is done by str, so the loop runs about 2.5 * log2(n) times and
the time is O(n), whatever the text.

Letters are code points: an accent that is a character of its own is one.
"""

from __future__ import annotations

__all__ = ["complete", "is_palindrome"]

_FEW = 16  # candidates that are tried one by one


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
    size = len(text)
    longest = size
    while longest > _FEW:
        shortest = longest * 2 // 3
        if (start := _in_band(text, turned, size - longest, size - shortest)) is not None:
            return start
        longest = shortest
    return next(start for start in range(size - longest, size) if text[start:] == turned[: size - start])


def _in_band(text: str, turned: str, first: int, last: int) -> int | None:
    """Return the first start from *first* to *last* of a suffix that *turned* starts with."""
    size = len(text)
    shared = turned[: size - last]
    # Searching prepares in time that grows with what is searched for: a short piece rules most bands out.
    if text.find(shared[: len(shared) // 16], first, last + len(shared) // 16) < 0:
        return None
    start = text.find(shared, first)
    if start < 0 or text[start:] == turned[: size - start]:
        return start if start >= 0 else None
    second = text.find(shared, start + 1)
    if second < 0:
        return None
    step = second - start
    end, turned_end = _goes_on(text, start, step), _goes_on(turned, 0, step)
    if end == size:  # the steps go on to the end: the first suffix that is not longer than they do in the other
        steps = max(1, -((start + turned_end - size) // step))
    else:  # what breaks the step must be at the same place in both
        steps, rest = divmod(end - turned_end - start, step)
        if rest or steps < 1:
            return None
    start += steps * step
    return start if start <= last and text[start:] == turned[: size - start] else None


def _goes_on(text: str, start: int, step: int) -> int:
    """Return how far from *start* on each letter equals the one *step* before it."""
    good, stride = start + step, step
    end = len(text)
    while good < len(text):
        end = min(len(text), good + stride)
        if text[good - step : end - step] != text[good:end]:
            break
        good, stride = end, stride * 2
    else:
        return good
    while end - good > 1:
        middle = (good + end) // 2
        if text[good - step : middle - step] == text[good:middle]:
            good = middle
        else:
            end = middle
    return good
