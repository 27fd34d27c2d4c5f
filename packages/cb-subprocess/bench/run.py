"""cb-subprocess beside its peers, in one run, interleaved.

    python run.py [--quick] [--only PART ...] [--readme]

Ratios are medians of the ratios within each round.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cb_subprocess as cs

from house.tables import Table, put

OURS = "cb-subprocess"
COMMAND = [sys.executable, "-m", "cb_subprocess"]
AIMS: list[tuple[str, str, str, str]] = []
TABLES: list[Table] = []
LEFT_OUT: list[str] = []


def have(name: str) -> bool:
    """Whether a peer is there; one that is not is named."""
    if shutil.which(name):
        return True
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return bool(importlib.metadata.version(name))
    line = f"left out: {name} is not installed"
    if line not in LEFT_OUT:
        LEFT_OUT.append(line)
    return False


def timed(function: Callable[[], object]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def rounds_of(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every contender in every round, in turn."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        names = list(contenders)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            found[name].append(timed(contenders[name]))
    return found


def ratio(found: dict[str, list[float]], name: str) -> float:
    """How many times longer *name* takes than ours."""
    return statistics.median(a / b for a, b in zip(found[name], found[OURS], strict=False))


def at_least(what: str, value: float, aim: float) -> None:
    AIMS.append((what, f"≥ {aim:g}", f"{value:.2f}", "reached" if value >= aim else "NOT reached"))


def at_most(what: str, value: float, aim: float) -> None:
    AIMS.append((what, f"≤ {aim:g}", f"{value:.2f}", "reached" if value <= aim else "NOT reached"))


def show(title: str, unit: str, found: dict[str, list[float]], scale: float = 1.0, *, rate: bool = False) -> None:
    rows = []
    for name, values in found.items():
        figures = [scale / value if rate else value * scale for value in values]
        best, middle = (max if rate else min)(figures), statistics.median(figures)
        rows.append((name, f"{best:,.3g}", f"{middle:,.3g}", "" if name == OURS else f"{ratio(found, name):.2f}"))
    TABLES.append(Table(title, ["", f"best, {unit}", f"median, {unit}", "time ÷ ours"], rows))


def batches(quick: bool) -> None:
    many, rounds = (2000, 2) if quick else (10_000, 3)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        source.write_text("".join(f"{number}\n" for number in range(many)))
        log = Path(folder, "log")

        def by(*words: str) -> Callable[[], None]:
            def run() -> None:
                log.unlink(missing_ok=True)
                with source.open() as file:
                    subprocess.run(words, stdin=file, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

            return run

        # The number goes into true's arguments, as with all three.
        ours = by(*COMMAND, "batch", "-j2", "-k", "--joblog", str(log), "true")
        found = rounds_of({OURS: ours, "xargs -P2 -n1": by("xargs", "-P2", "-n1", "true")}, rounds)
        at_least(f"{many:,} x true: xargs -P2 -n1 ÷ ours", ratio(found, "xargs -P2 -n1"), 1.15)
        if have("parallel"):
            peer = "GNU parallel -j2 -k --joblog"
            found[peer] = [timed(by("parallel", "-j2", "-k", "--joblog", str(log), "true"))]
            at_least(f"{many:,} x true: GNU parallel ÷ ours", ratio(found, peer), 7)
        show(f"{many:,} x true, two at once; captured, ordered, logged (xargs: none of that)", "s", found)


def spawning(quick: bool) -> None:
    def contenders(many: int) -> dict[str, Callable[[], object]]:
        def repeat(function: Callable[[], object]) -> Callable[[], object]:
            return lambda: [function() for _ in range(many)]

        found: dict[str, Callable[[], object]] = {
            OURS: repeat(lambda: cs.run(["/bin/true"])),
            "subprocess.run": repeat(lambda: subprocess.run(["/bin/true"], capture_output=True, check=True)),
        }
        if have("sh"):
            import sh

            found["sh"] = repeat(sh.Command("/bin/true"))
        if have("plumbum"):
            from plumbum import local

            found["plumbum"] = repeat(local["/bin/true"])
        if have("invoke"):
            import invoke

            found["invoke"] = repeat(lambda: invoke.run("/bin/true", hide=True, in_stream=False))
        return found

    many = 40
    found = rounds_of(contenders(many), 3 if quick else 9)
    show("One command, captured", "ms", found, 1000 / many)
    at_most("run: ours ÷ subprocess.run(capture_output=True)", 1 / ratio(found, "subprocess.run"), 1.25)
    for peer, aim in (("sh", 6), ("invoke", 3)):
        if peer in found:
            at_least(f"run: {peer} ÷ ours", ratio(found, peer), aim)
    if not quick:
        ballast = bytearray(4 << 30)
        ballast[::4096] = b"x" * (len(ballast) // 4096)
        few = {name: call for name, call in contenders(3).items() if name in (OURS, "subprocess.run", "sh")}
        found = rounds_of(few, 3)
        del ballast
        show("One command, captured, from a process of 4 GB", "ms", found, 1000 / 3)
        if "sh" in found:
            at_least("run from a process of 4 GB: sh ÷ ours", ratio(found, "sh"), 100)


def capturing(quick: bool) -> None:
    each = (1 << 27) if quick else (1 << 29)
    command = ["sh", "-c", f"head -c {each} /dev/zero & head -c {each} /dev/zero >&2; wait"]
    found = rounds_of(
        {
            OURS: lambda: cs.run(command, text=False),
            "subprocess.run": lambda: subprocess.run(command, capture_output=True, check=True),
        },
        3,
    )
    show(f"{2 * each >> 20} MiB on both pipes, as bytes", "s", found)
    at_most("capture on both pipes: ours ÷ subprocess.run", 1 / ratio(found, "subprocess.run"), 0.6)
    script = (
        "import sys, cb_subprocess as cs\n"
        "done = cs.run(eval(sys.argv[1]), text=False, max_bytes=1 << 20)\n"
        "assert done.stdout_file.seek(0, 2) == done.stderr_file.seek(0, 2) == eval(sys.argv[2])\n"
        "done.stdout_file.close(); done.stderr_file.close()\n"
        "print(next(int(line.split()[1]) / 1024 for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    resident = float(cs.out([sys.executable, "-c", script, repr(command), str(each)]))
    at_most(f"{2 * each >> 20} MiB with max_bytes: MB resident", resident, 64)


def lines(quick: bool) -> None:
    many, few = (1_000_000, 20_000) if quick else (5_000_000, 100_000)

    def standard() -> None:
        with subprocess.Popen(["seq", str(many)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert sum(1 for _ in process.stdout) == many

    def ours(count: int) -> None:
        assert sum(1 for _ in cs.lines(["seq", str(count)])) == count

    found = rounds_of({OURS: lambda: ours(many), "Popen, text": standard}, 3 if quick else 7)
    show(f"{many:,} lines of text", "M lines/s", found, many / 1e6, rate=True)
    at_least("lines: Popen's text ÷ ours", ratio(found, "Popen, text"), 1)
    rates: dict[str, float] = {}
    if have("sh"):
        import sh

        rates["sh"] = timed(lambda: sum(1 for _ in sh.seq(str(few), _iter=True))) / few
    if have("plumbum"):
        from plumbum import local

        rates["plumbum"] = timed(lambda: sum(1 for _ in local["seq"][str(few)].popen().iter_lines())) / few
    for name, seconds in rates.items():
        at_least(f"lines: {name} ÷ ours, a line", seconds / (statistics.median(found[OURS]) / many), 40)


def sizes(quick: bool) -> None:
    folders = 200 if quick else 1020
    with tempfile.TemporaryDirectory() as root:
        for number in range(folders):
            inside = Path(root, str(number % 20), str(number))
            inside.mkdir(parents=True)
            for name in range(196):
                (inside / f"f{name}").write_bytes(b"x" * (name * 13))
            if number % 20:
                for name in range(0, 196, 39):
                    os.link(inside / f"f{name}", inside / f"l{name}")
        with Path(root, "sparse").open("wb") as file:
            file.truncate(1 << 30)

        def du() -> int:
            return int(subprocess.run(["du", "-s", "-B1", root], capture_output=True, check=True).stdout.split()[0])

        assert cs.size(root).disk == du(), "not what du says"
        found = rounds_of({OURS: lambda: cs.size(root), "du -s": du}, 3 if quick else 9)
        show(f"Size of {cs.size(root).files:,} files in {folders:,} folders, cache warm", "s", found)
        at_most("size: ours ÷ du", 1 / ratio(found, "du -s"), 1.25)


FAMILY = "sleep 6.{0} & sleep 6.{0} & setsid sleep 6.{0} & sh -c 'sleep 6.{0} & sleep 6.{0}'"


def survivors(mark: str) -> int:
    """How many of a family live on; they are killed."""
    left = int(cs.run(["pgrep", "-c", "-f", f"^sleep 6[.]{mark}$"], check=False).stdout)
    cs.run(["pkill", "-9", "-f", f"^sleep 6[.]{mark}$"], check=False)
    return left


def many_time_outs(quick: bool) -> None:
    """How soon ours are back, two at a time."""
    many = 50 if quick else 1000
    mark = "931"

    def one(_: int) -> float:
        begin = time.perf_counter()
        with contextlib.suppress(cs.CommandTimeout):
            cs.run(["sh", "-c", FAMILY.format(mark)], timeout=0.5)
        return time.perf_counter() - begin

    with ThreadPoolExecutor(2) as pool:
        took = sorted(pool.map(one, range(many)))
    left = survivors(mark)
    within = sum(seconds <= 0.6 for seconds in took)
    row = (f"{many:,}", f"{statistics.median(took):.3f}", f"{took[-1]:.3f}", f"{within:,}", f"{left}")
    TABLES.append(
        Table("Time-outs of 0.5 s, two at a time", ["", "median, s", "longest, s", "in 0.6 s", "survivors"], [row])
    )
    at_most("time-outs of 0.5 s: the longest of all, s", took[-1], 0.6)
    at_most("time-outs of 0.5 s: survivors of all", left, 0)


def time_outs(quick: bool) -> None:
    """Who returns late, and who leaves what running. Survivors are counted, then killed."""

    async def by_asyncio(command: list[str]) -> None:
        process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1)
        try:
            await asyncio.wait_for(process.communicate(), 0.5)
        except TimeoutError:
            process.kill()
            await process.communicate()

    ways: dict[str, Callable[[list[str]], object]] = {
        OURS: lambda command: cs.run(command, timeout=0.5),
        "subprocess.run, captured": lambda command: subprocess.run(
            command, timeout=0.5, capture_output=True, check=True
        ),
        "asyncio": lambda command: asyncio.run(by_asyncio(command)),
        "timeout -k 1 0.5 | cat": lambda command: subprocess.run(
            ["timeout", "-k", "1", "0.5", *command], capture_output=True, check=False
        ),
    }
    if have("sh"):
        import sh

        ways["sh"] = lambda command: sh.Command(command[0])(*command[1:], _timeout=0.5)
    if have("plumbum"):
        from plumbum import local

        ways["plumbum"] = lambda command: local[command[0]][command[1:]].run(timeout=0.5)
    if have("invoke"):
        import invoke

        ways["invoke"] = lambda command: invoke.run(cs.quote(command), hide=True, in_stream=False, timeout=0.5)
    rows = []
    for number, (name, way) in enumerate(ways.items()):
        mark = f"{number}31"
        command = ["sh", "-c", FAMILY.format(mark)]
        begin = time.perf_counter()
        try:
            way(command)
        except Exception as error:  # noqa: BLE001
            how = type(error).__name__
        else:
            how = "no error"
        took = time.perf_counter() - begin
        rows.append((name, f"{took:.2f}", f"{survivors(mark)}", how))
    title = "A time-out of 0.5 s; grandchildren that hold the pipes for 6 s, one by setsid"
    TABLES.append(Table(title, ["", "back after, s", "survivors", "ended with"], rows))
    many_time_outs(quick)


PARTS: dict[str, Callable[[bool], None]] = {
    "batch": batches,
    "size": sizes,
    "run": spawning,
    "capture": capturing,
    "lines": lines,
    "timeout": time_outs,
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller, fewer rounds")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--readme", action="store_true", help="write the tables into README.md")
    options = parser.parse_args()
    begin = time.monotonic()
    readme = Path(__file__).parents[1] / "README.md"
    reached: list[str] = []
    for part in options.only:
        PARTS[part](options.quick)
        tables = [*TABLES, Table(f"Aims: {part}", ["", "aim", "measured", ""], list(AIMS))]
        print("\n\n".join(one.text() for one in tables), end="\n\n", flush=True)
        if options.readme:
            put(readme, part, "\n\n".join(one.markdown() for one in tables))
        reached += [row[3] for row in AIMS]
        TABLES.clear()
        AIMS.clear()
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("sh", "plumbum", "invoke") if have(name)]
    for program in ("parallel", "xargs", "du"):
        if have(program):
            versions.append(cs.out([program, "--version"]).splitlines()[0])
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    took = f"took {time.monotonic() - begin:.0f} s; {reached.count('reached')} of {len(reached)} aims reached"
    text = "\n".join([f"{machine}; {', '.join(versions)}; {took}.", *LEFT_OUT])
    print(text)
    if options.readme:
        put(readme, "machine", text)


if __name__ == "__main__":
    main()
