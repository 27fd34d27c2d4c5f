"""Install what the packages' tests need into the environment that runs this.

Hatch installs the packages of a workspace, but knows nothing of their dependency groups.
"""

from __future__ import annotations

import subprocess
import sys

from house.catalogue import find

groups = [f"--group={package.path / 'pyproject.toml'}:test" for package in find() if "test" in package.groups]
sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *groups], check=False).returncode)
