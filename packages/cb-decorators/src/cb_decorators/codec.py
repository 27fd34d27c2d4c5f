"""How results become bytes in a shared store.

JSON and MessagePack refuse what would come back as something else (a tuple as a list, an enumeration as a number): a
caller must get the same from the store as from the function.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cb_decorators.errors import DecoratorError, StoreError

__all__ = ["Codec", "codec_of"]

_JSON: frozenset[type] = frozenset({str, int, float, bool, type(None)})


@dataclass(frozen=True, slots=True)
class Codec:
    """``dumps`` and ``loads``; ``dumps`` raises :class:`StoreError` for what cannot be kept."""

    name: str
    dumps: Callable[[Any], bytes]
    loads: Callable[[bytes], Any]


def codec_of(name: str) -> Codec:
    """Return the codec called ``json``, ``msgpack`` (needs ``cb-decorators[msgpack]``) or ``pickle``.

    Loading a pickle runs whatever code is in it: choose it only where nobody else can write to the store.

    Raises:
        DecoratorError: There is no such codec, or msgpack is not installed.

    >>> codec_of("json").dumps({"a": [1, None]})
    b'{"a":[1,null]}'
    >>> codec_of("json").dumps((1, 2))
    Traceback (most recent call last):
        ...
    cb_decorators.errors.StoreError: json cannot keep a tuple as it is (return plain data, or choose codec="pickle")
    """
    if name == "json":
        return Codec(name, _dump_json, json.loads)
    if name == "pickle":
        return Codec(name, _dump_pickle, pickle.loads)
    if name == "msgpack":
        try:
            import msgpack  # type: ignore[import-untyped,unused-ignore]
        except ImportError as error:
            raise DecoratorError("codec msgpack: not installed (pip install 'cb-decorators[msgpack]')") from error

        def dump(value: Any) -> bytes:
            _refuse(value, _JSON | {bytes}, name)
            return bytes(msgpack.packb(value))

        return Codec(name, dump, msgpack.unpackb)
    raise DecoratorError(f"no codec {name!r} (there are json, msgpack, pickle)")


def _dump_json(value: Any) -> bytes:
    _refuse(value, _JSON, "json")
    return json.dumps(value, separators=(",", ":")).encode()


def _dump_pickle(value: Any) -> bytes:
    try:
        return pickle.dumps(value, protocol=5)
    except Exception as error:  # whatever a class's own pickling raises
        raise StoreError(f"pickle cannot keep a {type(value).__qualname__}: {error}") from error


def _refuse(value: object, plain: frozenset[type], codec: str) -> None:
    """Raise for a value, however deep inside, whose very type would not come back."""
    ahead = [value]
    while ahead:
        one = ahead.pop()
        if type(one) is list:
            ahead += one
        elif type(one) is dict and all(type(key) is str for key in one):
            ahead += one.values()
        elif type(one) not in plain:
            what = f"a {type(one).__qualname__}" if type(one) is not dict else "a dict with keys that are not strings"
            raise StoreError(f'{codec} cannot keep {what} as it is (return plain data, or choose codec="pickle")')
