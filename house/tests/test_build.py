"""What a wheel and an sdist may hold."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from house.build import check, fingerprint
from house.catalogue import Package, Problem, find

if TYPE_CHECKING:
    from pathlib import Path

    from house.tests.conftest import MakePackage

INFO = "cb_tea-1.2.3.dist-info"
CODE = ["cb_tea/__init__.py", "cb_tea/__main__.py", "cb_tea/cli.py", "cb_tea/py.typed"]
WHEEL = [*CODE, f"{INFO}/METADATA", f"{INFO}/licenses/LICENSE"]
TESTS = ["tests/test_cli.py", "tests/typing/api.py"]
SDIST = ["LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "PKG-INFO", *TESTS]
SDIST += [f"src/{name}" for name in CODE]


@pytest.fixture
def package(make_package: MakePackage, tmp_path: Path) -> Package:
    """Give a package in a git repository, with a cache that git ignores."""
    path = make_package("cb-tea")
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    (path / "src" / "cb_tea" / "__pycache__").mkdir()
    (path / "src" / "cb_tea" / "__pycache__" / "x.pyc").write_text("")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return find(tmp_path)[0]


def built(folder: Path, wheel: list[str], sdist: list[str]) -> tuple[Path, Path]:
    """Write a wheel and an sdist that hold files of these names."""
    with zipfile.ZipFile(folder / "x.whl", "w") as archive:
        for name in wheel:
            archive.writestr(name, "")
    with tarfile.open(folder / "x.tar.gz", "w:gz") as tar:
        for name in sdist:
            tar.addfile(tarfile.TarInfo(f"cb_tea-1.2.3/{name}"))
    return folder / "x.whl", folder / "x.tar.gz"


def test_right_contents_pass(package: Package, tmp_path: Path) -> None:
    """The code with its typing mark and the licence, and for the sdist all that builds and tests it."""
    check(package, *built(tmp_path, WHEEL, SDIST))


@pytest.mark.parametrize(
    ("wheel", "sdist", "says"),
    [
        ([*WHEEL, "cb_tea/__pycache__/x.pyc"], SDIST, "the wheel holds cb_tea/__pycache__/x.pyc"),
        ([*WHEEL, "tests/test_cli.py"], SDIST, "the wheel holds tests/test_cli.py"),
        ([*WHEEL[1:]], SDIST, "the wheel lacks cb_tea/__init__.py"),
        (WHEEL[:-1], SDIST, "the wheel has no licence"),
        (WHEEL, [*SDIST, "src/cb_tea/__pycache__/x.pyc"], "the sdist holds src/cb_tea/__pycache__/x.pyc"),
        (WHEEL, SDIST[1:], "the sdist lacks LICENSE"),
    ],
)
def test_stray_and_missing_files_are_named(
    package: Package, tmp_path: Path, wheel: list[str], sdist: list[str], says: str
) -> None:
    """A file too many or too few is refused by name."""
    with pytest.raises(Problem, match=says):
        check(package, *built(tmp_path, wheel, sdist))


def test_without_git_only_caches_are_stray(make_package: MakePackage, tmp_path: Path) -> None:
    """A downloaded archive of the repository can be built and checked as well."""
    make_package("cb-tea")
    check(find(tmp_path)[0], *built(tmp_path, WHEEL, SDIST))


def test_fingerprint_follows_the_sources_and_not_the_caches(package: Package) -> None:
    """A wheel is built again when something that enters it has changed, and only then."""
    before = fingerprint(package)
    (package.path / "src" / "cb_tea" / "__pycache__" / "y.pyc").write_text("")
    (package.path / "tests" / "test_more.py").write_text("")
    assert fingerprint(package) == before
    (package.path / "src" / "cb_tea" / "leaf.py").write_text("")
    assert fingerprint(package) != before
