"""What may stand in one line of a message: no control, no line break of any alphabet, nothing that hides.

Nothing here leans on the checks of the interpreter's own ``email`` package, which differ between patch releases.
"""

from __future__ import annotations

import re
from typing import Final

from cb_mail.errors import HeaderError

__all__ = ["ENCODED_WORD", "one_line", "shown"]

# C0, DEL, C1 with U+0085, the line and paragraph separators, lone surrogates.
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# What turns the direction of text around, and so can make a name read as an address.
_HIDING: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
ENCODED_WORD: Final = re.compile(r"=\?[^?\s]*\?[bq]\?[^?\s]*\?=", re.IGNORECASE)
"""An encoded word of RFC 2047: what a reader would decode, whoever wrote it."""


def shown(text: str, most: int = 60) -> str:
    """Return *text* as a message can show it: escaped, and cut."""
    return repr(text if len(text) <= most else text[: most - 1] + "…")


def one_line(what: str, text: str, kind: type[ValueError] = HeaderError) -> str:
    """Return *text* if it may stand in a header; *what* names it in the error.

    Raises:
        HeaderError: It holds a control, a line break of any alphabet, a lone surrogate, a character that turns the
            direction of text, or an encoded word (write the text itself; it is encoded here).
    """
    if text.isascii() and text.isprintable() and "=?" not in text:
        return text
    if found := _FORBIDDEN.search(text) or _HIDING.search(text):
        place = f"character {found.start() + 1} is U+{ord(found[0]):04X}"
        raise kind(f"{what}: {place}, which must not stand in a header: {shown(text)} (take it out)")
    if found := ENCODED_WORD.search(text):
        raise kind(f"{what}: {shown(found[0])} is encoded already (give the text itself; it is encoded here)")
    return text
