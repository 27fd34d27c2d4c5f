"""cb-logging at work on the input beside this file."""

from __future__ import annotations

import subprocess

print("What cb-logging can do:", flush=True)
subprocess.run(["cb-logging", "--help"], check=True)
