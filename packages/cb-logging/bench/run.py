"""cb-logging and its peers on the same job, side by side, in one run: tables, ratios, and the aims from them.

python run.py                       every section but the largest files
python run.py --only calls,json     some: calls json queue filtered rotate killed contacts read
python run.py --only read --megabytes 1000
python run.py --rounds 5 --keep     keep the tables for README
python run.py --readme              put the kept tables into README.md
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

from house.tables import Table, put

HERE = Path(__file__).parent
SECTIONS = ("calls", "json", "queue", "filtered", "rotate", "killed", "contacts", "read")
CALLS = {
    "calls": ("Text record, the book's format, on disk when the call returns", "text",
              {"stdlib": 4, "structlog": 5, "loguru": 6}),
    "json": ("JSON record with call site and three fields", "json",
             {"python-json-logger": 6, "python-json-logger, orjson": 6, "structlog": 3, "loguru": 10}),
    "queue": ("The caller does not wait for the file (ours: the spool)", "queue", {"stdlib": 5, "loguru": 50}),
    "filtered": ("A call below the level, without the loop around it", "filtered",
                 {"stdlib": 1.67, "structlog": 0, "loguru": 0}),
}  # fmt: skip
NAMES = {
    ("stdlib", "queue"): "QueueHandler",
    ("loguru", "queue"): "loguru enqueue",
    ("cb-logging", "queue"): "cb-logging spool",
}
PEERS = ("structlog", "loguru", "python-json-logger", "concurrent-log-handler", "orjson")


# A record's first line in mawk's words; without it a traceback's lines are counted as well.
_DATE, _TIME = "-".join(["[0-9]" * 4, "[0-9]" * 2, "[0-9]" * 2]), ":".join(["[0-9]" * 2] * 3)
RECORD = f"^{_DATE} {_TIME},{'[0-9]' * 3} - \\[[A-Z]+\\] \\["
BY_LEVEL = "{n[$4]++} END {for (k in n) print k, n[k]}"
BY_MODULE = '{split($6, m, ":"); n[$4 m[1]]++} END {for (k in n) print k, n[k]}'
LOOKUPS = """
import csv, sys, time
path, name = sys.argv[1:3]
def book():
    with open(path) as file:
        return [one for one in list(csv.DictReader(file)) if one["name"] == name][0]
def to_the_hit():
    with open(path, newline="") as file:
        for row in csv.reader(file):
            if row[0] == name:
                return row
from cb_logging import Contacts
def ours():
    return Contacts(path).get(name)[0]
work = globals()[sys.argv[3]]
start = time.perf_counter()
assert "123" in str(work())
print(1000 * (time.perf_counter() - start))
"""


def progress(text):
    print(text, file=sys.stderr, flush=True)


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    found = []
    for name in PEERS:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} left out")
    import os

    cores = len(os.sched_getaffinity(0))
    system = f"{platform.system()} {platform.release()}; Python {platform.python_version()}"
    return f"{cores} cores, {model[1] if model else '?'}, {system}; {', '.join(found)}"


def verdict(ratio, aim):
    return "" if not aim else f"≥ {aim:g} {'reached' if ratio >= aim else 'NOT reached'}"


def calls(section, folder, rounds, records):
    title, job, aims = CALLS[section]
    contenders = ["cb-logging", *aims]
    found = {name: [] for name in contenders}
    for number in range(rounds):
        for name in contenders:
            path = folder / f"{name}-{job}.log"
            command = [sys.executable, HERE / "peers.py", name, job, path, str(records)]
            ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=120)
            if ran.returncode or not ran.stdout:
                progress(f"left out: {name}: {ran.stderr.strip().splitlines()[-1:]}")
                continue
            found[name].append(tuple(map(float, ran.stdout.split())))
            path.unlink(missing_ok=True)
        progress(f"  {section}: round {number + 1}")
    rows = []
    mine = min(found["cb-logging"])[0]
    for name in contenders:
        if not found[name]:
            rows.append([name, "left out", "", "", ""])
            continue
        least = min(found[name])[0]
        middle = statistics.median(one for one, _ in found[name])
        ratio = least / mine
        shown = NAMES.get((name, job), name)
        rows.append([shown, f"{least:,.0f}", f"{middle:,.0f}", f"{ratio:.2f}", verdict(ratio, aims.get(name, 0))])
    return Table(title, ["", "min ns", "median ns", "÷ ours", "aim"], rows).markdown()


def rotate(folder, processes, threads, records, size):
    rows = []
    mine = 0.0
    for name in ("cb-logging", "concurrent-log-handler", "stdlib", "loguru"):
        place = folder / name
        place.mkdir()
        command = [sys.executable, HERE / "rotating.py", name, place / "app.log"]
        start = time.perf_counter()
        children = [
            subprocess.Popen(
                list(map(str, [*command, f"p{number}", threads, records, size])), stderr=subprocess.DEVNULL
            )
            for number in range(processes)
        ]
        for child in children:
            child.wait(200)
        took = time.perf_counter() - start
        total = processes * threads * records
        seen, torn = {}, 0
        largest = 0
        for file in place.iterdir():
            if file.name.startswith((".", "__")) or "lock" in file.name:
                continue
            data = file.read_bytes()
            largest = max(largest, len(data))
            for line in data.splitlines():
                match = re.search(rb"\) (p\d+-\d+ \d+)$", line)
                if match:
                    seen[match[1]] = seen.get(match[1], 0) + 1
                else:
                    torn += 1
        lost, twice = total - len(seen), sum(seen.values()) - len(seen)
        speed = total / took
        mine = mine or speed
        aim = 4 if name == "concurrent-log-handler" else 0
        rows.append(
            [name, f"{speed:,.0f}", f"{mine / speed:.2f}", f"{lost:,} ({100 * lost / total:.1f} %)",
             str(torn), str(twice), f"{largest / 1e6:.2f}", verdict(mine / speed, aim)]
        )  # fmt: skip
        progress(f"  rotate: {name} {took:.1f} s")
        shutil.rmtree(place)
    title = f"One file, {processes} processes of {threads} threads, {total:,} lines, rotated each {size / 1e6:g} MB"
    return Table(title, ["", "lines/s", "ours ÷", "lost", "torn", "twice", "largest MB", "aim"], rows).markdown()


def killed(folder, records):
    rows = []
    for name in ("cb-logging", "cb-logging+queue", "stdlib", "stdlib+queue", "structlog", "loguru", "loguru+queue"):
        path = folder / f"{name}.log"
        command = [sys.executable, HERE / "killed.py", name, path, str(records)]
        subprocess.run(list(map(str, command)), capture_output=True, check=False, timeout=120)
        there = path.read_bytes().count(b"\n")
        if name == "cb-logging+queue":
            from cb_logging import recover

            recover(path)
            there = path.read_bytes().count(b"\n")
        rows.append([NAMES.get(tuple(name.split("+")), name), f"{records - there:,}"])
        path.unlink()
    return Table(f"SIGKILL right after {records:,} records", ["", "lost"], rows).markdown()


def contacts(folder, rounds):
    """A contact three quarters into a million, with nothing kept from an earlier look."""
    path = folder / "contacts.csv"
    with path.open("w") as file:
        file.write("name,number\n")
        file.writelines(f"Contact {number},{number:09d}-123\n" for number in range(1_000_000))
    found = {"ours": [], "book": [], "to_the_hit": []}
    for _ in range(rounds):
        for name, times in found.items():
            command = [sys.executable, "-c", LOOKUPS, path, "Contact 750000", name]
            ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
            times.append(float(ran.stdout))
    mine = min(found["ours"])
    shown = {
        "ours": "cb-logging, all of that name",
        "book": "the book's list(csv.DictReader)",
        "to_the_hit": "csv.reader, up to the first hit",
    }
    rows = [[shown[name], f"{min(times):,.1f}", f"{min(times) / mine:.1f}"] for name, times in found.items()]
    return Table("One of 1,000,000 contacts", ["", "min ms", "÷ ours"], rows).markdown()


def make_log(folder, megabytes):
    """A log in the book's format: ERROR one in 60, a third of these with a traceback; a record each 10 ms."""
    path = folder / f"{megabytes}.log"
    if path.exists():
        return path
    dice = random.Random(3)
    levels = ["DEBUG"] * 20 + ["INFO"] * 32 + ["WARNING"] * 6 + ["ERROR", "CRITICAL"]
    modules = ["till", "web", "db", "mail", "stock", "auth"]
    trace = 'Traceback (most recent call last):\n  File "x.py", line 12, in f\n    g()\nValueError: no such order\n'
    start = 1448000000
    number = size = 0
    seconds = ""
    with path.open("w") as file:
        while size < megabytes * 1_000_000:
            part = []
            for _ in range(100_000):
                level = dice.choice(levels)
                if number % 100 == 0:
                    seconds = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(start + number // 100))
                where = f"[{level}] [MainThread] ({dice.choice(modules)}:{dice.randrange(400)})"
                said = f"order {number} placed by customer {number * 7 % 9973}"
                part.append(f"{seconds},{number % 100 * 10:03d} - {where} {said}\n")
                if level == "ERROR" and number % 3 == 0:
                    part.append(trace)
                number += 1
            text = "".join(part)
            size += len(text)
            file.write(text)
    return path


def run_for(command, rounds):
    """Seconds, the least of some, and the peak in megabytes."""
    best, peak = None, 0
    out = tempfile.TemporaryFile()  # noqa: SIM115 - grep stops at the first match where it sees /dev/null
    for _ in range(rounds):
        start = time.perf_counter()
        timed = ["/usr/bin/time", "-f", "%M", *command] if shutil.which("time", path="/usr/bin") else command
        ran = subprocess.run(timed, stdout=out, stderr=subprocess.PIPE, text=True, check=False, timeout=300)
        took = time.perf_counter() - start
        best = took if best is None else min(best, took)
        numbers = re.findall(r"^(\d+)$", ran.stderr, re.MULTILINE)
        peak = max(peak, int(numbers[-1]) / 1000 if numbers else 0)
    return best, peak


def reading(folder, megabytes, rounds):
    path = str(make_log(folder, megabytes))
    cb = [sys.executable, "-m", "cb_logging"]
    middle = 1448000000 + int(megabytes * 1_000_000 / 100 / 100 / 2)
    since, until = (time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(middle + plus)) for plus in (0, 60))
    minute = since[:16]
    jobs = {
        "records of ERROR and above, tracebacks with them": {
            "cb-logging cat -l ERROR": ([*cb, "cat", "-l", "ERROR", path], 0),
            "grep -E (first lines only)": (["grep", "-E", r"^.{23} - \[(ERROR|CRITICAL)\]", path], 1.0),
            "ripgrep (first lines only)": (["rg", r"^.{23} - \[(ERROR|CRITICAL)\]", path], 1.4),
        },
        "one minute": {
            "cb-logging cat --since --until": ([*cb, "cat", "--since", since, "--until", until, path], 0),
            "awk": (["mawk", f'$0 >= "{since}" && $0 < "{until}"', path], 80 if megabytes >= 1000 else 0),
            "ripgrep of the prefix": (["rg", f"^{minute}", path], 0),
        },
        "records by level": {
            "cb-logging stats": ([*cb, "stats", path], 0),
            "lnav -n": (["lnav", "-n", "-c", ";select log_level, count(*) from all_logs group by log_level", path], 5),
            "mawk, records only": (["mawk", f"/{RECORD}/ {BY_LEVEL}", path], 8),
            "mawk, any line": (["mawk", BY_LEVEL, path], 8),
        },
        "records by level and module": {
            "cb-logging stats -b": ([*cb, "stats", "-b", "level", "-b", "module", path], 0),
            "mawk, records only": (["mawk", f"/{RECORD}/ {BY_MODULE}", path], 6),
            "mawk, any line": (["mawk", BY_MODULE, path], 6),
        },
    }
    found = []
    for title, contenders in jobs.items():
        rows = []
        mine = 0.0
        for name, (command, aim) in contenders.items():
            if shutil.which(command[0]) is None:
                rows.append([name, "left out", "", "", ""])
                continue
            if megabytes >= 1000 and name.startswith("lnav"):
                continue
            took, peak = run_for(command, rounds)
            mine = mine or took
            rows.append([name, f"{1000 * took:,.0f}", f"{took / mine:.2f}", f"{peak:.0f}", verdict(took / mine, aim)])
            progress(f"  {megabytes} MB, {title}: {name} {took:.2f} s")
        found.append(Table(f"{megabytes:,} MB: {title}", ["", "min ms", "÷ ours", "peak MB", "aim"], rows).markdown())
    return "\n\n".join(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SECTIONS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="keep the logs that are read here")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--readme", action="store_true")
    options = parser.parse_args()
    kept = HERE / "figures.json"
    figures = json.loads(kept.read_text()) if kept.exists() else {}
    if not options.readme:
        print(machine())
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            for section in options.only.split(","):
                if section in CALLS:
                    text = calls(section, folder, options.rounds, options.records)
                elif section == "rotate":
                    text = rotate(folder, 8, 4, 31_250 * options.records // 10_000, 1_000_000)
                elif section == "killed":
                    text = killed(folder, 20_000)
                elif section == "contacts":
                    text = contacts(folder, options.rounds)
                else:
                    text = reading(options.folder or folder, options.megabytes, options.rounds)
                print(f"\n{text}", flush=True)
                figures[f"read-{options.megabytes}" if section == "read" else section] = text
        figures["machine"] = machine()
        if options.keep:
            kept.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
        return
    readme = HERE.parent / "README.md"
    for section, shown in figures.items():
        put(readme, section, shown)


if __name__ == "__main__":
    main()
