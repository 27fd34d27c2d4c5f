"""The packages found in ``packages/``, what each says of itself, and what is wrong with a folder.

A package is a folder in ``packages/`` with the anatomy that CONTRIBUTING.md describes. Everything that the noxfile and
the workflows need to know of it is read from its own ``pyproject.toml``, so that a new folder needs no edit elsewhere.
What is wrong is said in one line that names the file and what to do.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SYSTEMS = ("linux", "macos", "windows")
_ANATOMY = ("README.md", "CHANGELOG.md", "LICENSE", "tests")
_VERSION = re.compile(r"""^__version__ = ["']([^"']+)["']$""", re.MULTILINE)


class Problem(Exception):
    """A folder, a name or a setting that is not as it must be; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``[tool.cookbook]`` in a package's pyproject.toml may say."""

    apt: tuple[str, ...] = ()
    """Debian packages that the tests want for the real servers they start."""
    os: tuple[str, ...] = ("linux",)
    """The systems that CI tests on: linux, macos, windows."""
    coverage: float = 100.0
    """The least line and branch coverage, in percent."""
    next: str = ""
    """One command to try; the demo ends with it."""


@dataclass(frozen=True, slots=True)
class Package:
    """One package: its folder and what its pyproject.toml says."""

    path: Path
    description: str
    settings: Settings
    extras: tuple[str, ...]
    groups: dict[str, Any] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """The distribution's name, which is also the folder's and the command's."""
        return self.path.name

    @property
    def module(self) -> str:
        """The name to import."""
        return self.name.replace("-", "_")

    @property
    def version(self) -> str:
        """The version that ``src/cb_x/__init__.py`` states."""
        init = self.path / "src" / self.module / "__init__.py"
        if found := _VERSION.search(init.read_text(encoding="utf-8")):
            return found[1]
        raise Problem(f'{_relative(init)}: no line __version__ = "1.2.3" (add it)')

    def __str__(self) -> str:
        return self.name


def find(root: Path = ROOT) -> list[Package]:
    """Return the packages in *root*/packages, by name.

    A folder in which git left nothing but caches is passed over.

    Raises:
        Problem: A folder is no valid package.
    """
    folders = sorted(path for path in (root / "packages").iterdir() if path.is_dir() and not path.name.startswith("."))
    return [read(path) for path in folders if _holds_files(path)]


def read(path: Path) -> Package:
    """Read the package in the folder *path*.

    Raises:
        Problem: Something in it is missing or wrong.
    """
    pyproject = path / "pyproject.toml"
    where = _relative(pyproject)
    try:
        table = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Problem(f"{where}: there is none (write it as CONTRIBUTING.md says, or remove the folder)") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Problem(f"{where}: not valid TOML: {error}") from error

    project = table.get("project", {})
    if project.get("name") != path.name:
        raise Problem(f"{where}: project.name is {project.get('name')!r} (it must be the folder's name, {path.name!r})")
    if not re.fullmatch(r"cb-[a-z]+", path.name):
        raise Problem(f"{where}: the folder must be called cb- and a word of small letters, not {path.name!r}")
    if table.get("build-system", {}).get("build-backend") != "hatchling.build":
        raise Problem(f'{where}: build-system.build-backend must be "hatchling.build"')
    module = f"src/{path.name.replace('-', '_')}"
    for part in (*_ANATOMY, f"{module}/__init__.py", f"{module}/py.typed"):
        if not (path / part).exists():
            raise Problem(f"{_relative(path)}: no {part} (add it, CONTRIBUTING.md says what goes in)")
    return Package(
        path=path,
        description=project.get("description", ""),
        settings=_settings(table.get("tool", {}).get("cookbook", {}), where),
        extras=tuple(project.get("optional-dependencies", {})),
        groups=table.get("dependency-groups", {}),
    )


def pick(name: str, packages: list[Package]) -> Package:
    """Return the package called *name*.

    Raises:
        Problem: There is none; the message lists those that there are.
    """
    for package in packages:
        if package.name == name:
            return package
    there = ", ".join(map(str, packages)) or "none yet"
    raise Problem(f"no package {name!r} in packages/ (there are: {there})")


def _settings(table: dict[str, Any], where: str) -> Settings:
    known = Settings.__dataclass_fields__
    if unknown := sorted(table.keys() - known.keys()):
        raise Problem(f"{where}: tool.cookbook.{unknown[0]} means nothing (there are: {', '.join(known)})")
    for key, wanted in (("apt", list), ("os", list), ("coverage", (int, float)), ("next", str)):
        if key in table and not isinstance(table[key], wanted):
            raise Problem(f"{where}: tool.cookbook.{key} is of the wrong type (CONTRIBUTING.md shows one)")
    if strange := sorted(set(table.get("os", ())) - set(SYSTEMS)):
        raise Problem(f"{where}: tool.cookbook.os: no system {strange[0]!r} (there are: {', '.join(SYSTEMS)})")
    default = Settings()
    return Settings(
        apt=tuple(table.get("apt", default.apt)),
        os=tuple(table.get("os", default.os)),
        coverage=table.get("coverage", default.coverage),
        next=table.get("next", default.next),
    )


def _holds_files(path: Path) -> bool:
    """Whether anything but caches is in the folder *path*."""
    for entry in path.iterdir():
        if entry.is_dir():
            if entry.name != "__pycache__" and not entry.name.startswith(".") and _holds_files(entry):
                return True
        elif not entry.name.startswith("."):
            return True
    return False


def _relative(path: Path) -> str:
    """Return *path* from ``packages/`` on, as a message shows it."""
    parts = path.parts
    return "/".join(parts[len(parts) - 1 - parts[::-1].index("packages") :])
