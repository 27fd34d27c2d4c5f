"""Find in Python sources what lets a command be injected, or not be found. By the syntax tree; nothing is run.

A constant is never reported: only text that is built (an f-string with fields, ``%``, ``+`` with something, ``format``,
``join``, a variable that was assigned such) and meets a shell.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Finding", "lint"]

_RUNNERS = {"run", "call", "check_call", "check_output", "Popen"}
_TEXT_RUNNERS = {"getoutput", "getstatusoutput"}
_OS_SHELLS = {"system", "popen"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something at a place; ``line`` and ``column`` count from 1."""

    file: str
    line: int
    column: int
    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.code} {self.text}"


def lint(source: str | bytes, file: str = "-") -> list[Finding]:
    r"""Return what is wrong with the commands in a Python source.

    ==================  ===============================================================================
    shell-injection     ``shell=True``, ``os.system`` … with a text that is built
    unsplit-command     a command with spaces as one string and no shell: no such program
    os-system           ``os.system``, ``os.popen``: the status is coded, the output lost or unchecked
    syntax              it is no Python
    ==================  ===============================================================================

    >>> for finding in lint("import subprocess\nsubprocess.run(f'du {path}', shell=True)", "a.py"):
    ...     print(finding)
    a.py:2:16: shell-injection built text for a shell (a list without shell=True; or quote() each part)
    """
    try:
        tree = ast.parse(source, file)
    except SyntaxError as error:
        return [Finding(file, error.lineno or 1, max(error.offset or 1, 1), "syntax", f"not read: {error.msg}")]
    except ValueError as error:  # pragma: no cover  # a NUL byte in Python before 3.11.4
        return [Finding(file, 1, 1, "syntax", f"not read: {error}")]
    found = sorted(_Scope(file, {}).visit_all(tree.body), key=lambda one: (one.line, one.column))
    return list(dict.fromkeys(found))


class _Scope:
    """One module or function: the names that subprocess and os go by, and the texts that names stand for."""

    def __init__(self, file: str, names: dict[str, str]) -> None:
        self.file = file
        self.names = dict(names)
        self.values: dict[str, ast.expr | None] = {}

    def visit_all(self, body: list[ast.stmt]) -> Iterator[Finding]:
        for statement in body:
            yield from self.visit(statement)

    def visit(self, node: ast.AST) -> Iterator[Finding]:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self._import(node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            inner = _Scope(self.file, self.names)
            inner.values = dict(self.values)
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg):
                    inner.names.pop(argument.arg, None)
                    inner.values[argument.arg] = None
            for child in ast.iter_child_nodes(node):
                yield from inner.visit(child)
            return
        if isinstance(node, ast.Call):
            yield from self._call(node)
        for child in ast.iter_child_nodes(node):
            yield from self.visit(child)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self.values[target.id] = node.value
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            before = self.values.get(node.target.id)
            if before is not None:
                self.values[node.target.id] = ast.BinOp(before, node.op, node.value)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for name in node.names:
            if isinstance(node, ast.Import):
                if name.name in ("subprocess", "os"):
                    self.names[name.asname or name.name] = name.name
            elif node.module in ("subprocess", "os"):
                self.names[name.asname or name.name] = f"{node.module}.{name.name}"

    def _called(self, function: ast.expr) -> str:
        if isinstance(function, ast.Name):
            return self.names.get(function.id, "")
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            return f"{self.names.get(function.value.id, '')}.{function.attr}"
        return ""

    def _call(self, node: ast.Call) -> Iterator[Finding]:
        module, _, name = self._called(node.func).rpartition(".")
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        command = node.args[0] if node.args else keywords.get("args") or keywords.get("cmd") or keywords.get("command")
        if command is None:
            return
        if module == "os" and name in _OS_SHELLS:
            yield self._finding(node, "os-system", f"os.{name} (use run: a list, its output, a status that is checked)")
        elif not (module == "subprocess" and name in _RUNNERS | _TEXT_RUNNERS):
            return
        by_shell = module == "os" or name in _TEXT_RUNNERS or _is_true(keywords.get("shell"))
        if by_shell and self._built(command):
            hint = "a list without shell=True; or quote() each part"
            yield self._finding(command, "shell-injection", f"built text for a shell ({hint})")
        elif not by_shell and "shell" not in keywords and self._spaced(command):
            yield self._finding(command, "unsplit-command", "one string is one program's name (a list, or split())")

    def _finding(self, node: ast.expr, code: str, text: str) -> Finding:
        return Finding(self.file, node.lineno, node.col_offset + 1, code, text)

    def _value(self, node: ast.expr) -> ast.expr | None:
        seen = 0
        while isinstance(node, ast.Name) and seen < 10:
            value = self.values.get(node.id)
            if value is None:
                return None
            node, seen = value, seen + 1
        return node

    def _built(self, node: ast.expr) -> bool:
        """Whether a text is made of parts that are not all constant or quoted."""
        value = self._value(node)
        if value is None or isinstance(value, ast.Constant):
            return False
        if isinstance(value, ast.JoinedStr):
            return any(isinstance(part, ast.FormattedValue) and not self._safe(part.value) for part in value.values)
        if isinstance(value, ast.BinOp) and isinstance(value.op, (ast.Add, ast.Mod)):
            parts = value.right.elts if isinstance(value.right, ast.Tuple) else [value.right]
            return self._built(value.left) or any(not self._safe(part) for part in (value.left, *parts))
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            if value.func.attr == "format":
                return any(not self._safe(part) for part in (*value.args, *(one.value for one in value.keywords)))
            return (value.func.attr == "join" and not self._safe(value.func.value)) or (
                value.func.attr == "join" and not all(map(self._safe_in, value.args))
            )
        return False

    def _safe(self, node: ast.expr) -> bool:
        value = self._value(node)
        if value is None:
            return False
        if isinstance(value, ast.Constant):
            return True
        if isinstance(value, ast.Call):
            name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
            return name in ("quote", "shlex_quote", "int", "len", "getpid")
        return isinstance(value, (ast.JoinedStr, ast.BinOp)) and not self._built(value)

    def _safe_in(self, node: ast.expr) -> bool:
        if isinstance(node, (ast.GeneratorExp, ast.ListComp)):
            return self._safe(node.elt)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "map" and node.args:
            return self._safe(ast.Call(node.args[0], [], []))
        return isinstance(node, (ast.List, ast.Tuple)) and all(map(self._safe, node.elts))

    def _spaced(self, node: ast.expr) -> bool:
        value = self._value(node)
        if isinstance(value, ast.JoinedStr) and value.values and isinstance(value.values[0], ast.Constant):
            value = value.values[0]
        return isinstance(value, ast.Constant) and isinstance(value.value, str) and len(value.value.split()) > 1


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value)
