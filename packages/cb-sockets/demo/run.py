"""The demo: a GPS log goes through a server as CRLF-terminated sentences; then an echo server is put under load.

Run with the environment in which cb-sockets is installed. It uses nothing but the command.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
COMMAND = [sys.executable, "-m", "cb_sockets"]


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """A server on a free port, drained by SIGTERM at the end; yields its address."""
    line = [*COMMAND, "serve", *arguments, "--listen", "127.0.0.1:0"]
    print("$ cb-sockets serve", *arguments, flush=True)
    with subprocess.Popen(line, cwd=HERE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            first = server.stderr.readline()
            print(f"  {first}", end="", flush=True)
            yield first.rpartition(" ")[2].strip()
        finally:
            server.send_signal(signal.SIGTERM)
            _, words = server.communicate(timeout=20)
            print(f"  {words}", end="", flush=True)
        if server.returncode:
            sys.exit(f"the server ended with status {server.returncode}")


def run(*arguments: str) -> list[str]:
    """Run the command, show its first lines, return all."""
    print("$ cb-sockets", *arguments, flush=True)
    done = subprocess.run([*COMMAND, *arguments], cwd=HERE, capture_output=True, text=True, timeout=60, check=False)
    lines = done.stdout.splitlines()
    for text in [*lines[:6], *([f"… {len(lines) - 6} more"] if len(lines) > 6 else []), *done.stderr.splitlines()]:
        print(f"  {text}", flush=True)
    if done.returncode:
        sys.exit(f"cb-sockets ended with status {done.returncode}")
    return lines


def main() -> None:
    """Both parts, each checked."""
    with serving("--handler", "gps:reply", "--frame", "crlf") as address:
        replies = run("send", address, "--frame", "crlf", "-f", "gps.nmea")
    sentences = len((HERE / "gps.nmea").read_text().splitlines())
    damaged = sum("checksum does not match" in reply for reply in replies)
    if (len(replies), damaged) != (sentences, 1):
        sys.exit(
            f"{len(replies)} replies to {sentences} sentences, {damaged} of them damaged: expected one of each, and 1"
        )
    with serving("echo", "--frame", "len:4be") as address:
        run("bench", address, "--frame", "len:4be", "-c", "10", "-d", "64", "--seconds", "1")
    print(f"result: {sentences} sentences answered in order, the damaged one found; echo load compared byte by byte")


if __name__ == "__main__":
    main()
