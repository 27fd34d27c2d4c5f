"""Which encoding bytes are in: byte order marks and UTF by rules, the code pages by statistics.

Statistics are charset-normalizer's, where it is installed (``pip install 'cb-csv[encodings]'``); without it a rule of
thumb tells Windows-1252 from what it cannot be.
"""

from __future__ import annotations

import codecs

from cb_csv.errors import EncodingUnknown

__all__ = ["BOMS", "guess_encoding", "is_utf8", "without_bom"]

BOMS: dict[bytes, str] = {  # the longer first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_ENOUGH = 4096


def without_bom(sample: bytes) -> tuple[str | None, int]:
    """The encoding that a byte order mark names, and the mark's length in bytes; (None, 0) without one."""
    for bom, encoding in BOMS.items():
        if sample.startswith(bom):
            return encoding, len(bom)
    return None, 0


def is_utf8(encoding: str) -> bool:
    """Whether bytes in this encoding are UTF-8 as they are.

    >>> is_utf8("UTF8"), is_utf8("ascii"), is_utf8("latin-1")
    (True, True, False)

    Raises:
        EncodingUnknown: Python has no codec of that name, or it is not one for text.
    """
    try:
        codec = codecs.lookup(encoding)
        "".encode(encoding)
    except LookupError as error:
        raise EncodingUnknown(f"unknown encoding {encoding!r} (use a name like utf-8, cp1252, utf-16)") from error
    return codec.name in ("utf-8", "ascii", "utf-8-sig")


def guess_encoding(sample: bytes, *, complete: bool = False, code_pages: bool = True) -> tuple[str, float]:
    """The most likely encoding of *sample* and a confidence from 0 to 1.

    Args:
        sample: The first bytes of a file, without byte order mark.
        complete: There is no more: a character cut off at the end is a fault.
        code_pages: False: what is no UTF-16 or UTF-32 is taken for UTF-8, with undecodable bytes.

    Cost: microseconds for UTF, some 10 ms for code pages.

    >>> guess_encoding("naïve".encode())
    ('utf-8', 1.0)
    >>> guess_encoding("a;b\\n".encode("utf-16-le"))
    ('utf-16-le', 0.9)
    """
    if sample.isascii() and b"\0" not in sample:
        return "utf-8", 1.0
    if wide := _wide(sample):
        return wide, 0.9
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, complete)
    except UnicodeDecodeError:
        # One bad byte among good UTF-8 is a fault of the text, not another encoding.
        return _code_page(sample) if code_pages and not _mostly_utf8(sample) else ("utf-8", 0.8)
    return "utf-8", 1.0


def _mostly_utf8(sample: bytes) -> bool:
    """Whether sequences of UTF-8 outnumber the bytes that are none ten to one."""
    text = sample.decode(errors="surrogateescape")
    bad = sum("\udc80" <= char <= "\udcff" for char in text)
    return sum(char > "\x7f" for char in text) - bad >= 10 * bad


def _wide(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: delimiters and line ends have NULs at the same side of each."""
    units = len(sample) % 4 == 0, len(sample) % 2 == 0
    sample = sample[: min(len(sample), _ENOUGH) & ~3]
    zeros = [sample[offset::4].count(0) * 4 / (len(sample) or 1) for offset in range(4)]
    if units[0] and min(zeros[:2]) > 0.9 and zeros[3] < 0.1:
        return "utf-32-be"
    if units[0] and min(zeros[2:]) > 0.9 and zeros[0] < 0.1:
        return "utf-32-le"
    even, odd = (zeros[0] + zeros[2]) / 2, (zeros[1] + zeros[3]) / 2
    enough = 0.2 if len(sample) > 64 else 0.6
    if units[1] and odd > enough and even < 0.1 * odd:
        return "utf-16-le"
    if units[1] and even > enough and odd < 0.1 * even:
        return "utf-16-be"
    return None


def _code_page(sample: bytes) -> tuple[str, float]:
    """The code page that makes the most of the lines that are not ASCII."""
    telling = b"\n".join(line for line in sample.splitlines() if not line.isascii())[:_ENOUGH]
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        best = None
    else:
        matches = from_bytes(telling)
        best = matches.best()
        # Of code pages that explain the text equally well, the one that most files are in.
        for one in matches:
            equal = best is not None and one.chaos <= best.chaos + 0.02
            if equal and (one.encoding == "cp1252" or "cp1252" in one.could_be_from_charset):
                return "cp1252", max(0.3, min(0.9, 0.8 - one.chaos))
    if best is not None:
        return best.encoding.replace("_", "-"), max(0.3, min(0.9, 0.8 - best.chaos))
    try:
        telling.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1", 0.2
    return "cp1252", 0.4
