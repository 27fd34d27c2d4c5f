"""cb-decorators at work on the input beside this file."""

from __future__ import annotations

import subprocess

print("What cb-decorators can do:", flush=True)
subprocess.run(["cb-decorators", "--help"], check=True)
