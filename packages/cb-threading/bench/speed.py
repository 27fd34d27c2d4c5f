"""Clients on the same list, each a process of its own, interleaved, on tmpfs; what came is checked."""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
CB = [sys.executable, "-m", "cb_threading", "fetch", "--no-robots", "-q"]


@dataclass
class Client:
    name: str
    command: list[str]  # {urls}, {out}, {jobs}, {curl} are filled in
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    wrong: int = 0


def clients(ca: str, only: set[str] | None = None) -> list[Client]:
    peer = [sys.executable, str(HERE / "peers.py")]
    list_of = ["{urls}", "-o", "{out}", "--jobs", "{jobs}", "--per-host", "{jobs}", "--ca", ca]
    curl = ["curl", "-sS", "--cacert", ca, "--parallel", "--parallel-max", "{jobs}", "-K", "{curl}"]
    sums = "cd {out} && ls | xargs sha256sum"
    trust = ["-q", f"--ca-certificate={ca}", "-i", "{urls}"]
    one = f"curl -sSO --cacert {ca}"
    found = [
        Client("cb-threading", [*CB, *list_of]),
        Client("cb-threading --hash none", [*CB, *list_of, "--hash", "none"]),
        Client("cb-threading --engine http", [*CB, *list_of, "--engine", "http"]),
        Client("curl --parallel", curl),
        Client("curl --parallel, then sha256sum", ["sh", "-c", f"{' '.join(curl)} && {sums}"]),
        Client("wget2", ["wget2", *trust, "-P", "{out}", "--max-threads={jobs}"]),
        Client("aria2c", ["aria2c", *trust, "-d", "{out}", "-j{jobs}", "--file-allocation=none"]),
        Client("wget", ["wget", *trust, "-P", "{out}"]),
        Client("xargs -n1 curl", ["sh", "-c", f"cd {{out}} && xargs -P {{jobs}} -n1 {one} < {{urls}}"]),
        *(Client(name, [*peer, name, "{urls}", "{out}", "{jobs}"])
          for name in ("urllib3", "requests", "httpx", "aiohttp", "scrapy")),
    ]  # fmt: skip
    there = [one for one in found if shutil.which(one.command[0]) and (only is None or one.name in only)]
    for one in found:
        if one not in there and (only is None or one.name in only):
            print(f"left out: {one.name} is not installed here", flush=True)
    return there


def run(client: Client, urls: list[str], sizes: dict[str, int], scratch: Path, jobs: int, ca: str) -> None:
    out = scratch / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    (scratch / "urls").write_text("".join(f"{url}\n" for url in urls))
    lines = (f'url="{url}"\noutput="{out}/{url.rpartition("/")[2]}"\n' for url in urls)
    (scratch / "curl").write_text("".join(lines))
    fill = {"{urls}": str(scratch / "urls"), "{out}": str(out), "{jobs}": str(jobs), "{curl}": str(scratch / "curl")}
    command = client.command
    for mark, value in fill.items():
        command = [word.replace(mark, value) for word in command]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**environment, "BENCH_CA": ca}, check=False
    )
    client.wall.append(time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    client.cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    there = {path.name: path.stat().st_size for path in out.iterdir() if path.is_file()}
    client.wrong += sum(there.get(name) != size for name, size in sizes.items())
    if done.returncode:
        print(f"{client.name}: status {done.returncode}: {done.stderr.decode()[-200:]}", flush=True)
    shutil.rmtree(out)


def compare(
    urls: list[str],
    sizes: dict[str, int],
    scratch: Path,
    *,
    jobs: int,
    rounds: int,
    ca: str,
    only: set[str] | None = None,
) -> list[Client]:
    taking_part = clients(ca, only)
    for number in range(rounds):
        order = taking_part if number % 2 else taking_part[::-1]
        for client in order:
            if number < 2 or client.wall[0] < 5:  # the slowest ones twice
                run(client, urls, sizes, scratch, jobs, ca)
    return taking_part


def rows(taking_part: list[Client], pages: int) -> list[list[str]]:
    ours = min(taking_part[0].wall)
    ours_median = statistics.median(taking_part[0].wall)
    found = []
    for one in sorted(taking_part, key=lambda client: min(client.wall)):
        wall, median = min(one.wall), statistics.median(one.wall)
        found.append([
            one.name, f"{wall:.3f}", f"{median:.3f}", f"{min(one.cpu):.2f}", f"{pages / wall:,.0f}",
            f"{wall / ours:.2f}", f"{median / ours_median:.2f}", str(one.wrong),
        ])  # fmt: skip
    return found
