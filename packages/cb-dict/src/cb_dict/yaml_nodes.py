"""YAML as nodes that know where they stand, and their values by the core schema of YAML 1.2.

libyaml composes, through PyYAML. What it says of scalars by YAML 1.1 (``no`` is false, ``010`` is 8, dates) is not
asked.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import re
from collections.abc import Iterator
from typing import Any, Final

from cb_dict.errors import LimitError, MissingExtra, ParseError

yaml: Any
try:
    yaml = importlib.import_module("yaml")
except ImportError:  # only who composes needs it
    yaml = None

__all__ = ["compose", "plain", "scalar", "uncollected", "value_of", "yaml"]

_INT: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_LEVELS: Final = 1000
_DIGITS: Final = 4300  # of an integer: Python's own limit, and what other readers can be expected to take
_VALUES: Final = 10_000_000  # so many may become of aliases
_TAG: Final = "tag:yaml.org,2002:"
_IMPLICIT: Final = "?"


@functools.cache
def _loader() -> Any:
    """Libyaml's composer, that leaves tags open."""
    if yaml is None:
        raise MissingExtra("YAML needs PyYAML: pip install 'cb-dict[yaml]'")

    def descend(self: Any, parent: Any, _: Any) -> None:
        self.depth += 1
        if self.depth > _LEVELS:  # the composer calls itself, and would run out of stack
            line = parent.start_mark.line + 1
            raise LimitError(f"line {line}: the document is nested more than {_LEVELS} deep")

    def ascend(self: Any) -> None:
        self.depth -= 1

    methods = {"depth": 0, "resolve": lambda *_: _IMPLICIT, "descend_resolver": descend, "ascend_resolver": ascend}
    return type("Loader", (yaml.cyaml.CParser,), methods)


def compose(text: str) -> list[Any]:
    """The root nodes of all documents in *text*. Raises ``ParseError`` with the place."""
    nodes = []
    kind = _loader()
    try:
        loader = kind(text)
        with uncollected():
            while loader.check_node():
                nodes.append(loader.get_node())
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        if "maximum nesting depth" in str(error.problem):  # from 0.2.6 on libyaml counts brackets before the composer
            raise LimitError(f"line {mark.line + 1}: the document is nested more than {_LEVELS} deep") from error
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise ParseError(f"{what} (is this YAML?)", line=mark.line + 1, column=mark.column + 1) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position].split("\n")
        what = f"{error.reason}: {text[error.position]!r} (is this YAML?)"
        raise ParseError(what, line=len(before), column=len(before[-1]) + 1) from error
    if "*" in text:
        sizes: dict[int, int] = {}
        try:
            for node in nodes:
                _count(node, sizes)
        except RecursionError as error:
            raise LimitError("the document is nested too deep to follow") from error
    return nodes


def _count(node: Any, sizes: dict[int, int]) -> int:
    """How many values become of a node, with its aliases; few lines can mean more than any memory holds."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if (known := sizes.get(id(node), -1)) == 0:
        raise wrong(node, "an anchor whose value contains itself")
    if known < 0:
        sizes[id(node)] = 0
        below = (one for member in node.value for one in (member if isinstance(member, tuple) else (member,)))
        known = sizes[id(node)] = 1 + sum(_count(one, sizes) for one in below)
        if known > _VALUES:
            raise LimitError(f"line {node.start_mark.line + 1}: aliases make more than {_VALUES:,} values of this")
    return known


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector: it would look at all nodes again and again, three times the parsing."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def value_of(node: Any) -> Any:
    """The Python value of a node; merge keys (``<<``) are followed."""
    if isinstance(node, yaml.ScalarNode):
        return scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [value_of(one) for one in node.value]
    made: dict[Any, Any] = {}
    merged: list[Any] = []
    for key, value in node.value:
        if is_merge(key):
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            continue
        name = value_of(key)
        if isinstance(name, (dict, list)):
            raise wrong(key, "a key that is a list or a mapping (give it a text key)")
        if name in made:
            raise wrong(key, f"the key {name!r} is there twice (remove one)")
        made[name] = value_of(value)
    for one in merged:
        if not isinstance(one, yaml.MappingNode):
            raise wrong(one, "<< merges in a mapping, or a list of them, and this is none")
        for name, value in value_of(one).items():
            made.setdefault(name, value)
    return made


def is_merge(key: Any) -> bool:
    """Whether a key is the merge key, ``<<``."""
    return bool(key.value == "<<" and key.tag == _IMPLICIT and not key.style)


def scalar(node: Any) -> Any:
    """What a scalar means; of an unknown tag, the text."""
    try:
        if node.tag == _IMPLICIT and not node.style:
            return plain(node.value)
        if node.tag in (_TAG + "int", _TAG + "float", _TAG + "bool", _TAG + "null"):
            found = plain(node.value)
            return float(found) if node.tag.endswith("float") and isinstance(found, int) else found
    except (ValueError, OverflowError) as error:
        raise wrong(node, "a number that is too long for Python (put it in quotes)") from error
    return node.value


def plain(text: str) -> Any:
    """What a text without quotes means.

    >>> plain("no"), plain("010"), plain("1e3"), plain("~"), plain("0x1f"), plain("2020-01-01")
    ('no', 10, 1000.0, None, 31, '2020-01-01')
    """
    if text in _SPECIAL:
        return _SPECIAL[text]
    if _INT.fullmatch(text):
        base = 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10
        if len(text) > _DIGITS:
            raise ValueError(text)
        return int(text, base)
    return float(text) if _FLOAT.fullmatch(text) else text


def wrong(node: Any, what: str) -> ParseError:
    """An error at a node."""
    return ParseError(what, line=node.start_mark.line + 1, column=node.start_mark.column + 1)


def child_of(node: Any, step: Any) -> Any:
    """Key node (or ``None``) and value node one step down, or ``None``."""
    from cb_dict.path import index_of

    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not is_merge(key) and (name := value_of(key)) == step and type(name) is type(step):
                return key, value
    elif isinstance(node, yaml.SequenceNode):
        index = index_of(step)
        if index is not None and -len(node.value) <= index < len(node.value):
            return None, node.value[index]
    return None
