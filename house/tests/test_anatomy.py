"""Every package has what CONTRIBUTING.md lists, stands alone, and says what it is. Nothing is imported, only read."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from house.catalogue import Package, find

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARTS = (
    *("README.md", "CHANGELOG.md", "LICENSE", "demo/run.py", "bench/run.py"),
    *("tests/test_recipes.py", "tests/typing/api.py"),
)
# In the order in which a reader wants them.
SECTIONS = ("pip install", "60-second tour", "recipe", "since the book", "performance", "outgrow")

each_package = pytest.mark.parametrize("package", find(), ids=str)


def sources(package: Package) -> Iterator[tuple[Path, ast.Module]]:
    """Every module of the package, parsed."""
    for path in sorted((package.path / "src").rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """The packages that a module imports, wherever it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def exported(tree: ast.Module) -> dict[str, str]:
    """The names that an ``__init__.py`` hands on, and the module that each comes from."""
    return {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


@each_package
def test_no_package_imports_another(package: Package) -> None:
    """Each is installed alone."""
    others = {other.module for other in find()} - {package.module}
    for path, tree in sources(package):
        assert not others & set(imported(tree)), path


@each_package
def test_nothing_is_missing(package: Package) -> None:
    """The parts that CONTRIBUTING.md lists are there."""
    assert [part for part in PARTS if not (package.path / part).exists()] == []


@each_package
def test_readmes_are_in_one_order(package: Package) -> None:
    """Install, tour, recipes, what has changed since the book, performance, and what comes after."""
    text = (package.path / "README.md").read_text(encoding="utf-8").lower()
    headings = "\n".join(line for line in text.splitlines() if line.startswith("#") or "pip install" in line)
    places = [headings.find(section) for section in SECTIONS]
    assert -1 not in places, dict(zip(SECTIONS, places, strict=True))
    assert places == sorted(places)


@each_package
def test_demo_says_what_it_does(package: Package) -> None:
    """In the first line of its script; the closing table of ``nox -s demo`` shows it."""
    script = (package.path / "demo" / "run.py").read_text(encoding="utf-8")
    assert re.match(r'"""The demo: .{20,110}$', script, re.MULTILINE)


@each_package
def test_changelog_has_the_version(package: Package) -> None:
    """The newest section is the version that the package states, or what is not released yet."""
    newest = re.search(r"^## \[(.+?)\]", (package.path / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest
    assert newest[1] in {package.version, "Unreleased"}


@each_package
def test_public_names_are_documented(package: Package) -> None:
    """Each class and function that the package hands on has a docstring where it is defined."""
    modules = {path.relative_to(package.path / "src").with_suffix(""): tree for path, tree in sources(package)}
    named = {".".join(path.parts).removesuffix(".__init__"): tree for path, tree in modules.items()}
    bare = []
    for name, module in exported(named[package.module]).items():
        defined: dict[str, list[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]] = {}
        for node in named[module].body if module in named else ():
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                defined.setdefault(node.name, []).append(node)
        if name in defined and not any(ast.get_docstring(node) for node in defined[name]):
            bare.append(f"{module}.{name}")
    assert bare == []


def test_what_is_copied_is_the_same() -> None:
    """Packages share no code, nor do their tests: a file that several of them have is the same in all of them."""
    copies = (package.path / "tests" / "forked.py" for package in find())
    assert len({path.read_text(encoding="utf-8") for path in copies if path.exists()}) == 1
