"""A repository of its own for each test, with packages that are made as the test wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
dynamic = ["version"]
requires-python = ">=3.11"
license-files = ["LICENSE"]

[tool.hatch.version]
path = "src/{module}/__init__.py"

[tool.cookbook]
{settings}
"""


class MakePackage(Protocol):
    """Writes a package into the test's repository and returns its folder."""

    def __call__(self, name: str = "cb-tea", *, version: str = "1.2.3", settings: str = "") -> Path: ...


@pytest.fixture
def make_package(tmp_path: Path) -> MakePackage:
    """Give a function that writes a valid package."""

    def make(name: str = "cb-tea", *, version: str = "1.2.3", settings: str = "") -> Path:
        module = name.replace("-", "_")
        path = tmp_path / "packages" / name
        (path / "src" / module).mkdir(parents=True)
        (path / "tests").mkdir()
        (path / "tests" / "test_tea.py").write_text("")
        (path / "pyproject.toml").write_text(PYPROJECT.format(name=name, module=module, settings=settings))
        (path / "README.md").write_text(f"# {name}\n")
        (path / "CHANGELOG.md").write_text(f"# Changelog\n\n## [{version}] - 2026-11-22\n\n### Added\n\n- Tea.\n")
        (path / "LICENSE").write_text("MIT\n")
        (path / "src" / module / "__init__.py").write_text(f'__version__ = "{version}"\n')
        (path / "src" / module / "py.typed").write_text("")
        return path

    return make
