"""cb-mail at work on the input beside this file."""

from __future__ import annotations

import subprocess

print("What cb-mail can do:", flush=True)
subprocess.run(["cb-mail", "--help"], check=True)
