"""A repository of its own for each test, with new packages as a contributor starts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from house import new

if TYPE_CHECKING:
    from pathlib import Path


class MakePackage(Protocol):
    """Writes a package into the test's repository and returns its folder."""

    def __call__(self, name: str = "cb-tea", *, version: str = "1.2.3", settings: str = "") -> Path: ...


@pytest.fixture
def make_package(tmp_path: Path) -> MakePackage:
    """Give a function that writes a valid package."""

    def make(name: str = "cb-tea", *, version: str = "1.2.3", settings: str = "") -> Path:
        path = new.write(name, "Tea in time", root=tmp_path, version=version).path
        with (path / "pyproject.toml").open("a") as pyproject:
            pyproject.write(settings)
        return path

    return make
