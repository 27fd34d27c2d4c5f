"""The demo: edits whose diff is exactly the change, one path language over three formats, counters under a lock.

Run with the environment in which cb-dict is installed. It uses nothing but the command.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def run(folder: Path, *arguments: str, text: str | None = None, status: int = 0) -> str:
    """Run the command in a folder, show its first lines, return what it printed."""
    print("$ cb-dict", *arguments, flush=True)
    command = [sys.executable, "-m", "cb_dict", *arguments]
    done = subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, timeout=60, check=False)
    for line in [*done.stdout.splitlines()[:10], *done.stderr.splitlines()[:5]]:
        print(f"  {line}", flush=True)
    if done.returncode != status:
        sys.exit(f"cb-dict ended with status {done.returncode}, not {status}")
    return done.stdout


def main() -> None:
    """Five commands, each checked."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("app.jsonc", "product.json"):
            shutil.copy(HERE / name, folder)
        run(folder, "get", "app.jsonc", "database.pool.max", "features[-1]")
        shown = run(folder, "set", "app.jsonc", "database.port", "5433", "--dry-run")
        if sum(line.startswith(("+ ", "- ")) for line in shown.splitlines()) != 2:
            sys.exit("the edit changed more than its line")
        run(folder, "add", "-i", "product.json", "sold=1", "stock=-1", "--times", "100", "--min", "stock=0")
        run(folder, "add", "-i", "product.json", "stock=-5601", "--min", "stock=0", status=1)
        sold = json.loads((folder / "product.json").read_text())
        run(folder, "diff", str(HERE / "product.json"), "product.json", status=1)
        merged = run(folder, "merge", "app.jsonc", "product.json")
        if "// since March" not in merged or '"price": 2.750' not in merged:
            sys.exit("the merge changed what was there")
    print(f"result: {sold['sold']} sold, {sold['stock']} left, comments and 2.750 as they were")


if __name__ == "__main__":
    main()
