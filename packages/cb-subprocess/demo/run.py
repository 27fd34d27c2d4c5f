"""cb-subprocess at work on the input beside this file."""

from __future__ import annotations

import subprocess

print("What cb-subprocess can do:", flush=True)
subprocess.run(["cb-subprocess", "--help"], check=True)
