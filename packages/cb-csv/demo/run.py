"""cb-csv at work on the input beside this file."""

from __future__ import annotations

import subprocess

print("What cb-csv can do:", flush=True)
subprocess.run(["cb-csv", "--help"], check=True)
