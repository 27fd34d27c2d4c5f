"""The CI matrix, made from the noxfile's own list: package x Python x system, for the packages that a change touches.

``python -m house.matrix [BASE]`` prints the outputs for a GitHub job. With BASE, a commit, only those packages are in
them that differ from it; a change to what the packages share touches all of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import PurePosixPath
from typing import Any

from house.catalogue import ROOT, Package, find

RUNNERS = {"linux": "ubuntu-latest", "macos": "macos-latest", "windows": "windows-latest"}
# Tested as soon as it can be had; a failure is shown and does not count.
COMING = {"3.15"}


def rows(sessions: list[dict[str, Any]], packages: list[Package]) -> list[dict[str, Any]]:
    """Return one row for each test session that nox lists and each system that its package runs on."""
    wanted = {package.name: package for package in packages}
    return [
        {
            "session": session["session"],
            "package": package.name,
            "python": session["python"],
            "os": RUNNERS[system],
            "apt": " ".join(package.settings.apt) if system == "linux" else "",
            "coming": session["python"] in COMING,
        }
        for session in sessions
        if (package := wanted.get(session["call_spec"].get("package")))
        for system in package.settings.os
    ]


def touched(changed: list[str], packages: list[Package]) -> list[Package]:
    """Return the packages that a change of the files *changed* can break."""
    names = set()
    for path in map(PurePosixPath, changed):
        if path.parts[0] == "packages" and len(path.parts) > 1:
            names.add(path.parts[1])
        elif not (len(path.parts) == 1 and path.suffix == ".md"):
            return packages
    return [package for package in packages if package.name in names]


def main() -> None:
    """Print what the CI workflow needs to know."""
    packages = find()
    if base := "".join(sys.argv[1:2]):
        packages = touched(_run("git", "diff", "--name-only", f"{base}...HEAD").splitlines(), packages)
    sessions = json.loads(_run(sys.executable, "-m", "nox", "--list", "--json", "--sessions", "tests"))
    print(f"tests={json.dumps(rows(sessions, packages))}")
    print(f"packages={json.dumps([package.name for package in packages])}")


def _run(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main()
