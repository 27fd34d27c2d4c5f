"""The site beside the book's app and Django's "hello", on the same data, by wrk; and imports at three sizes."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import django

from house.tables import Table, put

HERE = Path(__file__).parent
PARTS = ("pages", "import")
GUNICORN = ("-m", "gunicorn", "--workers", "1", "--log-level", "error", "--bind")
GRANIAN = ("-m", "granian", "--interface", "wsgi", "--workers", "1", "--blocking-threads", "2", "--log-level", "error")
SITES = {
    # name: module, tuned, server
    "book as built (gunicorn)": ("book", "", "gunicorn"),
    "book, same server and database settings": ("book", "1", "granian"),
    "cb-riddles": ("cb_riddles.site.wsgi", "", "granian"),
}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(site: str, data: Path):
    module, tuned, server = SITES[site]
    port = free_port()
    env = os.environ | {"BENCH_DATA": str(data), "CB_RIDDLES_DATA": str(data), "CB_RIDDLES_HTTP": "1"}
    env |= {"PYTHONPATH": str(HERE), "BOOK_TUNED": tuned}
    if module != "book":
        env["DJANGO_SETTINGS_MODULE"] = "limitless"
    if server == "gunicorn":
        words = [*GUNICORN, f"127.0.0.1:{port}", f"{module}:application"]
    else:
        words = [*GRANIAN, "--host", "127.0.0.1", "--port", str(port), f"{module}:application"]
    with subprocess.Popen([sys.executable, *words], env=env, start_new_session=True) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(300):
                try:
                    urlopen(f"{address}/riddles/").read()
                    break
                except OSError:
                    time.sleep(0.1)
            else:
                sys.exit(f"{site} does not answer")
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def wrk(address: str, seconds: int, script: str = "") -> tuple[float, float]:
    """Requests a second, and the 99th percentile in ms; an answer that is an error is no result."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        lua = ["-s", file.name] if script else []
        out = subprocess.run(
            ["wrk", "-t1", "-c16", f"-d{seconds}s", "--latency", *lua, address],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    if "Non-2xx" in out:
        sys.exit(f"{address}: {out}")
    value, unit = re.search(r"99%\s+([0-9.]+)(us|ms|s)", out).groups()
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", out)[1]), float(value) * {"us": 0.001, "ms": 1, "s": 1000}[
        unit
    ]


def answer_script(address: str, riddle: int) -> str:
    """A wrong answer, with the cookies and the token of one visitor."""
    with urlopen(f"{address}/riddles/{riddle}/") as response:
        page = response.read().decode()
        cookies = "; ".join(one.partition(";")[0] for one in response.headers.get_all("Set-Cookie"))
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    options = re.findall(r'name="option"[^>]*? value="([^"]+)"', page)
    keys = options if len(options) == 4 else []
    for key in keys:
        body = urlencode({"csrfmiddlewaretoken": token, "option": key})
        request = Request(f"{address}/riddles/{riddle}/answer/", body.encode(), {"Cookie": cookies})
        try:
            with urlopen(request) as response:
                text, url = response.read().decode(), response.url
        except HTTPError as error:
            sys.exit(f"{address}: {error}")
        if "Nice!" not in text and url.rstrip("/") != f"{address}/riddles":
            return f"""wrk.method = "POST"
wrk.body = {json.dumps(body)}
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.headers["Cookie"] = {json.dumps(cookies)}
"""
    raise SystemExit(f"{address}: no wrong option found")


def fill(data: Path, riddles: int) -> float:
    """Make a database; returns how long the import took."""
    file = data / "riddles.jsonl"
    with file.open("w", encoding="utf-8") as out:
        for n in range(riddles):
            options = [{"text": f"Option {k} of {n}", "correct": k == 2} for k in range(4)]
            out.write(json.dumps({"riddle": f"Riddle number {n}?", "options": options}) + "\n")
    command = [sys.executable, "-m", "cb_riddles", "--data", str(data)]
    subprocess.run([*command, "stats"], check=True, stdout=subprocess.DEVNULL)
    begin = time.perf_counter()
    subprocess.run([*command, "import", str(file)], check=True, stdout=subprocess.DEVNULL)
    took = time.perf_counter() - begin
    collect = [*command, "manage", "collectstatic", "--no-input"]
    subprocess.run(collect, check=True, stdout=subprocess.DEVNULL)
    return took


def pages(rounds: int, seconds: int) -> list[Table]:
    if not shutil.which("wrk"):
        say("left out: wrk is not installed (apt-get install wrk)")
        return []
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        fill(data, 1000)
        for _ in range(rounds):
            for site in SITES:
                say(site)
                with serving(site, data) as address:
                    targets = {"list": ("/riddles/", ""), "detail": ("/riddles/500/", "")}
                    targets["answer"] = ("/riddles/500/answer/", answer_script(address, 500))
                    if "same server" in site:
                        found.setdefault(("hello", "Django's hello, same server"), []).append(
                            wrk(f"{address}/hello/", seconds)
                        )
                    for page, (path, script) in targets.items():
                        found.setdefault((page, site), []).append(wrk(address + path, seconds, script))
    tables = []
    for page in ("list", "detail", "answer"):
        ours = statistics.median(rate for rate, _ in found[page, "cb-riddles"])
        rows = []
        for name in (*SITES, "Django's hello, same server"):
            runs = found["hello" if "hello" in name else page, name]
            rate, slow = (statistics.median(column) for column in zip(*runs, strict=True))
            rows.append([name, f"{rate:,.0f}", f"{slow:.0f}", f"{ours / rate:.2f}" if name != "cb-riddles" else ""])
        note = "The book's answer stores nothing; cb-riddles keeps each attempt." if page == "answer" else ""
        columns = ["", "requests/s", "p99 ms", "cb-riddles is x times"]
        tables.append(Table(f"{page}, 1,000 riddles, 1 worker, 16 connections", columns, rows, note))
    return tables


def imports(rounds: int, seconds: int) -> list[Table]:
    rows = []
    for count in (1000, 10_000, 100_000):
        say(f"import {count}")
        with tempfile.TemporaryDirectory() as folder:
            took = fill(Path(folder), count)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
        rows.append([f"{count:,}", f"{took:.1f}", f"{count / took:,.0f}", f"{peak:.0f}"])
    return [Table("import of JSON Lines, 4 options each", ["riddles", "s", "riddles/s", "peak MB"], rows)]


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
        tables = {"pages": pages, "import": imports}[part](rounds, seconds)
        told = f'`nox -s "bench(cb-riddles)" -- --only {part}`: {about}, rounds: {rounds}'
        print(told)
        for table in tables:
            print(f"\n{table.text()}\n")
        if options.readme and tables:
            put(HERE.parent / "README.md", part, "\n\n".join([told, *(table.markdown() for table in tables)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
