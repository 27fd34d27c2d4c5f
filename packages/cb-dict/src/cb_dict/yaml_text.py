"""YAML as text that is changed in place: where nodes stand is what libyaml says.

Whoever applies a change composes the result, and it has to be the document that was meant, else it is refused: an
anchor that would go with its value, an exotic layout. A stream of several documents is a list of them.
"""

from __future__ import annotations

import re
from typing import Any, Final

from cb_dict.errors import EditRefused, LimitError, ParseError, PathError, TypeMismatch
from cb_dict.path import Path, index_of
from cb_dict.raw import Bytes
from cb_dict.reading import kind, missing
from cb_dict.splice import Splice
from cb_dict.yaml_nodes import child_of, compose, uncollected, value_of, yaml
from cb_dict.yaml_style import block, inline

__all__ = ["YamlText"]

_REST_OF_LINE: Final = re.compile(r"[ \t]*(?:(?<=[ \t])#[^\n\r]*)?(?=\r?\n|\Z)")
_NOTHING: Final = re.compile(r"(?:\s+(?:#[^\n]*(?=\n))?)*")


class YamlText:
    """A YAML stream without a byte order mark. Methods answer with splices and change nothing."""

    def __init__(self, text: Bytes) -> None:
        raw = bytes(text)
        try:
            self.text: str = raw.decode()
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise ParseError("text that is not UTF-8 (convert it first)", line=line, column=1) from error
        nodes = compose(self.text)
        self.root: Any = nodes[0] if len(nodes) == 1 else None
        if self.root is None:  # several documents, or none
            self.root = yaml.SequenceNode("?", nodes) if nodes else yaml.ScalarNode("?", "")
        self.several: bool = len(nodes) > 1
        self._newline: str = "\r\n" if "\r\n" in self.text else "\n"

    def value(self, where: Path) -> Any:
        """The Python value at a path."""
        with uncollected():
            try:
                return value_of(self._node(where))
            except PathError:  # a merged key, or nothing
                from cb_dict.reading import get

                return get(value_of(self.root), where)
            except RecursionError as error:
                raise LimitError("the document is nested too deep to follow") from error

    def replace(self, where: Path, value: Any) -> list[Splice]:
        """Another value where one is; one that is merged in by ``<<`` gets a key of its own."""
        if where and child_of(self._own(Path(where[:-1])), where[-1]) is None:
            return self.insert(where, value)
        node = self._own(where)
        if not node.start_mark:  # no document at all
            end = len(self.text)
            line_end = self._newline if self.text[-1:] not in ("", "\n") else ""
            return [self._splice(end, end, line_end + self._lines(block(value, "")) + self._newline)]
        start, end = self._start(node), self._end(node)
        is_block = _is_block(node)
        if is_block and isinstance(value, (dict, list)) and value:
            column = node.start_mark.column
            above = self._own(Path(where[:-1])) if where else node
            if isinstance(value, dict) and isinstance(above, yaml.MappingNode) and above.start_mark.column == column:
                start, column = start - column, column + 2  # a list may stand below its key, a mapping may not
                new = " " * column + self._lines(block(value, " " * column))
            else:
                new = self._lines(block(value, " " * column))
        elif is_block:
            return self._to_inline(where, start, end, value)
        elif isinstance(node, yaml.ScalarNode):
            if node.style in ("|", ">") and isinstance(value, str):
                return [self._splice(start, end, self._literal(value, node, start))]
            new = inline(value, node.style)
            if not node.value and not node.style:  # nothing stands there
                start = end = self._after_sign(where)
                new = " " + new
        else:
            new = inline(value)
        return [self._splice(start, end, new)]

    def insert(self, where: Path, value: Any) -> list[Splice]:
        """A value under a new key, or before the element at an index, or with ``-`` after the last one."""
        parent, step = self._own(Path(where[:-1])), where[-1]
        if self.several and len(where) == 1:
            raise EditRefused("a whole document cannot be added to a stream (append it to the file)")
        members: list[Any] = parent.value
        if isinstance(parent, yaml.MappingNode) and isinstance(step, str):
            at, label = len(members), f"{inline(step)}:"
        elif isinstance(parent, yaml.SequenceNode):
            at, label = len(members) if step == "-" else index_of(step) or 0, "-"
        else:
            what = kind(value_of(parent))
            raise TypeMismatch(f"{Path(where[:-1]) or 'the document'} is {what} and cannot hold {step!r}")
        if not _is_block(parent):
            return self._into_flow(parent, at, label, value)
        column = parent.start_mark.column
        if at < len(members):
            start = self._dash(members[at])
            return [
                self._splice(start, start, self._entry(label, value, column).lstrip() + self._newline + " " * column)
            ]
        end = self._line_end(self._end(parent))
        return [self._splice(end, end, self._newline + self._entry(label, value, column))]

    def remove(self, where: Path) -> list[Splice]:
        """Take out a value with its key, and with its lines where they are its own."""
        if self.several and len(where) == 1:
            raise EditRefused("a whole document cannot be removed from a stream (split the file)")
        node, parent = self._own(where), self._own(Path(where[:-1]))
        members = parent.value
        if len(members) == 1:
            return self.replace(Path(where[:-1]), {} if isinstance(parent, yaml.MappingNode) else [])
        pairs = isinstance(parent, yaml.MappingNode)
        at = next(number for number, one in enumerate(members) if (one[1] if pairs else one) is node)

        def first_of(number: int) -> int:
            if pairs:
                return self._start(members[number][0])
            return self._dash(members[number]) if _is_block(parent) else self._start(members[number])

        start = first_of(at)
        if not _is_block(parent):
            if at + 1 < len(members):
                return [self._splice(start, first_of(at + 1), "")]
            before = members[at - 1]
            return [self._splice(self._end(before[1] if pairs else before), self._end(node), "")]
        begin = self.text.rfind("\n", 0, start) + 1
        if self.text[begin:start].strip():  # the first one, after the dash or sign of what is around it
            if at + 1 == len(members):
                raise EditRefused(f"{where}: this layout cannot be changed safely (do it by hand)")
            return [self._splice(start, first_of(at + 1), "")]
        end = self._line_end(max(self._end(node), self._after_sign(where)))
        if end < len(self.text):
            return [self._splice(begin, self.text.index("\n", end) + 1, "")]
        return [self._splice(max(0, begin - len(self._newline)), end, "")]

    # Where things stand

    def _node(self, where: Path) -> Any:
        node = self.root
        for at, step in enumerate(where):
            found = child_of(node, step)
            if found is None:
                raise missing(value_of(node), Path(where[at:]), before=Path(where[:at]))
            node = found[1]
        return node

    def _own(self, where: Path) -> Any:
        """The node at a path, which must stand there itself: no alias, no anchor, no tag."""
        node = self.root
        if not where and not node.start_mark:
            return node
        for at, step in enumerate((None, *where)):
            below = (None, node) if step is None else child_of(node, step)
            if below is None:  # it was found, but not here
                raise EditRefused(f"{Path(where[:at])} is merged in by << (change it where it stands)")
            inside = node.start_mark is None or below[1].start_mark.index >= node.start_mark.index
            if (at and below[0] is not None and below[1].start_mark.index < below[0].end_mark.index) or not inside:
                line = below[1].start_mark.line + 1
                raise EditRefused(f"{Path(where[:at])} is an alias of what stands in line {line} (change it there)")
            node = below[1]
        if self.text[node.start_mark.index : node.start_mark.index + 1] in ("&", "!"):
            line = node.start_mark.line + 1
            raise EditRefused(f"{where or 'the document'} has an anchor or a tag in line {line}, which would be lost")
        return node

    @staticmethod
    def _start(node: Any) -> int:
        return int(node.start_mark.index)

    def _end(self, node: Any) -> int:
        """Where a node really ends: libyaml lets blocks reach to what follows."""
        if _is_block(node):
            last = node.value[-1]
            return self._end(last[1]) if isinstance(last, tuple) else self._end(last)
        end = int(node.end_mark.index)
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            return len(self.text[:end].rstrip())
        return end

    def _line_end(self, at: int) -> int:
        """The end of the line, after a comment; something else there is no block layout that is known."""
        if found := _REST_OF_LINE.match(self.text, at):
            return found.end()
        line = self.text.count("\n", 0, at) + 1
        raise EditRefused(f"line {line} goes on after the value: this layout cannot be changed safely (do it by hand)")

    def _dash(self, item: Any) -> int:
        end = self._start(item)
        at = self.text.rfind("-", 0, end)
        while at >= 0 and not _NOTHING.fullmatch(self.text, at + 1, end):  # one in a comment
            at = self.text.rfind("-", 0, at)
        if at < 0:
            raise EditRefused(f"an alias of line {item.start_mark.line + 1} stands there (change it by hand)")
        return at

    def _after_sign(self, where: Path) -> int:
        """The place after the colon or dash of a value."""
        if not where or (self.several and len(where) == 1):
            return len(self.text[: self._start(self._node(where))].rstrip())  # libyaml has it at the next token
        key, node = child_of(self._node(Path(where[:-1])), where[-1])
        if key is None:
            return self._dash(node) + 1
        return self.text.index(":", self._end(key)) + 1

    # New text

    def _to_inline(self, where: Path, start: int, end: int, value: Any) -> list[Splice]:
        """A block becomes one line: it goes after the colon or dash, and the lines go."""
        if not where or (self.several and len(where) == 1):
            return [self._splice(start, end, inline(value))]
        sign = self._after_sign(where)
        begin = self.text.rfind("\n", 0, start)
        if begin < sign:  # - a: 1
            return [self._splice(start, end, inline(value))]
        line_end = begin - (self.text[begin - 1] == "\r")
        new = self._splice(sign, sign, " " + inline(value))
        return [new, self._splice(line_end, self._line_end(end), "")]

    def _entry(self, label: str, value: Any, column: int) -> str:
        indent = " " * column
        if not isinstance(value, (dict, list)) or not value:
            return f"{indent}{label} {inline(value)}"
        lines = block(value, indent + "  ")
        first = f"{indent}{label} {lines[0]}" if label == "-" else f"{indent}{label}{self._newline}{indent}  {lines[0]}"
        return self._lines([first, *lines[1:]])

    def _into_flow(self, parent: Any, at: int, label: str, value: Any) -> list[Splice]:
        new = inline(value) if label == "-" else f"{label} {inline(value)}"
        members = parent.value
        if not members:
            if not isinstance(parent, (yaml.MappingNode, yaml.SequenceNode)):  # pragma: no cover  # insert has looked
                raise TypeError(parent)
            return [self._splice(self._start(parent) + 1, self._end(parent) - 1, new)]
        if at < len(members):
            start = self._start(members[at])
            return [self._splice(start, start, new + ", ")]
        last = members[-1]
        end = self._end(last[1] if isinstance(last, tuple) else last)
        return [self._splice(end, end, ", " + new)]

    def _literal(self, value: str, node: Any, start: int) -> str:
        """Text as the block scalar that it was, where it can be one; else in quotes."""
        lines = value.split("\n")
        head = self.text[start : self.text.index("\n", start)].rstrip()
        first_line = re.compile(r"\n( *)\S").search(self.text, start)
        fits = node.style == "|" and first_line and all(one.isprintable() for one in lines) and not value[:1].isspace()
        if not fits or head not in ("|", "|-") or value.endswith("\n") != (head == "|") or not value.strip():
            return inline(value, '"')
        assert first_line is not None
        body = lines[:-1] if head == "|" else lines
        return self._lines([head, *(first_line[1] + one if one else "" for one in body)])

    def _lines(self, lines: list[str]) -> str:
        return self._newline.join(lines)

    def _splice(self, start: int, end: int, new: str) -> Splice:
        if self.text.isascii():
            return Splice(start, end, new.encode())
        before = len(self.text[:start].encode())
        return Splice(before, before + len(self.text[start:end].encode()), new.encode())


def _is_block(node: Any) -> bool:
    return isinstance(node, (yaml.MappingNode, yaml.SequenceNode)) and not node.flow_style and bool(node.value)
