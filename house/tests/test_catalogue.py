"""What is found in packages/, and what is said of a folder that is not as it must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from house.catalogue import Problem, find, pick

if TYPE_CHECKING:
    from pathlib import Path

    from house.tests.conftest import MakePackage


def test_finds_every_package_by_name(make_package: MakePackage, tmp_path: Path) -> None:
    """A folder in packages/ is a package, with the settings and the version that it states."""
    make_package("cb-tea", settings='apt = ["kettle"]\ncoverage = 98.5')
    make_package("cb-cake", version="0.1.0")
    cake, tea = find(tmp_path)
    assert (cake.name, cake.module, cake.version) == ("cb-cake", "cb_cake", "0.1.0")
    assert (tea.settings.apt, tea.settings.coverage, tea.settings.os) == (("kettle",), 98.5, ("linux",))


def test_folder_with_caches_only_is_passed_over(make_package: MakePackage, tmp_path: Path) -> None:
    """What git leaves behind when a branch without the package is checked out is no package and no mistake."""
    make_package("cb-tea")
    left = tmp_path / "packages" / "cb-old" / "src" / "__pycache__"
    left.mkdir(parents=True)
    (left / "x.pyc").write_text("")
    assert [package.name for package in find(tmp_path)] == ["cb-tea"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda path: (path / "pyproject.toml").unlink(), "packages/cb-tea/pyproject.toml: there is none"),
        (lambda path: (path / "pyproject.toml").write_text("[project"), "not valid TOML: Expected ']'"),
        (lambda path: (path / "pyproject.toml").write_bytes(b"\xff"), "not valid TOML"),
        (lambda path: (path / "pyproject.toml").write_text('[project]\nname = "tea"'), "project.name is 'tea'"),
        (lambda path: (path / "pyproject.toml").write_text('[project]\nname = "cb-tea"'), "build-backend"),
        (lambda path: (path / "LICENSE").unlink(), "packages/cb-tea: no LICENSE"),
        (lambda path: (path / "src" / "cb_tea" / "py.typed").unlink(), "no src/cb_tea/py.typed"),
    ],
)
def test_broken_folder_is_one_line_that_says_what_to_do(
    make_package: MakePackage, tmp_path: Path, change: object, says: str
) -> None:
    """Whatever is wrong with a folder, the message names the file and the remedy in one line."""
    assert callable(change)
    change(make_package("cb-tea"))
    with pytest.raises(Problem) as caught:
        find(tmp_path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("colour = 1", "tool.cookbook.colour means nothing"),
        ('apt = "kettle"', "tool.cookbook.apt is of the wrong type"),
        ('os = ["plan9"]', "no system 'plan9'"),
    ],
)
def test_unknown_setting_is_refused(make_package: MakePackage, tmp_path: Path, settings: str, says: str) -> None:
    """A setting that nothing reads is a misspelling."""
    make_package("cb-tea", settings=settings)
    with pytest.raises(Problem, match=says):
        find(tmp_path)


def test_folder_name_follows_the_convention(make_package: MakePackage, tmp_path: Path) -> None:
    """The name is the command's, the distribution's and the tag's: cb- and one word."""
    with pytest.raises(Problem, match="cb- and a word"):
        make_package("tea")
    assert find(tmp_path) == []


def test_package_is_not_written_over(make_package: MakePackage) -> None:
    """A new package never takes an old one's folder."""
    make_package("cb-tea")
    with pytest.raises(Problem, match="packages/cb-tea is there already"):
        make_package("cb-tea")


def test_missing_version_says_which_line_to_add(make_package: MakePackage, tmp_path: Path) -> None:
    """A package without a version is told where it belongs."""
    (make_package("cb-tea") / "src" / "cb_tea" / "__init__.py").write_text("")
    with pytest.raises(Problem, match=r"packages/cb-tea/src/cb_tea/__init__\.py: no line __version__"):
        _ = find(tmp_path)[0].version


def test_unknown_name_lists_those_that_there_are(make_package: MakePackage, tmp_path: Path) -> None:
    """A wrong package name is answered with the right ones."""
    make_package("cb-tea")
    packages = find(tmp_path)
    assert pick("cb-tea", packages) is packages[0]
    with pytest.raises(Problem, match=r"no package 'cb-te' in packages/ \(there are: cb-tea\)"):
        pick("cb-te", packages)
