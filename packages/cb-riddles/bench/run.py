"""The site beside the book's app, django-mcq and Django's "hello", on the same data, by wrk; growth; and imports."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import django
import load
import serve

from house.tables import Table, put

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
OURS = "cb-riddles (granian)"
BUILT, SAME, HELLO = "book as built (gunicorn)", "book, same server and database settings", "hello, same server"
# name: module, tuned, server
SITES = {
    "book (runserver)": ("book", "", "runserver"),
    BUILT: ("book", "", "gunicorn"),
    SAME: ("book", "1", "granian"),
    "cb-riddles (gunicorn)": ("cb_riddles.site.wsgi", "", "gunicorn"),
    OURS: ("cb_riddles.site.wsgi", "", "granian"),
}
MCQ = "django-mcq (gunicorn), logged in"
AIMS = {"list": {BUILT: 7.0, SAME: 2.5, HELLO: 0.7}, "detail": {BUILT: 5.0}, "answer": {BUILT: 2.5}}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def fill(data: Path, riddles: int) -> tuple[float, float]:
    """Make a database; returns how long the import took, in s, and its peak memory in MB."""
    file = data / "riddles.jsonl"
    with file.open("w", encoding="utf-8") as out:
        for n in range(riddles):
            options = [{"text": f"Option {k} of {n}", "correct": k == 2} for k in range(4)]
            out.write(json.dumps({"riddle": f"Riddle number {n}?", "options": options}) + "\n")
    command = [sys.executable, "-m", "cb_riddles", "--data", str(data)]
    subprocess.run([*command, "stats"], check=True, stdout=subprocess.DEVNULL)
    begin = time.perf_counter()
    process = subprocess.Popen([*command, "import", str(file)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - begin
    process.returncode = status
    if status:
        sys.exit("the import failed")
    collect = [*command, "manage", "collectstatic", "--no-input"]
    subprocess.run(collect, check=True, stdout=subprocess.DEVNULL)
    file.unlink()
    return took, usage.ru_maxrss / 1000


def attempts(data: Path, count: int, riddles: int) -> None:
    """Put *count* answers of many players in; the database's triggers count them."""
    with closing(sqlite3.connect(data / "riddles.sqlite3")) as database:
        database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1) "
            "INSERT INTO riddles_attempt (riddle_id, player, correct, scored, created) "
            "SELECT 1 + (i * 7919) % ?, CASE i % 2 WHEN 0 THEN 'u' ELSE 'v' END || (i % 9973), i % 3 = 0, i % 3 = 0, "
            "'2026-01-01 00:00:00' FROM n WHERE true ON CONFLICT DO NOTHING",
            (count, riddles),
        )
        database.commit()
        database.execute("ANALYZE")
        database.commit()


def pages(rounds: int, seconds: int) -> list[Table]:
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        fill(data, 1000)
        cookie = mcq(data)
        for number in range(rounds):
            for site, (module, tuned, server) in SITES.items():
                say(f"round {number + 1}: {site}")
                with serve.serving(module, server, data, tuned=tuned) as address:
                    targets = {"list": ("/riddles/", ""), "detail": ("/riddles/500/", "")}
                    targets["answer"] = ("/riddles/500/answer/", load.answer_script(address, 500))
                    for page, (path, script) in targets.items():
                        found.setdefault((page, site), []).append(load.wrk(address + path, seconds, script))
                    if site in (BUILT, SAME):
                        name = HELLO if site == SAME else "hello (gunicorn)"
                        found.setdefault(("hello", name), []).append(load.wrk(f"{address}/hello/", seconds))
            if cookie and not number:  # its list takes seconds a page: once is enough
                say(MCQ)
                with serve.serving("mcq", "gunicorn", data, path="/quiz/") as address:
                    for page, path in (("list", "/quiz/q/"), ("detail", "/quiz/q/500/")):
                        script = load.header("Cookie", cookie)
                        found[page, MCQ] = [load.wrk(address + path, max(seconds, 5), script, connections=4)]
    return [table(page, found) for page in ("list", "detail", "answer")]


def mcq(data: Path) -> str:
    """Fill django-mcq's database; returns a cookie, or nothing where it is not installed."""
    line = [sys.executable, str(HERE / "mcq.py"), "fill", "1000"]
    done = subprocess.run(line, env=os.environ | {"BENCH_DATA": str(data)}, capture_output=True, text=True, check=False)
    if done.returncode:
        say(f"left out: django-mcq ({done.stderr.strip().splitlines()[-1]})")
    return done.stdout.strip()


def table(page: str, found: dict[tuple[str, str], list[tuple[float, float]]]) -> Table:
    ours = statistics.median(rate for rate, _ in found[page, OURS])
    rows = []
    for name in (*SITES, MCQ, "hello (gunicorn)", HELLO):
        if not (runs := found.get(("hello" if name.startswith("hello") else page, name))):
            continue
        rate, slow = (statistics.median(column) for column in zip(*runs, strict=True))
        ratio = "" if name == OURS else f"{ours / rate:.2f}"
        aim = AIMS[page].get(name)
        rows.append([name, f"{rate:,.1f}", f"{slow:.0f}", ratio, f"{aim}" if aim else ""])
    note = "The book's answer stores nothing; cb-riddles keeps each attempt." if page == "answer" else ""
    columns = ["", "requests/s", "p99 ms", f"{OURS} is x times", "aim"]
    return Table(f"{page}, 1,000 riddles, 1 worker, 16 connections", columns, rows, note)


def growth(rounds: int, seconds: int) -> list[Table]:
    sizes = {
        "1,000 riddles, 10,000 answers": (1000, 10_000),
        "100,000 riddles, 1,000,000 answers": (100_000, 1_000_000),
    }
    found: dict[tuple[str, str], list[float]] = {}
    with contextlib.ExitStack() as stack:
        addresses = {}
        for name, (riddles, answers) in sizes.items():
            say(name)
            data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            fill(data, riddles)
            attempts(data, answers, riddles)
            addresses[name] = stack.enter_context(serve.serving("cb_riddles.site.wsgi", "granian", data)), riddles
        for _ in range(rounds):
            for name, (address, riddles) in addresses.items():
                targets = {
                    "list": ("/riddles/", ""),
                    "list, an older page": (load.older(address), ""),
                    "detail, one riddle": ("/riddles/500/", ""),
                    "detail, any riddle": ("/", load.any_riddle(riddles)),
                    "answer": ("/riddles/500/answer/", load.answer_script(address, 500)),
                    "leaders": ("/riddles/leaders/", ""),
                    "riddle of the day": ("/riddles/today/", ""),
                }
                for page, (path, script) in targets.items():
                    found.setdefault((page, name), []).append(load.wrk(address + path, seconds, script)[0])
    rows = []
    small, large = sizes
    for page in dict.fromkeys(page for page, _ in found):
        few, many = (statistics.median(found[page, name]) for name in (small, large))
        rows.append([page, f"{few:,.0f}", f"{many:,.0f}", f"{few / many:.2f}"])
    columns = ["requests/s", "1,000 riddles", "100,000 riddles", "x times slower"]
    return [Table("growth, with 10 answers a riddle", columns, rows)]


def imports(rounds: int, seconds: int) -> list[Table]:
    del rounds, seconds
    rows = []
    for count in (1000, 10_000, 100_000):
        say(f"import {count}")
        with tempfile.TemporaryDirectory() as folder:
            took, peak = fill(Path(folder), count)
        rows.append([f"{count:,}", f"{took:.1f}", f"{count / took:,.0f}", f"{peak:.0f}"])
    return [Table("import of JSON Lines, 4 options each", ["riddles", "s", "riddles/s", "peak MB"], rows)]


PARTS: dict[str, Callable[[int, int], list[Table]]] = {"pages": pages, "growth": growth, "import": imports}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round of one second")
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--readme", action="store_true", help="also put the tables into README.md")
    options = parser.parse_args()
    rounds, seconds = (1, 1) if options.quick else (3, 3)
    versions = f"Python {platform.python_version()}, Django {django.get_version()}"
    about = f"{os.cpu_count()} cores, {platform.system()}, {versions}"
    for part in options.only or PARTS:
        if part != "import" and not shutil.which("wrk"):
            say(f"left out: {part}, for wrk is not installed (apt-get install wrk)")
            continue
        tables = PARTS[part](rounds, seconds)
        told = f'`nox -s "bench(cb-riddles)" -- --only {part}`: {about}, rounds: {rounds}'
        print(told)
        for one in tables:
            print(f"\n{one.text()}\n")
        if options.readme:
            put(HERE.parent / "README.md", part, "\n\n".join([told, *(one.markdown() for one in tables)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
