"""cb-dict beside its peers, in one run: files by the command, values in process.

    python run.py [--quick] [--only PART] [--keep FILE] [--readme FILE] [--json FILE]

In every round every contender has its turn; ratios are medians of the ratios within each round.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import gc
import importlib.metadata
import json
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cb_dict as cd
from data import event, write

from house.tables import Table

LEFT_OUT: list[str] = []
AIMS: list[tuple[str, str, str, str]] = []
TABLES: list[Table] = []
FIGURES: dict[str, Any] = {}
OURS = "cb-dict"
# Byte code is kept between runs, as where a command is installed.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
PARTS = ("values", "get", "change", "large")
MARKERS = ("<!-- figures: written by bench/run.py --readme -->", "<!-- end of figures -->")


def aim(what: str, ratio: float, least: float) -> None:
    """A ratio that should be at least so large."""
    AIMS.append((what, f"≥ {least:g} times", f"{ratio:.1f}", "reached" if ratio >= least else "NOT reached"))


def rounds_of(contenders: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every contender in every round, in turn."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        names = list(contenders)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            found[name].append(contenders[name]())
    return found


def against(found: dict[str, list[float]], name: str, ours: str = OURS) -> float:
    """How many times longer *name* takes than ours."""
    return statistics.median(theirs / mine for theirs, mine in zip(found[name], found[ours], strict=True))


def table(
    title: str, found: dict[str, list[float]], unit: float, name: str, more: dict[str, str] | None = None
) -> None:
    """A table of minimum, median and ratio."""
    rows = []
    for contender, every in found.items():
        cells = [contender, f"{min(every) * unit:,.3g}", f"{statistics.median(every) * unit:,.3g}"]
        rows.append([*cells, f"{against(found, contender):.2f}", *([more[contender]] if more else [])])
    columns = ["", f"min {name}", f"median {name}", "it ÷ cb-dict", *(["peak MB"] if more else [])]
    TABLES.append(Table(title, columns, rows))
    FIGURES[title] = found


# Whole processes


def timed(command: str, folder: Path, peaks: dict[str, float], name: str) -> Callable[[], float]:
    """The wall time of a shell command; its peak memory goes to *peaks*."""

    def run() -> float:
        program = (
            "import resource,subprocess,sys,time\n"
            "t=time.perf_counter(); done=subprocess.run(['sh','-c',sys.argv[1]],stdout=subprocess.DEVNULL)\n"
            "print(time.perf_counter()-t, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, done.returncode)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, command], cwd=folder, env=ENVIRONMENT, capture_output=True, check=True
        )
        seconds, peak, status = done.stdout.split()
        if int(status) not in (0, 1):
            raise SystemExit(f"{command}: status {int(status)}: {done.stderr.decode()}")
        peaks[name] = max(peaks.get(name, 0), int(peak) / 1024)
        return float(seconds)

    return run


def anonymous(command: str, folder: Path) -> float:
    """The most MB that a command and its children had for themselves, looked up every millisecond; no mapped file."""
    running = subprocess.Popen(
        f"exec {command}", shell=True, cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, start_new_session=True
    )
    most = 0
    while running.poll() is None:
        now = 0
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                if os.getsid(int(status.parent.name)) == running.pid:
                    now += int(re.search(r"RssAnon:\s+(\d+)", status.read_text())[1])
            except (OSError, TypeError):  # it has ended
                continue
        most = max(most, now)
        time.sleep(0.001)
    return most / 1024


def programs() -> tuple[str, str | None, str | None]:
    """Our command, jq and jaq."""
    beside = Path(sys.executable).parent
    found = [shutil.which(name) or shutil.which(name, path=str(beside)) for name in ("jq", "jaq")]
    for name, path in zip(("jq", "jaq"), found, strict=True):
        if path is None:
            LEFT_OUT.append(f"left out: {name} (not installed)")
    return f"'{beside / 'cb-dict'}'", found[0], found[1]


def reads(options: argparse.Namespace, folder: Path, sizes: dict[str, int]) -> None:
    """The last path of documents of several sizes."""
    ours, jq, jaq = programs()
    place = "tail.checksum.sha256"
    rounds = 3 if options.quick else 7
    for label, size in sizes.items():
        file = write(folder / f"{size}.json", size).name
        peaks: dict[str, float] = {}
        commands = {OURS: f"{ours} get -r {file} {place}"}
        commands |= {name: f"'{path}' -r .{place} {file}" for name, path in (("jq", jq), ("jaq", jaq)) if path}
        if size <= 1000:
            commands["python -c pass"] = f"'{sys.executable}' -c pass"
        found = rounds_of(
            {name: timed(text, folder, peaks, name) for name, text in commands.items()}, 2 if size > 10**8 else rounds
        )
        table(f"get, last path, {label}", found, 1e3, "ms", {name: f"{peak:,.0f}" for name, peak in peaks.items()})
        if size >= 10**8 and Path("/proc/self/status").exists():
            most = anonymous(commands[OURS], folder)
            verdict = "reached" if most < 32 else "NOT reached"
            AIMS.append((f"get at {label}, anonymous memory", "< 32 MB", f"{most:.0f} MB", verdict))
        for name, least in {"100 MB": (("jq", 12), ("jaq", 7)), "1 GB": (("jq", 25), ("jaq", 15))}.get(label, ()):
            if name in found:
                aim(f"get at {label} ÷ {name}", against(found, name), least)


def changes(options: argparse.Namespace, folder: Path) -> None:
    """set, merge and diff of 100 MB."""
    ours, jq, _ = programs()
    rounds = 3 if options.quick else 5
    patch = {"tail": {"checksum": {"n": 6}}, "x": 1}
    (folder / "patch.json").write_text(json.dumps(patch))
    file = write(folder / f"{10**8}.json", 10**8).name
    changed = folder / "changed.json"
    shutil.copy(folder / file, changed)
    subprocess.run(f"{ours} set -i changed.json tail.checksum.n 9 events[5].id 0", shell=True, cwd=folder, check=True)
    jobs: dict[str, tuple[str, dict[str, str], float]] = {
        "set -i, synced": (
            f"{ours} set -i in.json tail.checksum.n 6",
            {"jq > new; sync; mv": f"jq .tail.checksum.n=7 {file} > new.json && sync new.json && mv new.json in2.json"},
            12,
        ),
        "merge with a small patch": (
            f"{ours} merge {file} patch.json",
            {"jq -s": f"jq -s '.[0]*.[1]' {file} patch.json"},
            8,
        ),
        "diff, 2 changes": (
            f"{ours} diff {file} changed.json",
            {"jq -S, diff": f"jq -S . {file} > a.txt; jq -S . changed.json > b.txt; diff a.txt b.txt"},
            12,
        ),
    }
    shutil.copy(folder / file, folder / "in.json")
    for job, (command, others, least) in jobs.items():
        peaks = {}
        commands = {OURS: command} | (others if jq else {})
        found = rounds_of(
            {name: timed(text, folder, peaks, name) for name, text in commands.items()}, 2 if "diff" in job else rounds
        )
        table(f"{job}, 100 MB", found, 1e3, "ms", {name: f"{peak:,.0f}" for name, peak in peaks.items()})
        for name in others if jq else ():
            aim(f"{job}, 100 MB ÷ {name}", against(found, name), least)


# In process


def peers(*names: str) -> dict[str, Any]:
    """The modules that can be imported; others are left out aloud."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.import_module(name)
        except ImportError:
            LEFT_OUT.append(f"left out: {name} (cannot be imported)")
    return found


def literal(document: Any) -> Any:
    """What a user would write in place of a getter."""
    return document["a"]["b"]["c"][10]["d"]


def statement(text: str, scope: dict[str, Any]) -> Callable[[], float]:
    """Seconds a run of a statement, over as many runs as take 5 ms: no function of ours is around it."""
    timer = timeit.Timer(text, globals=scope)
    timer.timeit(1000)
    count = max(10, int(0.005 / (timer.timeit(100) / 100)))
    return lambda: timer.timeit(count) / count


def looped(function: Callable[[], Any], seconds: float = 0.02) -> Callable[[], float]:
    """Seconds a call, over as many calls as take a while."""
    function()
    start = time.perf_counter()
    function()
    count = max(1, int(seconds / (time.perf_counter() - start + 1e-9)))

    def run() -> float:
        start = time.perf_counter()
        for _ in range(count):
            function()
        return (time.perf_counter() - start) / count

    return run


def contest(
    title: str, functions: dict[str, Callable[[], Any]], unit: float, name: str, rounds: int
) -> dict[str, list[float]]:
    gc.collect()
    gc.freeze()  # the garbage collector goes through what the contenders make, not through all that is imported here
    found = rounds_of({one: looped(function) for one, function in functions.items()}, rounds)
    gc.unfreeze()
    table(title, found, unit, name)
    return found


def in_process(options: argparse.Namespace) -> None:
    """Paths, merge, copy, diff, and one scalar of YAML."""
    rounds = 5 if options.quick else 15
    document = {"a": {"b": {"c": [{"d": number} for number in range(20)]}}}
    scope: dict[str, Any] = {"d": document, "get": cd.get, "ours": cd.getter("a.b.c[10].d"), "f": literal}
    statements = {
        "cb-dict getter": "ours(d)",
        "cb-dict get": 'get(d, "a.b.c[10].d")',
        "literal [...]": 'd["a"]["b"]["c"][10]["d"]',
        "a function of the literal": "f(d)",
    }
    found = peers("glom", "pydash", "jmespath", "benedict")
    if "glom" in found:
        scope["glom"], statements["glom"] = found["glom"].glom, 'glom(d, "a.b.c.10.d")'
    if "pydash" in found:
        scope["pydash_get"], statements["pydash"] = found["pydash"].get, 'pydash_get(d, "a.b.c.10.d")'
    if "jmespath" in found:
        scope["search"] = found["jmespath"].compile("a.b.c[10].d").search
        statements["jmespath, compiled"] = "search(d)"
    if "benedict" in found:
        alone = copy.deepcopy(document)  # it puts its own dicts into the document that it is given
        scope["b"], statements["benedict"] = found["benedict"].benedict(alone), 'b["a.b.c[10].d"]'
    times = rounds_of({name: statement(text, scope) for name, text in statements.items()}, 5 * rounds)
    rows = []
    for name, every in times.items():
        cells = [f"{min(every) * 1e9:,.0f}", f"{statistics.median(every) * 1e9:,.0f}"]
        rows.append([name, *cells, *(f"{against(times, name, one):.2f}" for one in ("cb-dict getter", "cb-dict get"))])
    TABLES.append(
        Table("a.b.c[10].d in process", ["", "min ns", "median ns", "it ÷ cb-dict getter", "it ÷ cb-dict get"], rows)
    )
    FIGURES["get in process"] = times
    slower = 1 / against(times, "literal [...]", "cb-dict getter")
    AIMS.append(
        ("getter ÷ the literal [...]", "≤ 2.2 times", f"{slower:.1f}", "reached" if slower <= 2.2 else "NOT reached")
    )
    for name in list(statements)[4:]:
        like = "cb-dict getter" if "compiled" in name else "cb-dict get"
        aim(f"{name} ÷ {like.removeprefix('cb-dict ')}", against(times, name, like), 35)

    import random

    random_ = random.Random(7)
    records = {"records": [event(random_, number) for number in range(1680)]}
    other = cd.deepcopy(records)
    for number in (5, 500, 900, 1600):
        other["records"][number]["repo"]["id"] = -1
    modules = peers("mergedeep", "deepmerge", "deepdiff", "jsonpatch", "pydash")
    left = {f"k{a}": {f"k{b}": {f"k{c}": c for c in range(20)} for b in range(20)} for a in range(25)}
    right = {f"k{a}": {"k1": {"k2": "new", "k99": a}} for a in range(25)} | {"fresh": 1}
    functions = {OURS: lambda: cd.merge(left, right)}
    if "mergedeep" in modules:
        functions["mergedeep"] = lambda: modules["mergedeep"].merge({}, left, right)
    if "deepmerge" in modules:
        functions["deepcopy + deepmerge"] = lambda: modules["deepmerge"].always_merger.merge(copy.deepcopy(left), right)
    if "pydash" in modules:
        functions["pydash.merge"] = lambda: modules["pydash"].merge({}, left, right)
    times = contest("merge 10,000 leaves and 50, to a new document", functions, 1e3, "ms", 5)
    if len(times) > 1:
        aim("merge ÷ best peer", min(against(times, name) for name in list(times)[1:]), 10)
    times = contest(
        "deepcopy of 1 MB",
        {OURS: lambda: cd.deepcopy(records), "copy.deepcopy": lambda: copy.deepcopy(records)},
        1e3,
        "ms",
        5,
    )
    aim("deepcopy ÷ copy.deepcopy", against(times, "copy.deepcopy"), 5)
    functions = {OURS: lambda: cd.diff(records, other)}
    if "jsonpatch" in modules:
        functions["jsonpatch"] = lambda: modules["jsonpatch"].make_patch(records, other)
    if "deepdiff" in modules:
        functions["deepdiff"] = lambda: modules["deepdiff"].DeepDiff(records, other)
    times = contest("diff of 1 MB, 4 changes", functions, 1e3, "ms", 3)
    if "deepdiff" in times:
        aim("diff ÷ deepdiff", against(times, "deepdiff"), 500)
    _yaml(3)


def _yaml(rounds: int) -> None:
    modules = peers("ruamel.yaml")
    text = "".join(
        f"- id: {number}\n  name: item {number}  # note\n  tags: [a, b]\n  size: {{x: 1}}\n" for number in range(8000)
    )

    def ours() -> bytes:
        document = cd.Document(text.encode(), format="yaml")
        document.set("[4000].name", "new")
        return bytes(document)

    functions: dict[str, Callable[[], Any]] = {OURS: ours}
    if modules:
        import io

        import ruamel.yaml

        def ruamel_yaml() -> str:
            yaml = ruamel.yaml.YAML()
            loaded = yaml.load(text)
            loaded[4000]["name"] = "new"
            out = io.StringIO()
            yaml.dump(loaded, out)
            return out.getvalue()

        functions["ruamel.yaml"] = ruamel_yaml
    times = contest(f"one scalar of {len(text) / 1e6:.1f} MB of YAML", functions, 1e3, "ms", rounds)
    if modules:
        aim("YAML edit ÷ ruamel.yaml", against(times, "ruamel.yaml"), 10)


def kept(file: Path, took: float) -> float:
    """Put the tables of this part after those that are in *file*, and all of them there. Returns the time of all."""
    old = json.loads(file.read_text()) if file.exists() else {"took": 0, "aims": [], "tables": []}
    titles, aims = {one.title for one in TABLES}, {one[0] for one in AIMS}
    TABLES[:0] = [Table(**one) for one in old["tables"] if one["title"] not in titles]
    AIMS[:0] = [tuple(one) for one in old["aims"] if one[0] not in aims]
    every = {"took": old["took"] + took, "aims": AIMS, "tables": [dataclasses.asdict(one) for one in TABLES]}
    file.write_text(json.dumps(every, indent=1))
    return float(every["took"])


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--large", action="store_true", help="1 GB too (jq and jaq need 10 GB of memory for it)")
    parser.add_argument("--only", choices=[*PARTS, "tables"], help="one part (large: 1 GB; tables: those kept)")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="add to the tables of other parts in that file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="write the tables into that README")
    parser.add_argument("--data", type=Path, help="a folder that keeps the documents")
    options = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.data or Path(temporary)
        folder.mkdir(exist_ok=True)
        parts = [options.only] if options.only else [part for part in PARTS if part != "large" or options.large]
        if "values" in parts:
            in_process(options)
        if "get" in parts:
            reads(options, folder, {"1 kB": 1000, "1 MB": 10**6, "100 MB": 10**8})
        if "change" in parts:
            changes(options, folder)
        if "large" in parts:
            reads(options, folder, {"1 GB": 10**9})
    took = time.monotonic() - start
    if options.keep:
        took = kept(options.keep, took)
    TABLES.insert(0, Table("Aims", ["", "aim", "measured", ""], AIMS))
    names = (
        "msgspec",
        "glom",
        "pydash",
        "jmespath",
        "python-benedict",
        "mergedeep",
        "deepmerge",
        "deepdiff",
        "jsonpatch",
        "ruamel.yaml",
    )
    versions = [f"{name} {importlib.metadata.version(name)}" for name in names if _installed(name)]
    for program in ("jq", "jaq"):
        if shutil.which(program):
            done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
            versions.append(done.stdout.strip().replace("jq-", "jq "))
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    lines = [f"{machine}; {', '.join(versions)}; took {took:.0f} s.", *LEFT_OUT]
    print("\n".join(lines))
    for one in TABLES:
        print("\n" + one.text())
    if options.readme:
        text = options.readme.read_text()
        body = "\n\n".join([*lines, *(one.markdown() for one in TABLES)])
        pattern = re.escape(MARKERS[0]) + ".*" + re.escape(MARKERS[1])
        made = f"{MARKERS[0]}\n\n{body}\n\n{MARKERS[1]}"
        options.readme.write_text(re.sub(pattern, lambda _: made, text, flags=re.DOTALL))
    if options.json:
        options.json.write_text(
            json.dumps({"machine": machine, "versions": versions, "aims": AIMS, "figures": FIGURES}, indent=1)
        )
    return 0


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
