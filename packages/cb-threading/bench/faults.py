"""What clients make of a server that fails them: exit status, and what is left under the final name."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from site_on_loopback import Answer, Site, body, compressed, cut, drip, head, page, raw, redirect, stall, status

PAGE = page("/page", 50_000)
WHOLE = body(PAGE)
FAULTS: dict[str, Answer] = {
    "short body": cut(PAGE, 20_000),
    "reset": cut(PAGE, 20_000, reset=True),
    "stall": stall(PAGE, 20_000),
    "slow-loris": drip(PAGE),
    "429": status(429, Retry_After=1),
    "redirect loop": redirect("/page"),
    "gzip bomb": compressed(bytes(20_000_000)),
    "wrong length": raw(head(Content_Length=len(PAGE)) + PAGE + b"more than was promised"),
    "dead DNS": WHOLE,
    "full disk": WHOLE,
    "read-only folder": WHOLE,
    "two pages, one name": WHOLE,
    "Ctrl-C": stall(PAGE, 20_000),
    "kill -9": stall(PAGE, 20_000),
}
CURL = ["curl", "-sSfL", "--compressed", "--speed-time", "1", "--speed-limit", "1000", "--max-filesize", "1M"]
CB = [sys.executable, "-m", "cb_threading", "fetch", "--no-robots"]
# The words, and those for each URL.
TOOLS: dict[str, tuple[list[str], list[str]]] = {
    "cb-threading": ([*CB, "-o", "{out}", "--stall-timeout", "1", "--retries", "0", "--max-bytes", "1M"], ["{url}"]),
    "curl": (CURL, ["-o", "{out}/page", "{url}"]),
    "curl --parallel --remove-on-error": (
        [*CURL, "--parallel", "--remove-on-error"],
        ["-o", "{out}/page", "{url}"],
    ),
    "wget": (["wget", "-q", "--compression=auto", "--tries=1", "--timeout=1", "-P", "{out}"], ["{url}"]),
    "wget2": (["wget2", "-q", "--compression=gzip", "--tries=1", "--timeout=1000", "-P", "{out}"], ["{url}"]),
    "aria2c": (
        ["aria2c", "-q", "--http-accept-gzip=true", "--max-tries=1", "--timeout=1", "-d", "{out}", "-Z"],
        ["{url}"],
    ),
}
FOLDERS = {"full disk": "size=32k", "read-only folder": "ro"}  # of a tmpfs that is mounted there
PATIENCE = 12.0  # seconds


@contextmanager
def folder(out: Path, fault: str) -> Iterator[bool]:
    """An empty folder, as the fault wants it; False: not to be had here."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    if fault not in FOLDERS:
        yield True
        return
    mount = ["mount", "-t", "tmpfs", "-o", FOLDERS[fault], "tmpfs", str(out)]
    there = subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode == 0
    try:
        yield there
    finally:
        if there:
            subprocess.run(["umount", "-l", str(out)], check=True)


def trial(tool: str, fault: str, scratch: Path) -> str:
    """Run a tool against a fault; a few words: "ok", or what is wrong."""
    site = Site()
    site.routes |= {"/page": FAULTS[fault], "/a/page": WHOLE, "/b/page": body(PAGE[1:])}
    urls = [site.url("/a/page"), site.url("/b/page")] if fault == "two pages, one name" else [site.url("/page")]
    if fault == "dead DNS":
        urls = ["http://nowhere.invalid/page"]
    out = scratch / "faults"
    with folder(out, fault) as there:
        if not there:
            site.end()
            return "-"
        words, each = TOOLS[tool]
        command = [*words, *(word.replace("{url}", url) for url in urls for word in each)]
        code, seconds = ended([word.replace("{out}", str(out)) for word in command], fault, site)
        site.end()
        final = [path for path in out.rglob("page*") if path.suffix != ".aria2" and ".cb-threading" not in path.parts]
        left = [path.stat().st_size for path in final if path.is_file()]
    problems = [f"goes on after {seconds:.0f} s"] if code is None else []
    if fault == "two pages, one name":
        problems += ["status 0, one page is lost"] if code == 0 and len(left) < 2 else []
    elif fault != "wrong length" or (code, left) != (0, [len(PAGE)]):
        problems += ["status 0"] if code == 0 else []
        problems += [f"file of {left[0] / 1000:,.0f} kB"] if left else []
    return ", ".join(problems) or "ok"


def ended(command: list[str], fault: str, site: Site) -> tuple[int | None, float]:
    """Run the command; its status, None if it had to be killed, and the seconds."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        if fault in ("Ctrl-C", "kill -9"):
            site.stalled.acquire(timeout=10)
            time.sleep(0.2)  # what came is on the disk
            process.send_signal(signal.SIGINT if fault == "Ctrl-C" else signal.SIGKILL)
        return process.wait(PATIENCE), time.perf_counter() - start
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None, time.perf_counter() - start


def table(scratch: Path) -> list[list[str]]:
    there = {tool: shutil.which(words[0]) for tool, (words, _) in TOOLS.items()}
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
