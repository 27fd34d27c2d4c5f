"""A file, stream or pipe in any encoding, compressed or not, read as UTF-8."""

# pathlib takes longer to import than a small file to convert.
# ruff: noqa: PTH112, PTH122, PTH123

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any, BinaryIO, Self, cast

from cb_csv.encoding import is_utf8, without_bom
from cb_csv.errors import CsvError

__all__ = ["SAMPLE", "Readable", "Source", "compressor"]

Readable = str | os.PathLike[str] | IO[bytes] | IO[str]
"""What can be read: a path, ``-`` for stdin, a binary or a text stream."""

SAMPLE: int = 65536
"""Bytes that detection looks at."""


def compressor(name: str) -> Callable[[Any, str], BinaryIO] | None:
    """What opens a file by the suffix of its name: .gz, .bz2, .xz, .zst; None for other names.

    Raises:
        CsvError: ``.zst`` before Python 3.14 needs ``pip install 'cb-csv[zstd]'``.
    """
    suffix = os.path.splitext(name)[1].lower()
    if suffix == ".gz":
        import gzip

        return cast("Callable[[Any, str], BinaryIO]", gzip.open)
    if suffix == ".bz2":
        import bz2

        return cast("Callable[[Any, str], BinaryIO]", bz2.open)
    if suffix in (".xz", ".lzma"):
        import lzma

        return cast("Callable[[Any, str], BinaryIO]", lzma.open)
    if suffix in (".zst", ".zstd"):
        return _zstd(name)
    return None


def _zstd(name: str) -> Callable[[Any, str], BinaryIO]:
    try:
        if sys.version_info >= (3, 14):  # pragma: no cover - where the tests run on it
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise CsvError(f"{name}: no zstd in this Python (pip install 'cb-csv[zstd]')") from error
    return cast("Callable[[Any, str], BinaryIO]", zstd.open)


_HALF = "\udcff"  # a byte of what is no whole unit of UTF-16 or UTF-32


class Source:
    """A context manager that reads UTF-8 from whatever *readable* is, and closes only what it opened.

    Attributes:
        name: The path, for messages; ``-`` for a stream without a name.
        encoding: Of the bytes as they lie there; set by `decode_as`.
        start: Length of the byte order mark.
    """

    def __init__(self, readable: Readable) -> None:
        self.name: str = "-"
        self.encoding: str = "utf-8"
        self.start: int = 0
        self.path: str | None = None
        self.plain: bool = False
        """Whether the file's bytes are UTF-8 as they lie there: others may read parts of it."""
        self._ended = False
        self._left: int | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        self._text: IO[str] | None = None
        self._stack = contextlib.ExitStack()
        self._peeked = b""
        if isinstance(readable, (str, os.PathLike)):
            self.name = os.fspath(readable)
            self._raw = self._opened(self.name)
        elif isinstance(readable, io.TextIOBase):
            self._text, self._raw = readable, io.BytesIO()
        else:
            self._raw = cast("BinaryIO", readable)
        # Of a pipe what there is, instead of waiting for all that was asked for.
        self._some: Callable[[int], bytes | None] = getattr(self._raw, "read1", self._raw.read)
        name = getattr(readable, "name", None)
        if not isinstance(readable, (str, os.PathLike)) and isinstance(name, str):
            self.name = name

    def _opened(self, name: str) -> BinaryIO:
        if name == "-":
            return sys.stdin.buffer
        if open_compressed := compressor(name):
            return self._stack.enter_context(open_compressed(name, "rb"))
        if not os.path.isdir(name):
            self.path = name
        return self._stack.enter_context(open(name, "rb", buffering=0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def size(self) -> int:
        """Bytes of a plain file."""
        assert self.path is not None
        return os.stat(self.path).st_size

    def peek(self, size: int = SAMPLE) -> bytes:
        """The first bytes, undecoded; `read` will give them again."""
        while len(self._peeked) < size and not self._ended:
            self._peeked += self._take(size - len(self._peeked))
        return self._peeked

    @property
    def all_peeked(self) -> bool:
        """Whether nothing follows what `peek` gave."""
        return self._ended

    def jump(self, byte: int, stop: int | None = None) -> None:
        """Go to another place of a plain file, and read no further than up to *stop*."""
        self._raw.seek(byte)
        self._peeked, self._ended = b"", False
        self._left = None if stop is None else stop - byte

    def before(self, byte: int, size: int) -> bytes:
        """The last *size* bytes before a place of a plain file."""
        start = max(self.start, byte - size)
        return os.pread(self._raw.fileno(), byte - start, start)

    def reopen(self) -> None:
        """Read a plain file through a descriptor of one's own, after a fork."""
        assert self.path is not None
        self._raw = open(self.path, "rb", buffering=0)  # noqa: SIM115 - the process ends soon
        self._some = self._raw.read

    def decode_as(self, encoding: str) -> None:
        """Say which encoding the bytes are in. A byte order mark of that encoding is passed over."""
        utf8 = is_utf8(encoding)
        named, length = without_bom(self.peek(4))
        wanted = codecs.lookup(encoding).name.removesuffix("-sig")
        if named and (named == wanted or named.startswith(wanted)):  # utf-16 is either of two
            encoding, self.start = named, length
            self._peeked = self._peeked[length:]
        elif wanted in ("utf-16", "utf-32"):
            encoding = f"{wanted}-le" if sys.byteorder == "little" else f"{wanted}-be"
        self.encoding = "utf-8" if utf8 else encoding
        if not utf8:
            errors = "surrogatepass" if wanted.startswith("utf-") else "surrogateescape"
            self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self.plain = utf8 and self.path is not None

    def read(self, size: int) -> bytes:
        """About *size* bytes of UTF-8, at least one before the end. Undecodable bytes stay undecodable."""
        while True:
            data, self._peeked = (self._peeked, b"") if self._peeked else (self._take(size), b"")
            if self._decoder is None:
                return data
            text = self._decode(data)
            if text or not data:
                return text.encode("utf-8", "surrogatepass")

    def _decode(self, data: bytes) -> str:
        assert self._decoder is not None
        try:
            return self._decoder.decode(data, not data)
        except UnicodeDecodeError as error:
            # Half a code unit at the end, or a number that is no character: shown as undecodable.
            self._decoder.reset()
            good = self._decoder.decode(error.object[: error.start])
            bad = error.object[error.start : error.end]
            rest = error.object[error.end :]
            return good + _HALF * len(bad) + (self._decode(rest) if rest else "")

    def text_of(self, data: bytes, *, whole: bool = True) -> str:
        """What `read` gave, as text, undecodable bytes as lone surrogates; not *whole*: without half a character."""
        return codecs.utf_8_decode(data, "surrogatepass" if self._decoder else "surrogateescape", whole)[0]

    def bytes_of(self, text: str) -> bytes:
        """The opposite of `text_of`."""
        return text.encode("utf-8", "surrogatepass" if self._decoder else "surrogateescape")

    def width_of(self, data: bytes) -> int:
        """How many bytes of the source became these bytes of UTF-8. O(n) where the source is in another encoding."""
        if self._decoder is None:
            return len(data)
        text = data.decode("utf-8", "surrogatepass")
        if not self.encoding.startswith("utf-"):
            return len(text.encode(self.encoding, "surrogateescape"))
        odd_bytes = text.count(_HALF) * (3 if "32" in self.encoding else 1)
        return len(text.encode(self.encoding, "surrogatepass")) - odd_bytes

    def _take(self, size: int) -> bytes:
        if self._left is not None:
            size = min(size, self._left)
        if self._text is not None:
            data = self._text.read(size).encode("utf-8", "surrogatepass")
        else:
            try:
                data = self._some(size) or b""
            except Exception as error:
                if self.path is not None or not compressor(self.name):
                    raise
                raise CsvError(f"{self.name}: cannot be decompressed: {error} (get the whole file again)") from error
        if self._left is not None:
            self._left -= len(data)
        self._ended = self._ended or not data
        return data
