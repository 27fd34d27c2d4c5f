"""From the book to here: each README's table of recipes and tests/test_recipes.py say the same.

A row is ``| 7.1 client socket | library | command | since the book |``: the chapter's section and the recipe, what does
it now, and what is different and why. The docstring of each test begins with the row that it shows, as in ``7.1 client
socket: a client connects …``, or with ``all:`` where it shows every row. No row without a test, no test without a row.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from house.catalogue import Package, find

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = ["recipe", "library", "command", "since the book"]

each_package = pytest.mark.parametrize("package", find(), ids=str)


def table(package: Package) -> list[list[str]]:
    """The rows below the heading Recipes, the header first, without the line under it."""
    text = (package.path / "README.md").read_text(encoding="utf-8")
    section = re.split(r"^## ", text.partition("\n## Recipes\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows if not set(row[0].strip()) <= {"-", ":"}]


def shown(package: Package) -> Iterator[tuple[str, str]]:
    """Each test of the recipes, and the recipe that its docstring begins with."""
    tree = ast.parse((package.path / "tests" / "test_recipes.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name, plain(re.split(r": |\.\n|\.$", ast.get_docstring(node) or "", maxsplit=1)[0])


def plain(text: str) -> str:
    """The words, without marks of code, on one line."""
    return " ".join(text.replace("`", "").replace("\\|", "|").split())


@each_package
def test_tables_have_one_form(package: Package) -> None:
    """Section and recipe, library, command, and what changed: none of them is empty but the library or the command."""
    header, *rows = table(package)
    assert header == COLUMNS
    for row in rows:
        assert len(row) == len(COLUMNS), row
        assert re.match(r"\d+\.\d+(\.\d+)? \S", row[0]), row
        assert row[1] or row[2], row
        assert row[3], row


@each_package
def test_each_row_has_a_test(package: Package) -> None:
    """What the table shows is run."""
    tested = {recipe for _, recipe in shown(package)}
    assert [row[0] for row in table(package)[1:] if plain(row[0]) not in tested] == []


@each_package
def test_each_test_has_a_row(package: Package) -> None:
    """What is run is shown."""
    recipes = {plain(row[0]) for row in table(package)[1:]} | {"all"}
    assert [(name, recipe) for name, recipe in shown(package) if recipe not in recipes] == []
