"""The demo: a parts list as a workshop sent it is found out about, checked, repaired, summarized and added to.

Run with the environment in which cb-csv is installed. It uses nothing but the command.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

PARTS = Path(__file__).parent / "data" / "parts.csv"


def shell(line: str, *, status: int = 0, lines: int = 12) -> None:
    """Run a line, show it and the first lines that come of it."""
    print(f"\n$ {line}", flush=True)
    command = line.replace("cb-csv", f"'{sys.executable}' -m cb_csv")
    ran = subprocess.run(
        ["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    shown = ran.stdout.splitlines()
    print("\n".join(shown[:lines]))
    if len(shown) > lines:
        print(f"… {len(shown) - lines} more lines")
    if ran.returncode != status:
        sys.exit(f"demo: status {ran.returncode}, not {status}")


def main() -> None:
    """All steps, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("parts.csv").write_bytes(PARTS.read_bytes())
        shell("cb-csv detect parts.csv")
        shell("cb-csv check --detect parts.csv", status=1)
        shell("cb-csv convert parts.csv clean.csv --on-fault repair")
        shell("cb-csv check clean.csv")
        shell("cb-csv stats clean.csv")
        shell("""echo '{"Teil": "P-061", "Preis": "9,90", "Bezeichnung": "Kolben", "Bestand": 3, "Geprüft": ""}' """
              "| cb-csv append clean.csv")  # fmt: skip
        shell("cb-csv dicts clean.csv | tail -2")


if __name__ == "__main__":
    main()
