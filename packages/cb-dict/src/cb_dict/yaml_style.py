"""How new YAML is written."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from cb_dict.yaml_nodes import plain

__all__ = ["block", "inline"]

# Text that means itself without quotes, in flow and in block, by YAML 1.2 and by 1.1.
_SAFE: Final = re.compile(r"[A-Za-z_/.](?:[\w ./@+=()*$%^~;-]|:(?=[\w/]))*(?<! )", re.ASCII)
_OLD: Final = re.compile(r"(?i)y|n|yes|no|on|off|[-+]?\.?[0-9][0-9_:.,xeE+-]*|\.(inf|nan)|=|<<")


def inline(value: Any, quote: str | None = None) -> str:
    """*value* on one line; *quote* is the style of quotes that text had before.

    >>> inline({"a": [1, "two", "no"], "b": None}), inline("it is", "'")
    ("{a: [1, two, 'no'], b: null}", "'it is'")
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{inline(key)}: {inline(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(inline, value)) + "]"
    if not isinstance(value, str):
        return _number(value)
    if not quote and _SAFE.fullmatch(value) and not _OLD.fullmatch(value) and isinstance(plain(value), str):
        return value
    if quote != '"' and value.isprintable() and value.isascii():
        return "'" + value.replace("'", "''") + "'"
    text = json.dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def block(value: Any, indent: str) -> list[str]:
    """*value* over several lines, the first one without its *indent*."""
    lines: list[str] = []
    if isinstance(value, dict):
        for key, one in value.items():
            if isinstance(one, (dict, list)) and one:
                head, *rest = block(one, indent + "  ")
                lines += [f"{indent}{inline(key)}:", f"{indent}  {head}", *rest]
            else:
                lines.append(f"{indent}{inline(key)}: {inline(one)}")
    else:
        for one in value:
            head, *rest = block(one, indent + "  ") if isinstance(one, (dict, list)) and one else [inline(one)]
            lines += [f"{indent}- {head}", *rest]
    return [lines[0].removeprefix(indent), *lines[1:]]


def _number(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return str(value)
