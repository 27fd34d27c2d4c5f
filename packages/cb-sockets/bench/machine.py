"""What the figures were measured on: cores, processor, kernel, Python and the versions of the peers."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from toolchain import compiler

PEERS = ("uvloop", "Twisted", "gevent", "trio", "anyio", "easynetwork")


def lines(generator: str) -> list[str]:
    """A line a fact."""
    found = [
        f"{len(os.sched_getaffinity(0))} cores, {_processor()}, {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, cb-sockets {_version('cb-sockets')}",
        "peers: " + ", ".join(f"{name} {_version(name)}" for name in PEERS),
        f"load generator: {generator}; compiler: {_compiler()}",
    ]
    usable = len(os.sched_getaffinity(0))
    found.append("servers on one core, the generator on another" if usable > 1 else "one core for server and generator")
    return found


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _compiler() -> str:
    command = compiler()
    if command is None:
        return "none"
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout
    return said.partition("\n")[0] or command
