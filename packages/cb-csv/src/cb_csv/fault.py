"""A fault: what is wrong, where exactly, and what RFC 4180 says about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["CODES", "COSMETIC", "Fault"]

CODES: dict[str, tuple[str, str]] = {
    "stray-quote": (
        "2.5",
        "a quote within a field that does not start with one (quote the field, double the quote)",
    ),
    "text-after-quote": ("2.7", "text after the closing quote (double the quotes that belong to the text)"),
    "unterminated-quote": ("2.6", "a quote opens the field and nothing closes it (remove it, or close it)"),
    "missing-fields": ("2.4", "fewer fields than the header (add the missing delimiters)"),
    "extra-fields": ("2.4", "more fields than the header (quote the field that holds the delimiter)"),
    "blank-line": ("2.4", "a line without fields (remove it)"),
    "unquoted-newline": ("2.6", "a line break within a field without quotes (quote the field)"),
    "bare-lf": ("2.1", "a line that ends with LF, unlike the file's others (end it as they do)"),
    "bare-cr": ("2.1", "a line that ends with another CR than the file's others (end it as they do)"),
    "bad-encoding": ("3", "bytes that are not text in this encoding (name the right one with --encoding)"),
    "nul": ("2.7", "a NUL character (remove it; UTF-16 read as something else has many)"),
    "control-character": ("2.7", "a control character (remove it)"),
    "no-final-newline": ("2.2", "the last line has no line break: allowed, but what is appended sticks to it (add it)"),
}
"""Every code, with the section of RFC 4180 (of RFC 7111 for the encoding) and what it says to people."""

COSMETIC: frozenset[str] = frozenset(
    {"blank-line", "bare-lf", "bare-cr", "nul", "control-character", "no-final-newline"}
)
"""The codes of faults that leave no doubt about rows and cells."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. Numbers start at 1, `byte` at 0; the header is record 1."""

    code: str
    """One of `CODES`."""
    record: int
    """Counted in records: one with a line break in quotes is one."""
    line: int
    """Counted in lines, as editors do."""
    field: int
    column: int
    """Counted in characters from the start of the line."""
    byte: int
    """Counted in bytes of the file as it lies there, from its start (after decompression)."""
    detail: str = ""
    """What was seen, where that says more than the code."""

    @property
    def rfc(self) -> str:
        """The section of RFC 4180 that says how it should be."""
        return CODES[self.code][0]

    @property
    def message(self) -> str:
        """The fault in words, with what to do in brackets."""
        what = CODES[self.code][1]
        if self.detail.endswith(")"):  # has its own advice
            return self.detail
        return f"{self.detail}: {what}" if self.detail else what

    def as_dict(self) -> dict[str, str | int]:
        """Everything, as for JSON."""
        return {**asdict(self), "rfc": self.rfc, "message": self.message}

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.code} in record {self.record}, field {self.field}: {self.message}"
