"""The CI matrix: one row for each session and system, for the packages that a change touches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from house import matrix
from house.catalogue import find

if TYPE_CHECKING:
    from pathlib import Path

    from house.tests.conftest import MakePackage

SESSIONS = [
    {"session": f"tests-{python}({name})", "python": python, "call_spec": {"package": name}}
    for python in ("3.13", "3.15")
    for name in ("cb-tea", "cb-cake")
]


def test_row_for_each_session_and_system(make_package: MakePackage, tmp_path: Path) -> None:
    """A package is tested on its systems; Debian packages are for Linux; a coming Python may fail."""
    make_package("cb-tea", settings='os = ["linux", "macos"]\napt = ["kettle", "cups"]')
    rows = matrix.rows(SESSIONS, find(tmp_path))
    assert [(row["session"], row["os"], row["apt"], row["coming"]) for row in rows] == [
        ("tests-3.13(cb-tea)", "ubuntu-latest", "kettle cups", False),
        ("tests-3.13(cb-tea)", "macos-latest", "", False),
        ("tests-3.15(cb-tea)", "ubuntu-latest", "kettle cups", True),
        ("tests-3.15(cb-tea)", "macos-latest", "", True),
    ]


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        (["packages/cb-tea/src/cb_tea/__init__.py", "README.md"], ["cb-tea"]),
        (["packages/cb-gone/README.md"], []),
        (["README.md", "CONTRIBUTING.md"], []),
        ([], []),
        (["packages/cb-tea/README.md", "noxfile.py"], ["cb-cake", "cb-tea"]),
        ([".github/workflows/ci.yml"], ["cb-cake", "cb-tea"]),
        (["house/build.py"], ["cb-cake", "cb-tea"]),
    ],
)
def test_change_touches_its_package_or_all(
    make_package: MakePackage, tmp_path: Path, changed: list[str], names: list[str]
) -> None:
    """A package's files touch that package, words at the top none, and what is shared touches all."""
    make_package("cb-tea")
    make_package("cb-cake")
    assert [package.name for package in matrix.touched(changed, find(tmp_path))] == names
