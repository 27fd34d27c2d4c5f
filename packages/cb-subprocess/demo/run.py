"""The demo: checksums of files, some at once, killed in mid-run and resumed; a time-out that leaves nothing behind.

Run with the environment in which cb-subprocess is installed. It uses nothing but the command.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

COMMAND = [sys.executable, "-m", "cb_subprocess"]


def run(*arguments: str, status: int = 0) -> list[str]:
    """Run the command, show its first lines, return all."""
    print("$ cb-subprocess", *arguments, flush=True)
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False)
    lines = done.stdout.splitlines()
    for text in [*lines[:4], *([f"… {len(lines) - 4} more"] if len(lines) > 4 else []), *done.stderr.splitlines()]:
        print(f"  {text}", flush=True)
    if done.returncode != status:
        sys.exit(f"cb-subprocess ended with status {done.returncode}, not {status}")
    return lines


def main() -> None:
    """Each part, checked."""
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder, f"file {number}.dat")) for number in range(40)]
        for number, name in enumerate(files):
            Path(name).write_bytes(b"%d" % number * 1000)
        run("size", "--top", "3", folder)
        log = str(Path(folder, "log"))
        words = ["batch", "-j2", "-k", "--joblog", log, "--resume", "sh", "-c", 'sleep 0.05; sha256sum "$0"', ":::"]
        print("$ cb-subprocess", *words, "40 files", "  # and kill -9 after eight of them", flush=True)
        with subprocess.Popen([*COMMAND, *words, *files], stdout=subprocess.PIPE, text=True) as batch:
            assert batch.stdout is not None
            early = [batch.stdout.readline() for _ in range(8)]
            batch.send_signal(signal.SIGKILL)
            early += batch.stdout.readlines()
        finished = len(Path(log).read_text().splitlines()) - 1
        print(f"  killed; {finished} jobs are in the log", flush=True)
        late = run(*words, *files)
        if finished + len(late) != 40 or finished < len(early):
            sys.exit(f"{finished} before and {len(late)} after the kill are not 40 jobs")
    run("run", "--timeout", "0.5", "--", "sh", "-c", "setsid sleep 60 & sleep 60", status=124)
    run("pipe", "--", "seq", "1000", "+", "grep", "7", "+", "wc", "-l")
    print(f"result: 40 checksums, {finished} before kill -9 and {len(late)} after, none twice; a time-out in time")


if __name__ == "__main__":
    main()
