"""cb-threading beside its peers, in one run, interleaved.

    python run.py [--quick] [--only PART ...] [--readme]

Every client is a process of its own and pays for its start. Files go to a tmpfs.
"""

from __future__ import annotations

import argparse
import ast
import heapq
import importlib.metadata
import os
import platform
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import faults
import polite
import speed
import toolkit
from servers import made_up, nginx, slow
from slow_server import delay

from house.tables import Table, put

README = Path(__file__).parent.parent / "README.md"
COLUMNS = ["client", "best s", "median s", "CPU s", "pages/s", "best, x ours", "median, x ours", "wrong"]
DONE: dict[str, Table] = {}


def show(key: str, table: Table) -> None:
    DONE[key] = table
    print(f"\n{table.text()}\n", flush=True)


def pages(www: Path, name: str, count: int, low: int, high: int) -> tuple[list[str], dict[str, int]]:
    """Write random text pages; their names, and sizes by name."""
    chance = random.Random(name)
    sizes = {f"{name}{number:04}.txt": chance.randrange(low, high) for number in range(count)}
    for file, size in sizes.items():
        (www / file).write_bytes(chance.randbytes(size // 2 + 1).hex().encode()[:size])
    return list(sizes), sizes


def versions() -> str:
    def first_line(*command: str) -> str:
        if not shutil.which(command[0]):
            return ""
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.partition("\n")[0]

    names = ("pycurl", "requests", "urllib3", "httpx", "aiohttp", "scrapy", "apscheduler", "readerwriterlock")
    found = []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            print(f"left out: {name} is not installed here")
    tools = [" ".join(first_line(*words).split()[:3]) for words in (("curl", "-V"), ("wget2", "-V"), ("aria2c", "-v"))]
    return f"Python {platform.python_version()}, {os.cpu_count()} cores; {', '.join([*found, *filter(None, tools)])}"


def part_speed(scratch: Path, www: Path, quick: bool) -> None:
    count, rounds = (200, 2) if quick else (2000, 5)
    with nginx(scratch, www) as (plain, tls, _, ca):
        http, https = f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}"
        quickest = {
            "cb-threading",
            "cb-threading --hash none",
            "curl --parallel",
            "wget2",
            "requests",
            "urllib3",
            "httpx",
        }
        for key, title, low, high, host, jobs, only in (
            ("speed", f"{count:,} pages of 40 to 60 kB, 16 connections", 40_000, 60_000, http, 16, None),
            ("small", f"{count:,} pages of 2 kB, 16 connections", 2_000, 2_001, http, 16, quickest),
            ("tls", f"{count // 4} pages of 40 to 60 kB over TLS, 16 connections", 40_000, 60_000, https, 16, quickest),
        ):
            names, sizes = pages(www, key, count // 4 if key == "tls" else count, low, high)
            urls = [f"{host}/{name}" for name in names]
            found = speed.compare(urls, sizes, scratch, jobs=jobs, rounds=rounds, ca=ca, only=only)
            show(
                key, Table(title, COLUMNS, speed.rows(found, len(urls)), "wrong: files that are missing or not whole.")
            )


def part_slow(scratch: Path, www: Path, quick: bool) -> None:
    names, sizes = pages(www, "slow", 100 if quick else 2000, 40_000, 60_000)
    delays = [delay(f"/{name}") for name in names]
    ideal = sum(delays) / 64
    connections = [0.0] * 64
    for seconds in delays:  # who does not know them asks for the next page where one has just come
        heapq.heapreplace(connections, connections[0] + seconds)
    only = {"cb-threading", "cb-threading --hash none", "cb-threading --engine http", "curl --parallel"}
    only |= {"wget2", "aria2c", "requests", "httpx", "aiohttp", "scrapy"}
    with slow(www) as port:
        urls = [f"http://127.0.0.1:{port}/{name}" for name in names]
        found = speed.compare(urls, sizes, scratch, jobs=64, rounds=2, ca=made_up(scratch), only=only)
    title = f"{len(names)} pages, the server takes 50 to 200 ms for each, 64 connections"
    rows = [[*row[:4], f"{float(row[1]) / ideal:.2f}", row[-1]] for row in speed.rows(found, len(names))]
    note = (
        f"Ideal: {ideal:.2f} s, the sum of the delays / 64. In this order of the list {max(connections):.2f} s at best."
    )
    show("slow", Table(title, [*COLUMNS[:4], "x ideal", "wrong"], rows, note))


def part_polite(scratch: Path, www: Path, quick: bool) -> None:
    names, _ = pages(www, "polite", polite.PAGES, 2_000, 4_000)
    rows = []
    with nginx(scratch, www) as (plain, _, log, _):
        for _ in range(1 if quick else 3):
            seconds, early, crowded, closest = polite.measure(plain, log, names, scratch)
            bound = f"{seconds / polite.BOUND:.3f}"
            rows.append([f"{polite.BOUND:.2f} s", f"{seconds:.2f}", bound, str(early), str(crowded), f"{closest:.0f}"])
    columns = ["bound", "measured s", "x bound", "too early", "more than 2 at once", "closest two, ms"]
    show("polite", Table("20 hosts x 100 pages, 2 connections and 50 ms a host", columns, rows, "By the server's log."))


def part_toolkit(scratch: Path, www: Path, quick: bool) -> None:
    rows = []
    for count in (1000,) if quick else (10_000, 100_000):
        for kind in ("TimerService", "asyncio", "APScheduler", "threading.Timer"):
            if count > 10_000 and kind == "threading.Timer":
                rows.append([f"{count:,} x {kind}", *"-------"])
                continue
            costly = kind == "threading.Timer" or (kind == "APScheduler" and count > 10_000)  # a quarter to two minutes
            script = str(Path(__file__).with_name("toolkit.py"))
            best: dict[str, float] = {}
            for _ in range(1 if quick or costly else 3):
                done = subprocess.run(
                    [sys.executable, script, kind, str(count)], capture_output=True, text=True, check=False
                )
                if done.returncode:
                    print(f"{kind}: {done.stderr[-300:]}")
                    continue
                one: dict[str, float] = ast.literal_eval(done.stdout)
                best = one if not best or one["p99"] < best["p99"] else best
            if best:
                spoken = {"set up": ".3f", "threads": ",.0f", "MB": ".0f", "p50": ".2f", "p99": ".1f", "cpu": ".2f"}
                cells = [format(best[name], form) for name, form in spoken.items()]
                rows.append([f"{count:,} x {kind}", *cells, f"{best['fired']:,.0f}"])
    columns = ["timers", "set up s", "threads", "MB", "late p50 ms", "late p99 ms", "CPU s", "fired"]
    note = (
        "threading.Timer takes a thread for each: 100,000 were not tried. The two slowest ran once, the others thrice."
    )
    show("timers", Table("Timers that are due 1.5 to 2.5 s later", columns, rows, note))
    rows = []
    threads = (1, 4, 16)
    for name, make in toolkit.STORES.items():
        found = [max(toolkit.repository(make, number, (2_000 if quick else 200_000) // number) for _ in range(3))
                 for number in threads]  # fmt: skip
        rows.append([name, *(f"{speed_:.2f}" for speed_, _ in found), str(sum(lost for _, lost in found))])
    columns = ["100 rows, 9 reads to 1 update", *(f"{number} threads" for number in threads), "lost"]
    show("repository", Table("Repository, million operations a second", columns, rows))
    rows = []
    for name, make in toolkit.LIMITERS.items():
        few, many, total = toolkit.fairness(make, 0.2 if quick else 1.5)
        rows.append([name, f"{few:,}", f"{many:,}", f"{many / max(few, 1):.2f}", f"{total:,}"])
    show(
        "limiter", Table("Limiter: 8 equal threads, 2 places", ["", "fewest", "most", "most / fewest", "in all"], rows)
    )


def part_faults(scratch: Path, www: Path, quick: bool) -> None:
    note = (
        "ok: a status that is not 0, and no file under the final name; of a wrong length also: the promised bytes; "
        "of two pages with one name also: both. A try, time-outs of 1 s, at most 1 MB."
    )
    show("faults", Table("A server that fails its clients", ["fault", *faults.TOOLS], faults.table(scratch), note))
    times = faults.ctrl_c(scratch, 2 if quick else 7)
    rows = [[f"{min(times) * 1000:.0f}", f"{statistics.median(times) * 1000:.0f}", f"{max(times) * 1000:.0f}"]]
    show("ctrl-c", Table("Ctrl-C with 64 transfers under way, ms to the end", ["best", "median", "worst"], rows))


def part_growth(scratch: Path, www: Path, quick: bool) -> None:
    """Time and peak memory at three sizes."""
    rows = []
    with nginx(scratch, www) as (plain, _, _, _):
        pages(www, "one", 1, 1_000, 1_001)
        for count in (100, 200, 400) if quick else (10_000, 30_000, 100_000):
            (scratch / "many").write_text("".join(f"http://127.0.0.1:{plain}/one0000.txt?{n}\n" for n in range(count)))
            shutil.rmtree(scratch / "many.out", ignore_errors=True)
            command = [
                sys.executable,
                "-m",
                "cb_threading",
                "fetch",
                str(scratch / "many"),
                "-o",
                str(scratch / "many.out"),
            ]
            code = (
                "import resource, subprocess, sys, time; t = time.perf_counter();"
                "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True);"
                "print(time.perf_counter() - t, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
            )
            words = [sys.executable, "-c", code, *command, "--per-host", "16", "--no-robots", "-q"]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            seconds, memory = map(float, done.stdout.split())
            rows.append([f"{count:,}", f"{seconds:.2f}", f"{seconds / count * 1e6:.0f}", f"{memory:.0f}"])
            shutil.rmtree(scratch / "many.out", ignore_errors=True)
    show("growth", Table("Pages of 1 kB: time and memory grow with the list", ["URLs", "s", "us a page", "MB"], rows))


PARTS: dict[str, Callable[[Path, Path, bool], None]] = {
    "speed": part_speed,
    "slow": part_slow,
    "polite": part_polite,
    "toolkit": part_toolkit,
    "faults": part_faults,
    "growth": part_growth,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small counts: does it run?")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--readme", action="store_true", help="write the tables into README.md")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # not as a shell's background has it: the peers inherit it
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 8192), hard), hard))
    print(versions())
    base = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="cb-threading-bench-", dir=base) as folder:
        for part in options.only:
            scratch = Path(folder, part)
            www = scratch / "www"
            www.mkdir(parents=True)
            PARTS[part](scratch, www, options.quick)
            shutil.rmtree(scratch)
    if options.readme:
        put(README, "versions", versions())
        for key, table in DONE.items():
            put(README, key, table.markdown())


if __name__ == "__main__":
    main()
