"""What a new package starts from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from house import new
from house.catalogue import ROOT, find

if TYPE_CHECKING:
    from pathlib import Path

    from house.tests.conftest import MakePackage


@pytest.mark.parametrize("check", [["check"], ["format", "--check"]], ids=" ".join)
def test_new_package_passes_the_rules(make_package: MakePackage, check: list[str]) -> None:
    """Nobody starts by tidying up what was written for them, even if the name is a long one."""
    repository = make_package("cb-subprocesses").parents[1]
    shutil.copy(ROOT / "pyproject.toml", repository)
    run = subprocess.run(
        [sys.executable, "-m", "ruff", *check, "packages"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout


def test_new_package_is_described_as_asked(make_package: MakePackage, tmp_path: Path) -> None:
    """The line that is given becomes the description, without its full stop."""
    assert new.write("cb-tea", "Tea in time.", root=tmp_path).description == "Tea in time"
    assert find(tmp_path)[0].version == "0.1.0"


@pytest.mark.parametrize(
    "arguments", [[], ["cb-tea"], ["cb-tea", 'Tea "in time"'], ["cb-sockets", "Again"], ["x", "y"]]
)
def test_nonsense_is_answered_in_one_line(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """No traceback, and no half-written folder."""
    monkeypatch.setattr(sys, "argv", ["new", *arguments])
    before = list((ROOT / "packages").iterdir())
    with pytest.raises(SystemExit, match=r"^new: [^\n]+$"):
        new.main()
    assert list((ROOT / "packages").iterdir()) == before
