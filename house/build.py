"""What a build is made from, and whether what came out holds what it must and nothing else."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING

from house.catalogue import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from house.catalogue import Package

_ENTERS_THE_WHEEL = ("pyproject.toml", "README.md", "LICENSE", "src")


def fingerprint(package: Package) -> str:
    """Return a short digest of all that a wheel of *package* is made from: the same sources, the same digest."""
    digest = hashlib.sha256()
    for part in _ENTERS_THE_WHEEL:
        root = package.path / part
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file() and "__pycache__" not in path.parts:
                content = path.read_bytes()
                digest.update(f"{path.relative_to(package.path).as_posix()}\0{len(content)}\0".encode())
                digest.update(content)
    return digest.hexdigest()[:16]


def check(package: Package, wheel: Path, sdist: Path) -> None:
    """Check that *wheel* and *sdist* hold the package's files, the licence, and nothing that git does not know.

    Raises:
        Problem: A file is missing or is there by accident.
    """
    known = _known_to_git(package)
    _check_wheel(package, set(zipfile.ZipFile(wheel).namelist()), known)
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    _check_sdist(package, names, known)


def _check_wheel(package: Package, names: set[str], known: set[str]) -> None:
    info = f"{package.module}-{package.version}.dist-info"
    if f"{info}/licenses/LICENSE" not in names:
        raise Problem(f'{package}: the wheel has no licence (project.license-files = ["LICENSE"])')
    code = {name for name in names if not name.startswith(f"{info}/")}
    wanted = {name.removeprefix("src/") for name in known if name.startswith("src/")}
    _compare(package, "wheel", code, wanted, wanted)


def _check_sdist(package: Package, names: set[str], known: set[str]) -> None:
    needed = {name for name in known if name.split("/")[0] in {*_ENTERS_THE_WHEEL, "tests", "CHANGELOG.md"}}
    _compare(package, "sdist", names - {"PKG-INFO", ".gitignore"}, known, needed)


def _compare(package: Package, kind: str, names: set[str], allowed: set[str], needed: set[str]) -> None:
    if stray := sorted(names - allowed):
        raise Problem(f"{package}: the {kind} holds {stray[0]}, which git does not know (remove it or git add it)")
    if missing := sorted(needed - names):
        raise Problem(f"{package}: the {kind} lacks {missing[0]} (look at tool.hatch.build in its pyproject.toml)")


def _known_to_git(package: Package) -> set[str]:
    """Return the package's files that git tracks or would track, or all but caches where this is no clone."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "."],
        cwd=package.path,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0:
        names = set(listing.stdout.split("\0")) - {""}
        return {name for name in names if (package.path / name).is_file()}
    files = {path.relative_to(package.path) for path in package.path.rglob("*") if path.is_file()}
    return {path.as_posix() for path in files if "__pycache__" not in path.parts and not path.parts[0].startswith(".")}
