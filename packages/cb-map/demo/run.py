"""The demo: products get their latest price, users lose their secrets, and a function runs on all cores.

Run with the environment in which cb-map is installed. It uses nothing but the command.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
COMMAND = [sys.executable, "-m", "cb_map"]


def run(*arguments: str, status: int = 0) -> list[str]:
    """Run the command, show its first lines, return all."""
    print("$ cb-map", *arguments, flush=True)
    done = subprocess.run([*COMMAND, *arguments], cwd=HERE, capture_output=True, text=True, timeout=60, check=False)
    lines = done.stdout.splitlines()
    for text in [*lines[:4], *([f"… {len(lines) - 4} more"] if len(lines) > 4 else []), *done.stderr.splitlines()]:
        print(f"  {text}", flush=True)
    if done.returncode != status:
        sys.exit(f"cb-map ended with status {done.returncode}, not {status}")
    return lines


def main() -> None:
    """All parts, each checked."""
    attach = "attach --from prices.csv --key id --foreign product_id --latest date --into price products.jsonl"
    products = [json.loads(line) for line in run(*attach.split())]
    if [product["price"]["amount"] for product in products] != ["3.99", "1.99", "3.00"]:
        sys.exit("not the latest prices")
    users = run("pick", "name", "users.jsonl")
    if users != ['{"name":"svinci"}', '{"name":"admin"}']:
        sys.exit("not the names alone")
    run("omit", "salt,*password*", "users.jsonl")
    run("omit", "salt,*password*", "--preview", "2", "users.jsonl")
    lengths = run("apply", "--jobs", "2", "-e", "{'name': x['name'], 'letters': len(x['name'])}", "products.jsonl")
    good = run("apply", "-e", "x['id']", "--on-error", "skip", "broken.jsonl", status=1)
    print(f"result: {len(products)} products priced, {len(users)} users without secrets, {len(lengths)} results from")
    print(f"two processes, and {len(good)} of 3 records out of a file that has a broken line")


if __name__ == "__main__":
    main()
