"""Records as bytes, and back: JSON, and the rows of CSV and TSV.

JSON objects are opened one level: a value stays the bytes that it was (`msgspec.Raw`), so that big integers, ``1e400``,
``1.10`` and escapes come out as they came in. It is checked all the same: numbers, strings, nesting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias

import msgspec
from msgspec import Raw

from cb_map.errors import MapError

Decode: TypeAlias = Callable[[bytes], Any]
Encode: TypeAlias = Callable[[Any], bytes]


class Malformed(MapError, ValueError):
    """Bytes that are no record; the column counts from 1."""

    def __init__(self, reason: str, column: int = 1) -> None:
        super().__init__(reason, column)
        self.reason: str = reason
        self.column: int = column


class Number(float):
    """A float that remembers how it was written, so that an unchanged one is written the same."""

    text: str

    def __new__(cls, text: str) -> Self:
        self = super().__new__(cls, text)
        self.text = text
        return self

    def __reduce__(self) -> tuple[type[Number], tuple[str]]:
        return Number, (self.text,)


def _written(value: object) -> object:
    if isinstance(value, Number):
        return Raw(value.text.encode())
    raise Malformed(f"{type(value).__name__} is no JSON value (return text, numbers, lists, dicts, True, False, None)")


_one_level = msgspec.json.Decoder(dict[str, Raw])
_array = msgspec.json.Decoder(list[Raw])
_value = msgspec.json.Decoder(float_hook=Number)
_encoder = msgspec.json.Encoder(enc_hook=_written)

decode_object: Callable[[bytes], dict[str, Raw]] = _one_level.decode
"""One level of an object: fast, and without an explanation of what is wrong."""


def decode_laid_out(item: bytes) -> dict[str, Raw]:
    """`decode_object` of one that may stand on several lines; its values are put on one."""
    if b"\n" in item or b"\r" in item:
        _one_level.decode(item)  # columns in an error are those of the file
        item = msgspec.json.format(item, indent=-1)
    return _one_level.decode(item)


def decode_any(item: bytes) -> Any:
    """Any JSON value, all of it; floats are `Number`."""
    return _value.decode(item)


def encode_lines(records: list[Any]) -> bytes:
    """JSON Lines."""
    return _encoder.encode_lines(records)


def encode_json(value: Any) -> bytes:
    """JSON without white space; refuses what JSON cannot say, NaN too."""
    try:
        return _encoder.encode(value)
    except (TypeError, OverflowError, RecursionError) as error:
        raise Malformed(f"cannot be written as JSON: {error}") from None


def split(raw: Raw) -> dict[str, Any] | list[Any] | None:
    """The parts of an object or array that is still in its bytes."""
    first = bytes(memoryview(raw)[:1])
    if first == b"{":
        return _one_level.decode(raw)
    return _array.decode(raw) if first == b"[" else None


def decode_value(raw: Raw) -> Any:
    """The value of what is still in its bytes."""
    return _value.decode(raw)


_WORDS = {"Input data was truncated": "it ends too early"}


def explained(item: bytes, error: Exception) -> Malformed:
    """What is wrong with an item that could not be decoded, and where."""
    if isinstance(error, Malformed):
        return error
    if isinstance(error, UnicodeDecodeError) or "Invalid UTF-8" in str(error):  # msgspec to 0.22, and from 0.23 on
        return bad_utf8(item) or Malformed(str(error))
    text, _, at = str(error).partition(" (byte ")
    reason = text.removeprefix("JSON is malformed: ")
    column = int(at[:-1]) + 1 if at else len(item.rstrip()) + 1 if text in _WORDS else 1
    if text in _WORDS or at:
        return Malformed(f"no JSON: {_WORDS.get(text, reason)} (mend it, or leave it out: --on-error)", column)
    return Malformed(_shape(text), column)


def _shape(text: str) -> str:
    return f"{text.partition(' - at ')[0].replace('`', '')} (each record must be an object)"


def bad_utf8(item: bytes) -> Malformed | None:
    """What is wrong with the item's UTF-8, if anything."""
    try:
        item.decode()
    except UnicodeDecodeError as error:
        return Malformed(f"byte 0x{item[error.start]:02x} is no UTF-8 (convert it: iconv -t utf-8)", error.start + 1)
    return None


# CSV and TSV -----------------------------------------------------------------------------------


class Rows:
    """Rows under a header, as records of strings; and records as rows."""

    def __init__(self, delimiter: str, header: Sequence[str] | None = None) -> None:
        self._delimiter = delimiter
        self.header: list[str] | None = list(header) if header is not None else None

    def cells(self, item: bytes) -> list[str]:
        """The cells of one row."""
        import csv  # JSON does not need it

        try:
            return next(csv.reader([item.decode().rstrip("\r\n")], delimiter=self._delimiter, strict=True), [])
        except csv.Error as error:
            raise Malformed(f'no row: {error} (quote it: "…", and write "" for a quote)') from None

    def decode(self, item: bytes) -> dict[str, Any]:
        """One row as a record."""
        assert self.header is not None
        cells = self.cells(item)
        if len(cells) != len(self.header):
            raise Malformed(f"{len(cells)} cells under a header of {len(self.header)} (a stray or missing delimiter?)")
        return dict(zip(self.header, cells, strict=True))

    def row(self, cells: Sequence[str]) -> bytes:
        """Cells as one row, without its line's end."""
        import csv
        import io

        text = io.StringIO()
        # A cell with either of these characters is quoted because they end lines.
        csv.writer(text, delimiter=self._delimiter, lineterminator="\r\n").writerow(cells)
        return text.getvalue()[:-2].encode()

    def encode(self, record: Any) -> bytes:
        """A record as a row; the first one makes the header. Raises Malformed for a field that the header lacks."""
        if not isinstance(record, dict):
            raise Malformed(f"a row is made of an object, not of {type(record).__name__} (use --out jsonl)")
        if self.header is None:
            self.header = list(record)
        if len(record) != len(self.header) or any(name not in record for name in self.header):
            extra = [name for name in record if name not in self.header]
            if extra:
                raise Malformed(f"field {extra[0]!r} is not in the header (pick the same fields of all records)")
        return self.row([_cell(record.get(name)) for name in self.header])


def _cell(value: Any) -> str:
    value = value if isinstance(value, str) else encode_json(value)
    if isinstance(value, str):
        return value
    if value[:1] == b'"':
        text: str = msgspec.json.decode(value)
        return text
    return "" if value == b"null" else value.decode()
