"""The noxfile, run as a user runs it: what it finds, and what it says to nonsense."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from house.catalogue import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from house.tests.conftest import MakePackage


@pytest.fixture
def repository(make_package: MakePackage, tmp_path: Path) -> Path:
    """Give a repository with this noxfile and one package."""
    make_package("cb-tea")
    for name in ("noxfile.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "house", tmp_path / "house", ignore=shutil.ignore_patterns("__pycache__", "tests"))
    return tmp_path


def nox(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run nox in *repository*."""
    command = [sys.executable, "-m", "nox", *arguments]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


def test_new_folder_needs_no_edit(repository: Path, make_package: MakePackage) -> None:
    """Every session takes a package as soon as its folder is there."""
    make_package("cb-cake")
    sessions = set(re.findall(r"^[*-] (\S+)", nox(repository, "--list").stdout, re.MULTILINE))
    each = {"faults", "coverage", "types", "build", "isolated", "bench", "demo"}
    each |= {f"tests-3.{minor}" for minor in range(11, 16)}
    assert sessions >= {f"{name}({package})" for name in each for package in ("cb-cake", "cb-tea")}
    assert sessions >= {"lint", "house", "rehearse", "release"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-s", "tests(cb-te)"], "no package 'cb-te' in packages/ (there are: cb-tea)"),
        (["-s", "tests(cb-tea)"], "tests(cb-tea) wants a Python, tests-3.13(cb-tea), or all: nox -s tests -t cb-tea"),
        (["-s", "tests-3.11(cb-te)"], "no package 'cb-te' in packages/ (there are: cb-tea)"),
        (["-s", "tests-3.99(cb-tea)"], "Python 3.99 is not on this machine"),
        (["-s", "tests", "-p", "3.99"], "Python 3.99 is not on this machine"),
    ],
)
def test_nonsense_is_answered_in_one_line(repository: Path, arguments: list[str], says: str) -> None:
    """A wrong name or a Python that is not there: one line, what to do, and failure."""
    run = nox(repository, *arguments)
    assert run.returncode != 0
    assert run.stderr.startswith("noxfile: ")
    assert says in run.stderr
    assert run.stderr.count("\n") == 1


def test_broken_package_is_answered_in_one_line(repository: Path) -> None:
    """A folder without a valid pyproject.toml stops every session with one line."""
    (repository / "packages" / "cb-cake").mkdir()
    (repository / "packages" / "cb-cake" / "notes.txt").write_text("")
    run = nox(repository, "-s", "lint")
    assert run.returncode != 0
    assert run.stderr == (
        "noxfile: packages/cb-cake/pyproject.toml: there is none (write it as CONTRIBUTING.md says, or remove the "
        "folder)\n"
    )


def test_name_after_the_dashes_is_the_sessions_own(repository: Path) -> None:
    """What follows -- goes to the program and is not taken for a session."""
    run = nox(repository, "-s", "coverage", "--", "tests(cb-te)")
    assert "no coverage of cb-tea measured yet" in run.stderr


def test_tag_of_a_package_is_all_that_it_must_pass(repository: Path, make_package: MakePackage) -> None:
    """``nox -t cb-x`` runs one package's gates and nothing of another."""
    make_package("cb-cake")
    listing = nox(repository, "--list", "-t", "cb-tea").stdout
    chosen = {re.sub(r"-3\.\d+", "", name) for name in re.findall(r"^\* (\S+)", listing, re.MULTILINE)}
    assert chosen == {f"{name}(cb-tea)" for name in ("tests", "coverage", "types", "build", "isolated", "demo")}


def test_release_wants_a_tag(repository: Path) -> None:
    """Publishing nothing in particular is refused."""
    run = nox(repository, "-s", "release")
    assert run.returncode != 0
    assert "which release? (nox -s release -- cb-x-v1.2.3)" in run.stderr
