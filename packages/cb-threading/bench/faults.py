"""What clients make of a server that fails them: exit status, and what is left under the final name."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from site_on_loopback import Answer, Site, compressed, cut, drip, page, redirect, stall, status

PAGE = page("/page", 50_000)
FAULTS: dict[str, Answer] = {
    "short body": cut(PAGE, 20_000),
    "reset": cut(PAGE, 20_000, reset=True),
    "stall": stall(PAGE, 20_000),
    "slow-loris": drip(PAGE),
    "429": status(429, Retry_After=1),
    "redirect loop": redirect("/page"),
    "gzip bomb": compressed(bytes(20_000_000)),
    "Ctrl-C": stall(PAGE, 20_000),
    "kill -9": stall(PAGE, 20_000),
}
CURL = ["curl", "-sSfL", "--compressed", "--speed-time", "1", "--speed-limit", "1000", "--max-filesize", "1M"]
CB = [sys.executable, "-m", "cb_threading", "fetch", "--no-robots"]
TOOLS = {
    "cb-threading": [*CB, "{url}", "-o", "{out}", "--stall-timeout", "1", "--retries", "0", "--max-bytes", "1M"],
    "curl": [*CURL, "-o", "{out}/page", "{url}"],
    "curl --parallel --remove-on-error": [*CURL, "--parallel", "--remove-on-error", "-o", "{out}/page", "{url}"],
    "wget": ["wget", "-q", "--compression=auto", "--tries=1", "--timeout=1", "-P", "{out}", "{url}"],
    "wget2": ["wget2", "-q", "--compression=gzip", "--tries=1", "--timeout=1000", "-P", "{out}", "{url}"],
    "aria2c": ["aria2c", "-q", "--http-accept-gzip=true", "--max-tries=1", "--timeout=1", "-d", "{out}", "{url}"],
}
PATIENCE = 12.0  # seconds


def trial(tool: str, fault: str, scratch: Path) -> str:
    """Run a tool against a fault; a few words: "ok", or what is wrong."""
    site = Site()
    site.routes["/page"] = FAULTS[fault]
    out = scratch / "faults"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    command = [word.replace("{url}", site.url("/page")).replace("{out}", str(out)) for word in TOOLS[tool]]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        if fault in ("Ctrl-C", "kill -9"):
            site.stalled.acquire(timeout=10)
            time.sleep(0.2)  # what came is on the disk
            process.send_signal(signal.SIGINT if fault == "Ctrl-C" else signal.SIGKILL)
        code: int | None = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        code = None
        process.kill()
        process.wait()
    seconds = time.perf_counter() - start
    site.end()
    left = out / "page"
    problems = [f"goes on after {seconds:.0f} s"] if code is None else []
    problems += ["status 0"] if code == 0 else []
    problems += [f"file of {left.stat().st_size / 1000:,.0f} kB"] if left.exists() else []
    return ", ".join(problems) or "ok"


def table(scratch: Path) -> list[list[str]]:
    there = {tool: shutil.which(command[0]) for tool, command in TOOLS.items()}
    return [[fault, *(trial(tool, fault, scratch) if there[tool] else "-" for tool in TOOLS)] for fault in FAULTS]


def ctrl_c(scratch: Path, rounds: int) -> list[float]:
    """Seconds from SIGINT to the end, with 64 transfers under way."""
    found = []
    for _ in range(rounds):
        site = Site()
        site.routes |= {f"/{n}": stall(PAGE, 20_000) for n in range(64)}
        (scratch / "urls").write_text("".join(f"{site.url(f'/{n}')}\n" for n in range(64)))
        out = scratch / "ctrl-c"
        shutil.rmtree(out, ignore_errors=True)
        command = [
            sys.executable,
            "-m",
            "cb_threading",
            "fetch",
            str(scratch / "urls"),
            "-o",
            str(out),
            "--per-host",
            "64",
        ]
        process = subprocess.Popen([*command, "--no-robots"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(64):
            site.stalled.acquire(timeout=20)
        start = time.perf_counter()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        found.append(time.perf_counter() - start)
        site.end()
    return found
