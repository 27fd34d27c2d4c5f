"""To the same mistakes the ten commands answer alike: one line that says what and where, the status that --help names.

The commands are those of the environment that runs this. A cell of the table is a command line, or why there is none.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAMS = Path(sys.executable).parent
NAMES = ("csv", "decorators", "dict", "logging", "mail", "map", "riddles", "sockets", "subprocess", "threading")
INTERRUPTED = 130


@dataclass(frozen=True)
class Case:
    """A command line after ``cb-``, the status that its ``--help`` names, and the words that say what is wrong."""

    line: str
    status: int = 2
    says: str = ""

    def __str__(self) -> str:
        return self.line


RIDDLE = '{"riddle": "What is broken before use?", "options": [{"text": "egg", "correct": true}, {"text": "cup"}]}\n'
MERGE = "mail merge letter.txt {} --dry-run"

# The file is not there, or may not be read: 2, wrong usage, all over.
READS = (
    "csv check {}.csv",
    "decorators run math:sqrt {}.jsonl",
    "dict get {}.json a",
    "logging cat {}.log",
    "mail preview {}.eml",
    MERGE.format("{}.csv"),
    "map pick a {}.jsonl",
    "riddles import {}.gift",
    "sockets send 127.0.0.1:1 --file {}.txt",
    "threading fetch {}.txt -o pages",
)
# batch uses 1 to 101 for how many jobs failed; its --help names 102 for what is wrong with its input.
BATCH = 102


def unreadable(stem: str, words: str) -> list[Case]:
    """A file of this name, of whatever kind, given to each command."""
    return [
        *(Case(line.format(stem), says=rf"{stem}\.\w+: {words} \(") for line in READS),
        Case(f"subprocess batch echo :::: {stem}.txt", BATCH, rf"{stem}\.txt: {words} \("),
    ]


MISSING = unreadable("no", "No such file or directory")
LOCKED = unreadable("locked", "Permission denied")
DIRECTORY = unreadable("folder", "Is a directory")

OPTIONS = [
    *(Case(f"{name} --nonsense", says=r"No such option '?--nonsense'?.* \(see cb-\w+ --help\)") for name in NAMES),
    *(Case(f"{name} nonsense", says=r"No such command 'nonsense'.* \(see cb-\w+ --help\)") for name in NAMES),
]

# The second of three lines is cut off. cb-subprocess takes lines as they are, cb-logging shows what is no record.
BROKEN = [
    Case("csv write -i bad.jsonl", 1, r"bad\.jsonl:2\b"),
    Case("decorators run builtins:dict bad.jsonl", 1, r"bad\.jsonl:2\b"),
    Case("dict validate bad.jsonl", 3, r"bad\.jsonl:2\b"),
    Case(MERGE.format("bad.jsonl"), 65, r"bad\.jsonl:2\b"),
    Case("map pick a bad.jsonl", 1, r"bad\.jsonl:2\b"),
    Case("riddles import riddles.jsonl", 1, r"riddles\.jsonl:2\b"),
    Case("sockets send {echo} --in json --file texts.jsonl -q", 3, r"texts\.jsonl:2\b"),
    Case("threading fetch urls.jsonl -o pages", 2, r"urls\.jsonl:2\b"),
]

# The second line is Latin-1. cb-subprocess and cb-sockets carry bytes as they are, a log is shown as it can be.
LATIN = [
    Case("csv dicts --encoding utf-8 latin.csv", 1, r"latin\.csv:2\b"),
    Case("decorators run builtins:dict latin.jsonl", 1, r"latin\.jsonl:2\b"),
    Case("dict validate latin.jsonl", 3, r"latin\.jsonl:2\b"),
    Case(MERGE.format("latin.csv"), 65, r"latin\.csv:2\b"),
    Case("map pick a latin.jsonl", 1, r"latin\.jsonl:2\b"),
    Case("riddles import latin.gift", 1, r"latin\.gift:2\b"),
    Case("threading fetch latin.txt -o pages", 2, r"latin\.txt:2\b"),
]

# Nobody listens at port 1. cb-csv and cb-dict connect to nothing; cb-map's and cb-subprocess's clusters are extras.
REFUSED = [
    Case("decorators stats --store redis://127.0.0.1:1/0", 1, r"127\.0\.0\.1:1\b.*refused"),
    Case("logging send --to tcp://127.0.0.1:1 hello", 1, r"127\.0\.0\.1:1\b.*refused"),
    Case(
        "mail send --server smtp://127.0.0.1:1 --tls none --from a@example.com --to b@example.com --body ok.txt",
        69,
        r"127\.0\.0\.1:1\b.*refused",
    ),
    Case("sockets send 127.0.0.1:1 hello", 1, r"127\.0\.0\.1:1\b.*refused"),
    Case("threading fetch http://127.0.0.1:1/ -o pages --retries 0", 1, r"0 saved, 1 failed"),
]

# Each waits for input, time or connections; servers say when they are ready.
WAITING = {
    "csv check": "",
    "decorators run math:sqrt": "",
    "dict get -f json - a": "",
    "logging cat": "",
    "mail serve --port 0 --no-web": "mail on",
    "map pick a": "",
    "riddles serve --port 0": "Serving on",
    "sockets serve echo --listen 127.0.0.1:0": "listening on",
    "subprocess run -- sleep 600": "",
    "threading every 600s -- true": "",
}

# Each writes more than a pipe holds. cb-mail and cb-threading write little: what they print is gone at the first line.
WRITING = (
    "csv dicts many.csv",
    "decorators run builtins:dict many.jsonl",
    "dict flat many.jsonl",
    "logging cat many.log",
    "mail preview --help",
    "map pick a many.jsonl",
    "riddles export --help",
    "sockets send {echo} --file many.txt -q",
    "subprocess batch -j 1 --shell cat :::: many.names",
    "threading doctor",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the command lines name."""
    folder = tmp_path_factory.mktemp("place")
    for suffix in ("csv", "jsonl", "json", "log", "eml", "gift", "txt"):
        (folder / f"locked.{suffix}").write_text("secret\n")
        (folder / f"locked.{suffix}").chmod(0)
        (folder / f"folder.{suffix}").mkdir()
    (folder / "letter.txt").write_text("From: me@example.com\nTo: {{ a }}\nSubject: Hello\n\nHello\n")
    (folder / "ok.txt").write_text("hello\n")
    (folder / "ok.log").write_text("2026-01-01 00:00:00 - root - INFO - hello\n")
    (folder / "bad.jsonl").write_text('{"a": "1"}\n{"a": \n{"a": "3"}\n')
    (folder / "latin.jsonl").write_bytes(b'{"a": "1"}\n{"a": "M\xfcller"}\n')
    (folder / "latin.csv").write_bytes(b"a,b\nM\xfcller,2\n")
    (folder / "riddles.jsonl").write_text(RIDDLE + '{"riddle": \n' + RIDDLE.replace("egg", "eggs"))
    (folder / "texts.jsonl").write_text('"one"\n"two\n"three"\n')
    (folder / "urls.jsonl").write_text('{"url": "http://127.0.0.1:1/1"}\n{"url": \n{"url": "http://127.0.0.1:1/3"}\n')
    (folder / "latin.gift").write_bytes(b"// Riddles\n\xfcber::What?{=this ~that}\n")
    (folder / "latin.txt").write_bytes(b"http://127.0.0.1/\nhttp://127.0.0.1/M\xfcller\n")
    (folder / "many.csv").write_text("a,b\n" + "1,2\n" * 20_000)
    (folder / "many.txt").write_text("9\n" * 20_000)
    (folder / "many.jsonl").write_text('{"a": 1, "b": 2}\n' * 20_000)
    (folder / "many.names").write_text("many.csv\n" * 20)
    (folder / "many.log").write_text("2026-01-01 00:00:00 - root - INFO - hello\n" * 20_000)
    return folder


def without_the_right_to_read_all() -> list[str]:
    """What to put before a command so that a file's mode counts, for root too."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("setpriv (util-linux) is not here, and root may read every file")
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]


def run(case: Case, place: Path, *before: str, **words: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with nothing on stdin."""
    name, *arguments = shlex.split(case.line.format_map(words) if words else case.line)
    return subprocess.run(
        [*before, str(PROGRAMS / f"cb-{name}"), *arguments],
        cwd=place,
        env=environment(place),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    )


def told(line: str, place: Path) -> str:
    """What a command prints that ends well."""
    ran = run(Case(line), place)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def environment(place: Path) -> dict[str, str]:
    """Nothing of the user's own."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("CB_")}
    return {**given, "HOME": str(place), "XDG_STATE_HOME": str(place / "state"), "CB_RIDDLES_DATA": str(place / "site")}


@pytest.fixture(scope="module")
def echo(place: Path) -> Iterator[str]:
    """The address of a server that echoes."""
    program = [str(PROGRAMS / "cb-sockets"), "serve", "echo", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(program, cwd=place, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        yield server.stderr.readline().rpartition("//")[2].strip()
        server.terminate()
        server.stderr.read()


def one_line_from(name: str, text: str) -> str:
    """The line that the command leaves on stderr, without its name."""
    assert "Traceback" not in text
    (line,) = text.splitlines()
    assert line.startswith(f"cb-{name}: ")
    return line.removeprefix(f"cb-{name}: ")


@pytest.mark.parametrize("case", [*MISSING, *DIRECTORY, *OPTIONS, *BROKEN, *LATIN, *REFUSED], ids=str)
def test_a_mistake_is_one_line(case: Case, place: Path, echo: str) -> None:
    """It says what and where, and the status is the one that ``--help`` names."""
    ran = run(case, place, echo=echo)
    assert re.search(case.says, one_line_from(case.line.split()[0], ran.stderr))
    assert ran.returncode == case.status


@pytest.mark.parametrize("case", LOCKED, ids=str)
def test_no_permission_is_one_line(case: Case, place: Path) -> None:
    """A file that we may not read is as one that is not there."""
    ran = run(case, place, *without_the_right_to_read_all())
    assert re.search(case.says, one_line_from(case.line.split()[0], ran.stderr))
    assert ran.returncode == case.status


@pytest.mark.parametrize(("line", "ready"), WAITING.items(), ids=WAITING)
def test_interrupted(line: str, ready: str, place: Path) -> None:
    """Ctrl-C ends whatever waits, a server too, with 130 and a line at most."""
    name, *arguments = shlex.split(line)
    with subprocess.Popen(
        [str(PROGRAMS / f"cb-{name}"), *arguments],
        cwd=place,
        env=environment(place),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        assert waiting.stderr
        while ready and ready not in (said := waiting.stderr.readline()):
            assert said, "it ended"
        wait_until_it_sleeps(waiting.pid)
        waiting.send_signal(signal.SIGINT)
        _, words = waiting.communicate(timeout=60)
    if words:
        one_line_from(name, words)
    assert waiting.returncode == INTERRUPTED


def wait_until_it_sleeps(pid: int) -> None:
    """Return when the process has waited, and computed nothing, for a second."""
    before, since = "", time.monotonic()
    while time.monotonic() - since < 1:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        now = f"{state} {fields[10:12]}"
        if state != "S" or now != before:
            before, since = now, time.monotonic()
        time.sleep(0.02)


@pytest.mark.parametrize("line", WRITING)
def test_closed_pipe(line: str, place: Path, echo: str) -> None:
    """Whoever reads has enough: no word, and no status that a pipeline would stop for."""
    name, *arguments = shlex.split(line.format(echo=echo))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(
            [str(PROGRAMS / f"cb-{name}"), *arguments],
            cwd=place,
            env=environment(place),
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert (ran.stderr, ran.returncode) == ("", 0)


@pytest.mark.parametrize("name", NAMES)
def test_help(name: str, place: Path) -> None:
    """An example first, then the options and commands, then the statuses: 0, 2 and 130 are the same in all."""
    text = told(f"{name} --help", place)
    places = [text.find(part) for part in ("Usage: ", "  Example", "Options:", "Commands:", "  Exit codes:\n")]
    assert -1 not in places
    assert places == sorted(places)
    codes = text.partition("Exit codes:\n")[2]
    assert re.search(r"\b0 \w+.*\b1 \w+.*\b2 wrong usage.*\b130 interrupted", codes, re.DOTALL)


# What a flag means, it means in every command; these have their first letter as a short form.
SHORT = ("output", "quiet", "verbose", "jobs", "interactive")


@pytest.mark.parametrize("name", NAMES)
def test_flags(name: str, place: Path) -> None:
    """The same in every sub-command: short forms, ``--format`` with json among its choices, no ``--json`` beside it."""
    listed = told(f"{name} --help", place).partition("Commands:\n")[2].partition("\n\n")[0]
    for command in re.findall(r"^  (\S+)", listed, re.MULTILINE):
        page = told(f"{name} {command} --help", place)
        options = [line.strip() for line in page.splitlines() if re.match(r"  (-\w, )?--", line)]
        for word in SHORT:
            those = [f"{option} " for option in options if f"--{word}" in option.split()]
            assert all(option.startswith(f"-{word[0]}, --{word} ") for option in those), (command, word)
        for option in options:
            assert not option.startswith("--json ") or (name, command) == ("dict", "set"), command
            assert "json" in option or not option.startswith("--format ["), command


@pytest.mark.parametrize("name", NAMES)
def test_version(name: str, place: Path) -> None:
    """``--version`` is the command's name and its version."""
    assert re.fullmatch(rf"cb-{name}, version \d+\.\d+\.\d+\n", told(f"{name} --version", place))
