"""The files that a package starts from: a command that answers, and everything that the gates look at.

``nox -s new -- cb-x "What it is for, in one line"`` writes them; what is written passes every session at once.
"""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from house.catalogue import ROOT, Package, Problem, read

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "{name}"
dynamic = ["version"]
description = "{description}"
readme = "README.md"
requires-python = ">=3.11"
license = "MIT"
license-files = ["LICENSE"]
authors = [{{ name = "The Cookbook authors" }}]
keywords = []
classifiers = [
  "Development Status :: 4 - Beta",
  "Environment :: Console",
  "Intended Audience :: Developers",
  "Operating System :: POSIX :: Linux",
  "Programming Language :: Python :: 3 :: Only",
  "Programming Language :: Python :: 3.11",
  "Programming Language :: Python :: 3.12",
  "Programming Language :: Python :: 3.13",
  "Programming Language :: Python :: 3.14",
  "Typing :: Typed",
]
dependencies = ["click>=8.1.7"]

[project.scripts]
{name} = "{module}.cli:main"

[dependency-groups]
test = []
bench = []

[tool.hatch.version]
path = "src/{module}/__init__.py"

[tool.hatch.build.targets.wheel]
packages = ["src/{module}"]

[tool.hatch.build.targets.sdist]
include = ["src", "tests", "README.md", "CHANGELOG.md", "LICENSE"]

[tool.cookbook]
next = "{name} --help"
"""

INIT = '''\
"""{description}."""

from __future__ import annotations

__version__ = "{version}"
__all__ = ["__version__"]
'''

MAIN = '''\
"""``python -m {module}``."""

from __future__ import annotations

from {module}.cli import main

if __name__ == "__main__":
    main()
'''

CLI = '''\
"""The ``{name}`` command: parse, call the library, print."""

from __future__ import annotations

import click

from {module} import __version__


@click.group()
@click.version_option(__version__, prog_name="{name}")
def main() -> None:
    """{description}."""
'''

TEST_CLI = '''\
"""The command, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys

import {module}


def test_version() -> None:
    """``--version`` prints the package's version and nothing else."""
    command = [sys.executable, "-m", "{module}", "--version"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == f"{name}, version {{{module}.__version__}}\\n"
'''

API = '''\
"""The public API, type-checked from outside."""

import {module}

version: str = {module}.__version__
'''

DEMO = '''\
"""{name} at work on the input beside this file."""

from __future__ import annotations

import subprocess

print("What {name} can do:", flush=True)
subprocess.run(["{name}", "--help"], check=True)
'''

FILES = {
    "pyproject.toml": PYPROJECT,
    "README.md": "# {name}\n\n{description}.\n",
    "CHANGELOG.md": "# Changelog\n\n## [{version}] - {today}\n\nFirst release.\n",
    "src/{module}/__init__.py": INIT,
    "src/{module}/__main__.py": MAIN,
    "src/{module}/cli.py": CLI,
    "src/{module}/py.typed": "",
    "tests/test_cli.py": TEST_CLI,
    "tests/typing/api.py": API,
    "demo/run.py": DEMO,
}


def write(name: str, description: str, *, root: Path = ROOT, version: str = "0.1.0") -> Package:
    """Write a new package into *root*/packages and return it.

    Raises:
        Problem: The folder is there already, or the name is not a package's.
    """
    path = root / "packages" / name
    if path.exists():
        raise Problem(f"packages/{name} is there already (choose another name, or edit what is there)")
    words = {
        "name": name,
        "module": name.replace("-", "_"),
        "description": description.rstrip("."),
        "version": version,
        "today": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    for file, content in FILES.items():
        target = path / file.format(**words)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content.format(**words), encoding="utf-8")
    shutil.copy(ROOT / "LICENSE", path)
    try:
        return read(path)
    except Problem:
        shutil.rmtree(path)
        raise


def main() -> None:
    """Write the package that the command line names."""
    if len(sys.argv) != 3 or '"' in sys.argv[2]:
        sys.exit('new: a name and one line, please (nox -s new -- cb-x "What it is for, in one line")')
    try:
        package = write(sys.argv[1], sys.argv[2])
    except Problem as problem:
        sys.exit(f"new: {problem}")
    print(f"packages/{package} is there. README.md's table wants a row:\n")
    print(
        f"| [{package}](packages/{package}/) | {package.description} | | `{package.settings.next}` | see its README |"
    )


if __name__ == "__main__":
    main()
