"""cb-mail beside its peers, in one run: over loopback, far away, with files, and as a server.

    python run.py [--quick] [--markdown] [--readme]

In every round every contender has its turn, in random order, in a process of its own; the median of the rounds
counts. Postfix's smtp-sink takes what is sent; for CHUNKING, which it has not, and for files, of which it looks at each
octet, `cb-mail serve`. --quick: fewer of all.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workload import HTML, SENDER, SUBJECT, TEXT, rows

from house.tables import Table, put

HERE = Path(__file__).parent
JOURNAL, PLAIN = "cb mail journal", "cb mail"
PEERS = {"smtplib": 12, "yagmail": 10, "red mail": 25, "emails": 6, "Django": 0, "aiosmtplib": 0, "Flask Mailman": 0}
SHOWN = {
    JOURNAL: "cb-mail, journal",
    PLAIN: "cb-mail",
    "red mail": "red-mail",
    "Flask Mailman": "Flask-Mailman",
    "smtplib": "smtplib + EmailMessage",
    "nodemailer": "nodemailer, pool of 1",
    "smtp-source": "smtp-source (C, fixed message)",
    "cb mail chunking 16": "cb-mail, CHUNKING, window 16",
    "cb mail chunking 64": "cb-mail, CHUNKING, window 64",
    "cb mail chunking 64 journal": "cb-mail, CHUNKING, window 64, journal",
    "cb mail one": "cb-mail",
}


@dataclass
class Report:
    tables: list[Table] = field(default_factory=list)
    goals: list[tuple[str, str, str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def at_least(self, what: str, value: float, limit: float) -> None:
        self.goals.append((what, f"≥ {limit:g}", f"{value:.1f}", "reached" if value >= limit else "not reached"))

    def at_most(self, what: str, value: float, limit: float, unit: str) -> None:
        verdict = "reached" if value <= limit else "not reached"
        self.goals.append((what, f"≤ {limit:g} {unit}", f"{value:.0f} {unit}", verdict))


@dataclass(frozen=True)
class Case:
    """A contender, where it sends to, how many."""

    name: str
    port: int
    count: int
    file: str = "-"

    def run(self) -> dict[str, float] | None:
        """Seconds and peak memory, or None where it cannot run here."""
        if self.name == "smtp-source":
            return self._smtp_source()
        command = [sys.executable, str(HERE / "contender.py"), self.name, str(self.port), str(self.count), self.file]
        if self.name == "nodemailer":
            work = {"sender": SENDER, "subject": SUBJECT, "text": TEXT, "html": HTML, "rows": rows(self.count)}
            Path("work.json").write_text(json.dumps(work))
            command = ["node", str(HERE / "pool.mjs"), str(self.port), str(self.count), "work.json", self.file]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if ran.returncode:
            print(f"{self.name}: {ran.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            return None
        found: dict[str, float] = json.loads(ran.stdout)
        return found

    def _smtp_source(self) -> dict[str, float]:
        start = time.perf_counter()
        command = ["smtp-source", "-4", "-d", "-s", "1", "-m", str(self.count), "-l", "2000", "-f", "a@example.com"]
        subprocess.run([*command, "-t", "b@example.org", f"inet:127.0.0.1:{self.port}"], check=True, timeout=300)
        return {"seconds": time.perf_counter() - start, "peak": 0.0}


def side_by_side(report: Report, cases: list[Case], rounds: int) -> dict[str, dict[str, float]]:
    """Messages a second and peak memory: medians of the rounds."""
    found: dict[str, list[dict[str, float]]] = {case.name: [] for case in cases}
    for _ in range(rounds):
        for case in random.sample(cases, len(cases)):
            if one := case.run():
                found[case.name].append({"rate": case.count / one["seconds"], "peak": one["peak"]})
    report.left_out += [name for name, ran in found.items() if not ran]
    return {
        name: {key: statistics.median(one[key] for one in ran) for key in ("rate", "peak")}
        for name, ran in found.items()
        if ran
    }


def rates(report: Report, title: str, found: dict[str, dict[str, float]], ours: str) -> None:
    lines = [
        (
            SHOWN.get(name, name),
            f"{one['rate']:,.0f}" if one["rate"] >= 100 else f"{one['rate']:.1f}",
            f"{found[ours]['rate'] / one['rate']:.1f}",
            f"{one['peak']:.0f}" if one["peak"] else "",
        )
        for name, one in sorted(found.items(), key=lambda pair: -pair[1]["rate"])
    ]
    report.tables.append(Table(title, ("", "messages/s", f"{SHOWN[ours]} ÷ it", "peak MB"), lines))


# What listens -------------------------------------------------------------------------------------


@contextlib.contextmanager
def process(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    ran = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield ran
    finally:
        ran.kill()
        ran.communicate()


def listening(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nobody on port {port}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextlib.contextmanager
def smtp_sink() -> Iterator[int]:
    port = free_port()
    as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
    with process(["smtp-sink", *as_nobody, "-4", "-N", "-m", "512", f"inet:127.0.0.1:{port}", "1024"]):
        listening(port)
        yield port


@contextlib.contextmanager
def cb_serve() -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "cb_mail", "serve", "--port", str(port), "--no-web"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as ran:
        try:
            listening(port)
            yield port
        finally:
            ran.kill()


@contextlib.contextmanager
def printing(script: str, *arguments: str) -> Iterator[int]:
    """A script that prints its port."""
    with process([sys.executable, str(HERE / script), *arguments]) as ran:
        assert ran.stdout
        yield int(ran.stdout.readline())


# What is measured ---------------------------------------------------------------------------------


def near(report: Report, count: int, rounds: int) -> None:
    with smtp_sink() as port:
        names = [JOURNAL, PLAIN, *PEERS, *(["nodemailer"] if "CB_NODE_MODULES" in os.environ else [])]
        cases = [Case(name, port, count) for name in [*names, "smtp-source"]]
        found = side_by_side(report, cases, rounds)
    rates(report, f"{count:,} personalised mails, text and HTML, one connection, into smtp-sink", found, JOURNAL)
    for name, limit in {**PEERS, "nodemailer": 5, "smtp-source": 1}.items():
        if limit and name in found:
            ratio = found[JOURNAL]["rate"] / found[name]["rate"]
            report.at_least(f"journal on ÷ {SHOWN.get(name, name)}", ratio, limit)
    with cb_serve() as port:
        ours = ["cb mail chunking 64", "cb mail chunking 64 journal"]
        cases = [*(Case(name, port, 4 * count) for name in ours), Case("smtplib", port, count)]
        found = side_by_side(report, cases, rounds)
    rates(report, "The same into cb-mail serve, which has CHUNKING", found, ours[0])
    report.at_least("CHUNKING, window 64 ÷ smtplib", found[ours[0]]["rate"] / found["smtplib"]["rate"], 50)


def far(report: Report, count: int, rounds: int) -> None:
    with contextlib.ExitStack() as listeners:
        enter = listeners.enter_context
        port, wide = (enter(printing("delay.py", str(enter(sink())), "20")) for sink in (smtp_sink, cb_serve))
        cases = [
            Case(PLAIN, port, count),
            Case("smtplib", port, count // 2),
            Case("emails", port, count // 2),
            Case("aiosmtplib", port, count // 2),
            Case("cb mail chunking 16", wide, 10 * count),
            Case("cb mail chunking 64", wide, 20 * count),
        ]
        if "CB_NODE_MODULES" in os.environ:
            cases.append(Case("nodemailer", port, count // 2))
        found = side_by_side(report, cases, rounds)
    rates(report, "The same with a round trip of 20 ms", found, PLAIN)
    there = found["smtplib"]["rate"]
    report.at_least("20 ms, DATA ÷ smtplib", found[PLAIN]["rate"] / there, 4)
    report.at_least("20 ms, CHUNKING, window 16 ÷ smtplib", found["cb mail chunking 16"]["rate"] / there, 60)


def attached(report: Report, count: int, rounds: int) -> None:
    one = Path("one.pdf")
    one.write_bytes(random.Random(1).randbytes(1 << 20))
    with cb_serve() as wide:  # smtp-sink, which looks at each octet, takes longer than most who send
        few = max(5, count // 10)
        cases = [
            Case(PLAIN, wide, count, str(one)),
            Case("cb mail chunking 16", wide, count, str(one)),
            Case("smtplib", wide, few, str(one)),
            Case("emails", wide, few, str(one)),
            Case("yagmail", wide, few, str(one)),
        ]
        if "CB_NODE_MODULES" in os.environ:
            cases.append(Case("nodemailer", wide, few, str(one)))
        found = side_by_side(report, cases, rounds)
    rates(report, "A merge with an attachment of 1 MB", found, PLAIN)
    there = found["smtplib"]["rate"]
    report.at_least("1 MB attachment, DATA ÷ smtplib", found[PLAIN]["rate"] / there, 40)
    report.at_least("1 MB attachment, CHUNKING ÷ smtplib", found["cb mail chunking 16"]["rate"] / there, 90)
    large = Path("large.pdf")
    large.write_bytes(random.Random(2).randbytes(25 << 20))
    with cb_serve() as port:
        names = ("cb mail one", "smtplib", "yagmail")
        found = side_by_side(report, [Case(name, port, 1, str(large)) for name in names], rounds)
    lines = [
        (
            SHOWN.get(name, name),
            f"{1000 / ran['rate']:,.0f}",
            f"{found['cb mail one']['rate'] / ran['rate']:.1f}",
            f"{ran['peak']:.0f}",
        )
        for name, ran in found.items()
    ]
    report.tables.append(Table("One message with an attachment of 25 MB", ("", "ms", "cb-mail ÷ it", "peak MB"), lines))
    report.at_least("25 MB attachment ÷ smtplib", found["cb mail one"]["rate"] / found["smtplib"]["rate"], 8)
    report.at_most("25 MB attachment, resident", found["cb mail one"]["peak"], 40, "MB")


def growth(report: Report, count: int) -> None:
    lines = []
    with smtp_sink() as port:
        for size in (count, 5 * count, 10 * count):
            if ran := Case(JOURNAL, port, size).run():
                lines.append(
                    (f"{size:,}", f"{ran['seconds']:.2f}", f"{ran['seconds'] / size * 1e6:.0f}", f"{ran['peak']:.0f}")
                )
    report.tables.append(Table("Growth, journal on", ("messages", "s", "µs a message", "peak MB"), lines))


def receiving(report: Report, count: int, rounds: int) -> None:
    rates_of: dict[str, list[float]] = {}
    with cb_serve() as ours, printing("aiosmtpd_sink.py") as theirs, smtp_sink() as sink:
        places = {"cb-mail serve": ours, "aiosmtpd": theirs, "smtp-sink (C)": sink}
        for _ in range(rounds):
            for name, port in random.sample(list(places.items()), len(places)):
                start = time.perf_counter()
                command = ["smtp-source", "-4", "-d", "-s", "4", "-m", str(count), "-l", "2000", "-f", "a@example.com"]
                subprocess.run([*command, "-t", "b@example.org", f"inet:127.0.0.1:{port}"], check=True, timeout=300)
                rates_of.setdefault(name, []).append(count / (time.perf_counter() - start))
    found = {name: statistics.median(listed) for name, listed in rates_of.items()}
    lines = [(name, f"{rate:,.0f}", f"{found['cb-mail serve'] / rate:.1f}") for name, rate in found.items()]
    report.tables.append(
        Table("Taking mail: smtp-source with 4 sessions", ("", "messages/s", "cb-mail serve ÷ it"), lines)
    )
    report.at_least("serve ÷ aiosmtpd", found["cb-mail serve"] / found["aiosmtpd"], 5)


def help_time(report: Report, rounds: int) -> None:
    program = Path(sys.executable).with_name("cb-mail")
    spent = []
    for _ in range(3 * rounds):
        start = time.perf_counter()
        subprocess.run([program, "--help"], stdout=subprocess.DEVNULL, check=True)
        spent.append((time.perf_counter() - start) * 1000)
    report.at_most("cb-mail --help", min(spent), 80, "ms")


def nodemailer() -> None:
    """Have nodemailer at hand, where npm is, and can."""
    if "CB_NODE_MODULES" in os.environ or not (shutil.which("npm") and shutil.which("node")):
        return
    home = Path(sys.prefix) / "node"
    home.mkdir(exist_ok=True)
    install = ["npm", "install", "--prefix", str(home), "--no-audit", "--no-fund", "--loglevel=error", "nodemailer@10"]
    if (home / "node_modules").exists() or subprocess.run(install, check=False).returncode == 0:
        os.environ["CB_NODE_MODULES"] = str(home / "node_modules")


def versions() -> str:
    names = ("yagmail", "redmail", "emails", "Django", "aiosmtplib", "Flask-Mailman", "aiosmtpd")
    listed = [
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
        f"{os.cpu_count()} cores",
    ]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        listed += [f"{name} {importlib.metadata.version(name)}" for name in names]
    if modules := os.environ.get("CB_NODE_MODULES"):
        listed.append("nodemailer " + json.loads(Path(modules, "nodemailer", "package.json").read_text())["version"])
    return ", ".join(listed)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--readme", action="store_true", help="write the tables into README.md")
    arguments: Any = parser.parse_args()
    if not shutil.which("smtp-sink"):
        sys.exit("bench: smtp-sink and smtp-source are needed (Debian: postfix)")
    nodemailer()
    count, rounds = (200, 1) if arguments.quick else (1000, 5)
    report = Report()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        near(report, count, rounds)
        far(report, count // 25, rounds)
        attached(report, count // 10, rounds)
        growth(report, count)
        receiving(report, 3 * count, rounds)
        help_time(report, rounds)
    goals = Table("Aims", ("", "aim", "measured", ""), report.goals)
    note = f"{versions()}; median of {rounds} rounds."
    if report.left_out:
        note += f" Left out, for they cannot run here: {', '.join(report.left_out)}."
    form = "\n\n".join(table.markdown() if arguments.markdown else table.text() for table in [goals, *report.tables])
    print(f"{form}\n\n{note}")
    if arguments.readme:
        text = "\n\n".join(table.markdown() for table in [goals, *report.tables])
        put(HERE.parent / "README.md", "all", f"{note}\n\n{text}")


if __name__ == "__main__":
    main()
