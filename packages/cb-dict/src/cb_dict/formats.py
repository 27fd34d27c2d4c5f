"""The formats: which one a file is in, what reads it, and how a new document is written."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from cb_dict.errors import MissingExtra, TypeMismatch
from cb_dict.raw import Bytes, encoded

__all__ = ["FORMATS", "Format", "dumps", "engine_for", "format_of"]

Format: TypeAlias = Literal["json", "jsonl", "jsonc", "yaml", "toml"]
FORMATS: Final[tuple[Format, ...]] = ("json", "jsonl", "jsonc", "yaml", "toml")
_SUFFIXES: Final[dict[str, Format]] = {
    ".json": "json",
    ".geojson": "json",
    ".ipynb": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jsonc": "jsonc",
    ".code-workspace": "jsonc",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
}
_COMMENTED: Final = ("tsconfig", "jsconfig", "devcontainer")


def format_of(name: str) -> Format:
    """The format of a file, by its name; JSON where it says nothing.

    >>> format_of("app.yml"), format_of("tsconfig.json"), format_of("-")
    ('yaml', 'jsonc', 'json')
    """
    base = name.rpartition("/")[2]
    suffix = "." + base.rpartition(".")[2].lower()
    if base.startswith(_COMMENTED) and suffix == ".json":
        return "jsonc"
    return _SUFFIXES.get(suffix, "json")


def engine_for(form: Format, text: Bytes) -> Any:
    """What finds and changes places in a text of a format."""
    if form == "yaml":
        from cb_dict.yaml_text import YamlText

        return YamlText(text)
    if form == "toml":
        from cb_dict.toml_text import TomlText

        return TomlText(text)
    if form == "jsonl":
        from cb_dict.lines_text import LinesText

        return LinesText(text)
    from cb_dict.json_text import JsonText

    return JsonText(text, comments=form == "jsonc")


def dumps(value: Any, form: Format, *, indent: int = 2) -> bytes:
    """A new document in a format. *indent* is for JSON: 0 for one line, -1 without spaces.

    >>> dumps({"a": [1, "no"]}, "yaml"), dumps({"a": 1}, "json", indent=0)
    (b"a:\\n  - 1\\n  - 'no'\\n", b'{"a": 1}\\n')
    """
    if form == "yaml":
        from cb_dict.yaml_style import block, inline

        lines = block(value, "") if isinstance(value, (dict, list)) and value else [inline(value)]
        return ("\n".join(lines) + "\n").encode()
    if form == "toml":
        return _toml(value)
    try:
        if form == "jsonl":
            return b"".join(encoded(one) + b"\n" for one in (value if isinstance(value, list) else [value]))
        return msgspec.json.format(encoded(value), indent=indent) + b"\n"
    except (TypeError, UnicodeEncodeError) as error:
        raise TypeMismatch(f"JSON cannot hold this: {error}") from error


def _toml(value: Any) -> bytes:
    try:
        import tomlkit
        from tomlkit.exceptions import TOMLKitError
    except ImportError as error:
        raise MissingExtra("writing TOML needs tomlkit: pip install 'cb-dict[toml]'") from error
    if not isinstance(value, dict):
        raise TypeMismatch("a TOML document is an object (put it under a key)")
    try:
        return tomlkit.dumps(value).encode()
    except (TOMLKitError, ValueError, TypeError) as error:
        raise TypeMismatch(f"TOML cannot hold this: {error}") from error
