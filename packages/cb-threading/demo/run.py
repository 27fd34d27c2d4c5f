"""cb-threading at work on the input beside this file."""

from __future__ import annotations

import subprocess

print("What cb-threading can do:", flush=True)
subprocess.run(["cb-threading", "--help"], check=True)
