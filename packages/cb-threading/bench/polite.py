"""20 hosts x 100 pages, sorted by host, 2 connections and 50 ms a host: how near to the bound, and is it kept?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

HOSTS, PAGES, DELAY = 20, 100, 0.05
BOUND = (PAGES - 1) * DELAY


def measure(port: int, log: Path, names: list[str], scratch: Path) -> tuple[float, int, int, float]:
    """Seconds, starts that were too early, moments with more than two at once, the closest two starts in ms."""
    urls = [f"http://127.0.0.{host}:{port}/{name}" for host in range(1, HOSTS + 1) for name in names[:PAGES]]
    (scratch / "polite.txt").write_text("".join(f"{url}\n" for url in urls))
    shutil.rmtree(scratch / "polite", ignore_errors=True)
    log.write_text("")
    command = [
        sys.executable,
        "-m",
        "cb_threading",
        "fetch",
        str(scratch / "polite.txt"),
        "-o",
        str(scratch / "polite"),
    ]
    command += ["--names", "host", "--per-host", "2", "--delay", "50ms", "--no-robots", "-q", "--jobs", "64"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=True)
    seconds = time.perf_counter() - start
    by_host: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for line in log.read_text().splitlines():
        host, end, took = line.split()
        by_host[host].append((float(end) - float(took), float(end)))
    early = crowded = 0
    closest = 1e9
    for spans in by_host.values():
        spans.sort()
        gaps = [later[0] - before[0] for before, later in pairwise(spans)]
        closest = min(closest, *gaps)
        early += sum(gap < DELAY - 0.0025 for gap in gaps)  # the log counts in milliseconds, twice
        third = zip(spans, spans[1:], spans[2:], strict=False)
        crowded += sum(three[0] < min(one[1], two[1]) for one, two, three in third)
    assert sum(map(len, by_host.values())) == HOSTS * PAGES
    return seconds, early, crowded, closest * 1000
