"""The demo: a slow command is run once for four who ask, a function runs over real lines, and the book's session.

Run with the environment in which cb-decorators is installed. It uses nothing but the command.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
COMMAND = [sys.executable, "-m", "cb_decorators"]


def run(*arguments: str, text: str | None = None) -> str:
    """Run the command, show its first lines, return what it printed."""
    print("$ cb-decorators", *arguments, flush=True)
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=HERE, input=text, capture_output=True, text=True, timeout=60, check=False
    )
    lines = done.stdout.splitlines()
    for line in [*lines[:6], *([f"… {len(lines) - 6} more"] if len(lines) > 6 else []), *done.stderr.splitlines()[:6]]:
        print(f"  {line}", flush=True)
    if done.returncode:
        sys.exit(f"cb-decorators ended with status {done.returncode}")
    return done.stdout


def main() -> None:
    """Three parts, each checked."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        slow = [
            "exec",
            "--ttl",
            "10m",
            "--",
            "sh",
            "-c",
            "echo run >> $XDG_CACHE_HOME/runs; sleep 1; wc -l < words.txt",
        ]
        print("$ four times at once: cb-decorators", *slow, flush=True)
        start = time.perf_counter()
        every = [subprocess.Popen([*COMMAND, *slow], cwd=HERE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        answers = [one.communicate(timeout=60)[0].strip() for one in every]
        spent = time.perf_counter() - start
        runs = Path(folder, "runs").read_text().count("run")
        print(f"  {answers}, {runs} run, {spent:.1f} s", flush=True)
        if len(set(answers)) != 1 or runs != 1:
            sys.exit(f"expected one run and one answer, got {runs} and {answers}")
        run("stats")
        words = (HERE / "words.txt").read_text()
        line = ("run", "cb_decorators.palindrome:complete", "--cache", "--time")
        found = run(*line, text="".join(f'"{word}"\n' for word in words.split()))
        completed = run("palindrome", text=words)
        if [one.strip('"') for one in found.splitlines()] != completed.splitlines():
            sys.exit("run and palindrome do not agree")
    run("palindrome", "-i", "--time", "--no-spaces", "--cache", text="anita lava la tina\nanitalavalatina\nexit\n")
    print(f"result: 1 run for 4 askers, {len(completed.splitlines())} words completed twice to the same palindromes")


if __name__ == "__main__":
    main()
