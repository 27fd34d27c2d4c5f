"""What the repository says of itself is so."""

from __future__ import annotations

import re
import tomllib

import pytest

from house.catalogue import ROOT, Package, find

README = (ROOT / "README.md").read_text(encoding="utf-8")
ROWS = {row[1]: row[0] for row in re.finditer(r"^\| \[(cb-[a-z]+)\]\(packages/\1/\) \|.*$", README, re.MULTILINE)}


@pytest.mark.parametrize("package", find(), ids=str)
def test_readme_has_a_row_for_each_package(package: Package) -> None:
    """The table shows every package: what it is for, and the command to try."""
    assert package.name in ROWS, f"give {package} a row in README.md's table"
    cells = [cell.strip() for cell in ROWS[package.name].strip("|").split(" | ")]
    assert cells[1] == package.description
    assert cells[3] == f"`{package.settings.next}`"


def test_readme_shows_no_package_that_is_not_there() -> None:
    """No placeholders."""
    assert sorted(ROWS) == [package.name for package in find()]


def test_ci_runs_the_readmes_test_command() -> None:
    """What a reader pastes is what is tested."""
    (command,) = re.findall(
        r"^python3 -m venv .* nox -s tests$".replace(" nox", " .venv/bin/nox"), README, re.MULTILINE
    )
    assert f'part "tests" "{command}"' in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_hooks_run_the_tools_of_lint() -> None:
    """A commit hook and `nox -s lint` never disagree about the version of a tool."""
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    pinned = re.findall(r"additional_dependencies: \[(.+)\]", hooks)
    assert pinned
    assert set(pinned) <= set(groups["lint"])


def test_hatch_environment_has_the_tools_of_the_tests() -> None:
    """`hatch shell` runs the tests with what nox runs them with."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(table["dependency-groups"]["test"]) <= set(table["tool"]["hatch"]["envs"]["default"]["dependencies"])


def test_actions_are_pinned_by_hash() -> None:
    """Every action is fixed to a commit, with the version that it is in a comment."""
    used = [
        line.strip()
        for workflow in (ROOT / ".github" / "workflows").glob("*.yml")
        for line in workflow.read_text(encoding="utf-8").splitlines()
        if "uses:" in line
    ]
    assert used
    for line in used:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
