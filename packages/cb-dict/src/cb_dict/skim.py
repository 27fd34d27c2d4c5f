"""Finding one path in JSON of any size: each level is skimmed for one key, and nothing else becomes an object.

The cost is one pass over the document, then over what was found, and so on inwards: memory does not grow with the
document, except where an index is looked up, which takes some 80 bytes an element of that list.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Final

import msgspec

from cb_dict.path import EVERY, Path, PathLike, index_of, path
from cb_dict.raw import Bytes, Raw, decode_with, first, opened
from cb_dict.reading import MISSING, Missing, missing

__all__ = ["find", "offset", "whole"]

_STRANGE: Final = re.compile(r'["\\\x00-\x1f]')  # in a key: msgspec takes no such field names
_WHOLE: Final = msgspec.json.Decoder(Raw)


def whole(text: Bytes) -> Raw:
    """The document without the white space around it, checked to be JSON."""
    found: Raw = decode_with(_WHOLE, text)
    return found


@functools.lru_cache(maxsize=512)
def _for_key(key: str) -> Any:
    kind = msgspec.defstruct("Level", [("value", Raw, Raw(b""))], rename={"value": key})
    return msgspec.json.Decoder(kind)


def below(text: Bytes, step: Any) -> Raw | Missing:
    """What is one step down; of a key that is there twice, the last, as every JSON reader has it."""
    start = first(text)
    if start == b"{" and isinstance(step, str):
        if _STRANGE.search(step):
            one: Raw | Missing = opened(text).get(step, MISSING)
            return one
        found: Raw = decode_with(_for_key(step), text).value
        return found if memoryview(found) else MISSING
    if start == b"[" and (index := index_of(step)) is not None:
        every = opened(text)
        if -len(every) <= index < len(every):
            return every[index]  # type: ignore[no-any-return]
    return MISSING


def find(text: Bytes, where: PathLike) -> Raw:
    """The piece of *text* at a path, a view into it that is not copied. ``PathError`` where nothing is.

    >>> bytes(find(b'{"a": [1, {"b": 2.50}]}', "a[-1].b"))
    b'2.50'
    """
    steps = path(where)
    found: Any = text if steps else whole(text)
    for at, step in enumerate(steps):
        one = below(found, step)
        if isinstance(one, Missing):
            raise missing(opened(found), Path(steps[at:]), before=Path(steps[:at]))
        found = one
    return found  # type: ignore[no-any-return]


def find_every(text: Any, steps: Path, default: tuple[Raw, ...] = ()) -> list[Raw]:
    """All pieces that a path with ``[*]`` matches; *default* stands for elements that lack the rest."""
    for at, step in enumerate(steps):
        if step is EVERY:
            level, rest = opened(text), Path(steps[at + 1 :])
            if not isinstance(level, (dict, list)):
                return [*default]
            members = level.values() if isinstance(level, dict) else level
            return [one for member in members for one in find_every(member, rest, default)]
        one = below(text, step)
        if isinstance(one, Missing):
            return [*default]
        text = one
    return [text]


def offset(part: Bytes, text: Bytes) -> int:
    """Where in the bytes of *text* its view *part* starts."""
    at, view = _address(part) - _address(text), memoryview(part)
    there = memoryview(text)[at : at + len(view)] if at >= 0 else view[:0]
    if len(there) != len(view) or there[:64] != view[:64]:  # pragma: no cover  # CPython has no other way
        raise RuntimeError("msgspec.Raw is no view of the document any more: this version of msgspec is not supported")
    return at


@functools.cache
def _buffer() -> Any:
    """The start of a Py_buffer, and room for the rest of it."""
    import ctypes

    return type("Buffer", (ctypes.Structure,), {"_fields_": (("buf", ctypes.c_void_p), ("rest", ctypes.c_byte * 128))})


def _address(buffer: Bytes) -> int:
    import ctypes

    view = _buffer()()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(buffer), ctypes.byref(view), 0)
    try:
        return view.buf or 0
    finally:
        ctypes.pythonapi.PyBuffer_Release(ctypes.byref(view))
