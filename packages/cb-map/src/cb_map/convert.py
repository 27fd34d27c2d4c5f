"""From the bytes of one record to those of another: what is done to every item of a file.

Each converter has a quick way for a whole batch, which gives up at the first trouble, and a careful one for one item,
which says what is wrong. They give the same bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any, Protocol

import msgspec
from msgspec import Raw

from cb_map import codec, paths
from cb_map.codec import Malformed, bad_utf8, explained
from cb_map.errors import UsageProblem
from cb_map.reading import Batch
from cb_map.transforms import Transform, omit, pick


class Converter(Protocol):
    """What the stream needs."""

    repeatable: bool
    """Whether an item may be converted twice: in the quick way, and then in the careful one."""

    def many(self, batch: Batch) -> list[bytes] | bytes:
        """Convert a batch, to items or to the lines of them all; raises anything where something is wrong."""

    def one(self, item: bytes) -> bytes | None:
        """Convert an item, None to leave it out; raises Malformed, or what a transform raised."""


class WritingConverter(Converter, Protocol):
    """What a stream that is written needs."""

    def names(self, header: Sequence[str]) -> Sequence[str]:
        """The columns that rows of these columns would become: for a file of which no row is left."""


class Steps:
    """Decode, transform, encode."""

    repeatable: bool = True

    def __init__(self, decode: codec.Decode, transform: Transform, encode: codec.Encode) -> None:
        self._decode = decode
        self._transform = transform
        self._encode = encode

    def many(self, batch: Batch) -> list[bytes] | bytes:
        transform, encode = self._transform, self._encode
        return [encode(made) for record in map(self._decode, batch.items) if (made := transform(record)) is not None]

    def one(self, item: bytes) -> bytes | None:
        made = self._transform(careful(self._decode, item))
        return None if made is None else self._encode(made)

    def names(self, header: Sequence[str]) -> Sequence[str]:
        try:
            made = self._transform(dict.fromkeys(header, ""))
        except Exception:  # noqa: BLE001  # it takes no row of nothing
            return header
        return list(made) if isinstance(made, dict) else header


class Omit(Steps):
    """`omit` of fields at the top, JSON to JSON Lines: the fields are taken out of what was just decoded."""

    def __init__(self, transform: omit, names: Sequence[str]) -> None:
        super().__init__(codec.decode_object, transform, codec.encode_json)
        self._names = names
        self._alike: Alike | None = None
        self._tries = 4
        """Blocks that may turn out not to be alike before it is given up."""

    def many(self, batch: Batch) -> bytes:
        if batch.block is not None and self._tries:
            self._alike = self._alike or Alike.of(batch.items[0], self._names)
            made = self._alike.without(batch.block) if self._alike else None
            if made is not None:
                return made
            self._tries -= 1
        records = list(map(codec.decode_object, batch.items))
        for name in self._names:
            for record in records:
                if name in record:
                    del record[name]
        return codec.encode_lines(records)


class Alike:
    """Lines that are like the first: the same fields in the same order, some may be absent, no space between them.

    Objects of a fixed shape are made in half the time of dicts. That the lines are alike is seen by writing what was
    read: only where that gives the same bytes, every line is one record, and written without the names it is right.
    """

    def __init__(self, fields: Sequence[str], names: Sequence[str]) -> None:
        attributes = {name: f"field{number}" for number, name in enumerate(fields)}
        shape = msgspec.defstruct(
            "Alike",
            [(attribute, Raw | msgspec.UnsetType, msgspec.UNSET) for attribute in attributes.values()],
            rename={attribute: name for name, attribute in attributes.items()},
            forbid_unknown_fields=True,
            gc=False,
        )
        self._decode = msgspec.json.Decoder(shape).decode_lines
        self._left_out = [attributes[name] for name in names if name in attributes]

    @classmethod
    def of(cls, line: bytes, names: Sequence[str]) -> Alike | None:
        """The shape of a line, None where lines like it cannot be alike."""
        record = codec.decode_object(line)
        return cls(list(record), names) if plain_names(record) and codec.encode_json(record) == line else None

    def without(self, block: bytes) -> bytes | None:
        """The lines without the names; None where they are not alike."""
        try:
            records: list[Any] = self._decode(block)
        except msgspec.DecodeError:
            return None
        if codec.encode_lines(records) != block + b"\n":
            return None
        for attribute in self._left_out:
            deque(map(setattr, records, repeat(attribute), repeat(msgspec.UNSET)), maxlen=0)  # a loop in C
        return codec.encode_lines(records)


class Pick(Steps):
    """`pick` of fields at the top, JSON to JSON Lines: other fields are never made into objects."""

    def __init__(self, transform: pick, names: Sequence[str]) -> None:
        super().__init__(codec.decode_object, transform, codec.encode_json)
        absent: dict[str, Any] = {"null": Raw(b"null"), "skip": msgspec.UNSET}
        kind: Any = Raw | msgspec.UnsetType if transform.missing == "skip" else Raw
        default = () if transform.missing == "raise" else (absent[transform.missing],)
        fields = [(f"field{number}", kind, *default) for number, _ in enumerate(names)]
        renamed = {f"field{number}": name for number, name in enumerate(names)}
        shape = msgspec.defstruct("Picked", fields, rename=renamed, gc=False)
        self._decoder = msgspec.json.Decoder(shape)

    def many(self, batch: Batch) -> bytes:
        return codec.encode_lines(list(map(self._decoder.decode, batch.items)))


def careful(decode: codec.Decode, item: bytes) -> Any:
    """Decode, with an explanation where that fails."""
    if (trouble := bad_utf8(item)) is not None:
        raise trouble
    try:
        return decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError, Malformed) as error:
        raise explained(item, error) from None
    except RecursionError:
        raise Malformed("nested too deeply") from None


def converter(transform: Transform, decode: codec.Decode, encode: codec.Encode, *, lines: bool) -> WritingConverter:
    """The quickest converter that there is for a transform; *lines* where the output is JSON Lines."""
    if lines and decode is codec.decode_object and isinstance(transform, pick | omit):
        parts = [paths.parse(path) for path in transform.paths]
        names = list(dict.fromkeys(paths.unescape(path[0]) for path in parts))
        if all(len(path) == 1 and not paths.is_glob(path[0]) for path in parts) and names:
            if isinstance(transform, omit) and not transform.demanding:
                return Omit(transform, names)
            if isinstance(transform, pick) and plain_names(names):
                return Pick(transform, names)
    return Steps(decode, transform, encode)


def plain_names(names: Iterable[str]) -> bool:
    """Whether these can be fields of a msgspec shape, which takes no name that needs an escape."""
    return all(name.isprintable() and not {'"', "\\"} & {*name} for name in names)


# apply and zip ---------------------------------------------------------------------------------


class Function:
    """A function of the user's, from bytes to bytes: it can be sent to other processes, where JSON is read as well.

    Args:
        source: ``"MODULE:FUNCTION"``, or an expression of ``x``; None gives the record itself.
        expression: whether *source* is one.
        where: an expression; items for which it is not true are left out.
        decode: from bytes to the value; encode: back.
    """

    repeatable: bool = False  # the function may do something in the world

    def __init__(
        self,
        source: str | None,
        *,
        expression: bool,
        where: str | None = None,
        decode: codec.Decode = codec.decode_any,
        encode: codec.Encode = codec.encode_json,
    ) -> None:
        self._told = (source, expression, where, decode, encode)
        self._decode = decode
        self._encode = encode
        self._function = load(source, expression=expression) if source is not None else None
        self._where = load(where, expression=True) if where is not None else None

    def __reduce__(self) -> tuple[Any, ...]:
        return _function, self._told

    def one(self, item: bytes) -> bytes | None:
        return self(item)

    def many(self, batch: Batch) -> list[bytes]:
        return [made for item in batch.items if (made := self(item)) is not None]

    def names(self, header: Sequence[str]) -> Sequence[str]:
        return header  # what a function would do is not known; it is not called without a row

    def __call__(self, item: bytes) -> bytes | None:
        value = careful(self._decode, item)
        if self._where is not None and not self._where(value):
            return None
        if self._function is not None:
            value = self._function(value)
        elif self._decode is codec.decode_any and self._encode is codec.encode_json and b"\n" not in item:
            return item.strip()
        return self._encode(value)


def _function(source: str | None, expression: Any, where: str | None, decode: Any, encode: Any) -> Function:
    return Function(source, expression=expression, where=where, decode=decode, encode=encode)


def load(source: str, *, expression: bool, names: str = "x") -> Callable[..., Any]:
    """The function that is meant by ``"MODULE:FUNCTION"``, or by an expression of *names*; raises UsageProblem."""
    if expression:
        try:
            code = compile(source, "<expression>", "eval")
        except (SyntaxError, ValueError) as error:
            raise UsageProblem(f"{source!r} is no Python expression: {error} (of {', '.join(names)})") from None
        # The user's own Python, from the command line and never from data.
        # As globals, so that comprehensions and lambdas inside see the names as well.
        return lambda *values: eval(code, dict(zip(names, values, strict=True)))  # noqa: S307
    return _from_module(source)


def _from_module(source: str) -> Callable[..., Any]:
    import importlib
    import sys
    from pathlib import Path

    module, _, name = source.partition(":")
    if not module or not name:
        raise UsageProblem(f"{source!r} is not MODULE:FUNCTION (for an expression use -e)")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise UsageProblem(f"{source}: {error} (modules are looked for here and where Python looks)") from error
    if not callable(found):
        raise UsageProblem(f"{source} is {type(found).__name__}, no function")
    function: Callable[..., Any] = found
    return function
