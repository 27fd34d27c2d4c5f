"""One record, one line: what could end a line early, or command a terminal, is written as an escape."""

from __future__ import annotations

__all__ = ["escape", "text_of"]

# C0 without tab, DEL, C1, and the two separators that some programs take for a line's end.
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_ESCAPES |= {10: "\\n", 13: "\\r", 0x2028: "\\u2028", 0x2029: "\\u2029"}
del _ESCAPES[9]


def escape(text: str) -> str:
    r"""Return the text without control characters. Printable text comes back as it is, at the cost of one look.

    A backslash stays one: what was printable is written as the standard library writes it.

    >>> print(escape("Ann\n2015-12-30 - [INFO] forged\x1b[2J"))
    Ann\n2015-12-30 - [INFO] forged\x1b[2J
    """
    return text if text.isprintable() else text.translate(_ESCAPES)


def text_of(value: object) -> str:
    """Any value as text, also one whose ``__str__`` raises."""
    try:
        return str(value)
    except Exception as problem:  # noqa: BLE001 - a foreign __str__ may raise anything
        return f"<{type(value).__name__}: {type(problem).__name__}>"
