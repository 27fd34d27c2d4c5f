"""The command, run as a user runs it; what recipes and files show is not shown again here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cb_dict
import pytest
from test_recipes import run


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an application's files, which is where the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.json").write_text(
        '{\n  "name": "app",\n  "ratio": 1.50,\n  "servers": [{"port": 1}, {"port": 2}]\n}\n'
    )
    (tmp_path / "app.yaml").write_text("# conf\nname: app\nserver:\n  host: h   # main\n")
    (tmp_path / "broken.jsonl").write_text('{"a": 1}\n{"a": x}\n')
    (tmp_path / "latin.json").write_bytes(b'["a",\n "b\xe9"]')
    (tmp_path / "events.jsonl").write_text('{"user": {"id": 1.0}}\n{"user": {"id": 2}}\n{}\n')
    return tmp_path


def test_version() -> None:
    """``--version`` prints the package's version and nothing else."""
    assert run("--version").stdout == f"cb-dict, version {cb_dict.__version__}\n"


def test_help_without_arguments() -> None:
    """No command at all is wrong usage, answered with the help; every command's help has an example."""
    done = run()
    assert done.returncode == 2
    assert "Exit codes:" in done.stderr
    for line in done.stderr.split("Commands:\n")[1].split("\n\n")[0].splitlines():
        assert f"cb-dict {line.split()[0]}" in run(line.split()[0], "--help").stdout.split("Example")[1]


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (("get", "app.json", "ratio"), "1.50\n"),
        (("get", "app.json", "servers[*].port"), "1\n2\n"),
        (("get", "app.json", "/servers/0/port", "name"), '1\n"app"\n'),
        (("get", "app.yaml", "server"), '{\n  "host": "h"\n}\n'),
        (("get", "-r", "app.yaml", "server.host"), "h\n"),
        (("get", "--lines", "events.jsonl", "user.id", "--default", "none"), '1.0\n2\n"none"\n'),
        (("get", "events.jsonl", "[0].user.id"), "1.0\n"),
        (("keys", "app.json", "--sort"), "name\nratio\nservers\n"),
        (("keys", "app.json", "servers"), "0\n1\n"),
        (("items", "app.yaml"), 'name: app\nserver: {"host":"h"}\n'),
        (("type", "app.json", "ratio"), "number\n"),
        (("type", "events.jsonl"), "array\n"),
        (("type", "app.json", "servers[*]"), "array\n"),
        (("get", "events.jsonl", "[*].user.id"), "1.0\n2\n"),
        (("get", "app.json", "servers[*].host", "--default", "none"), '"none"\n"none"\n'),
        (("len", "app.json", "name"), "3\n"),
        (("flat", "app.yaml"), 'name = "app"\nserver.host = "h"\n'),
        (("convert", "app.json", "servers", "-t", "yaml"), "- port: 1\n- port: 2\n"),
        (("convert", "app.yaml", "-t", "toml"), 'name = "app"\n\n[server]\nhost = "h"\n'),
        (("fmt", "app.json", "--indent", "-1"), '{"name":"app","ratio":1.50,"servers":[{"port":1},{"port":2}]}\n'),
        (("set", "app.yaml", "server.host", "x", "--string"), "# conf\nname: app\nserver:\n  host: x   # main\n"),
        (("merge", "app.yaml", "app.yaml"), "# conf\nname: app\nserver:\n  host: h   # main\n"),
        (("validate", "app.json", "app.yaml", "events.jsonl", "--strict"), ""),
    ],
)
def test_what_commands_print(app: Path, arguments: tuple[str, ...], printed: str) -> None:
    """Reading commands print values as they are written; changing ones print the changed document."""
    done = run(*arguments)
    assert (done.stdout, done.stderr, done.returncode) == (printed, "", 0)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("get", "app.json", "nme"), 1, "app.json: nme: no key 'nme' in the document (did you mean name?)"),
        (("get", "--lines", "events.jsonl", "user.id"), 1, "events.jsonl: line 3: user: no key"),
        (("get", "--lines", "broken.jsonl", "a"), 3, "broken.jsonl:2:7: "),
        (("get", "-r", "latin.json", "[*]"), 3, "latin.json:2:4: a byte that is no UTF-8"),
        (("get", "app.json", "a..b"), 2, "path 'a..b', column 3: expected a key"),
        (("get", "nothing.json"), 2, "nothing.json: No such file or directory (look at the name and the rights)"),
        (("keys", "app.json", "name"), 1, "app.json: this is string"),
        (("set", "app.json", "servers[5]", "1"), 1, "servers has 2 elements (take [0] to [1])"),
        (("set", "app.json", "a"), 2, "PATH 'a' has no VALUE"),
        (("set", "app.json", "a", "{x", "--json"), 2, "'{x' is no JSON"),
        (("set", "-i", "-", "a", "1"), 2, "-i needs a file"),
        (("add", "app.json", "name=1"), 1, "name is 'app', not a number"),
        (("add", "app.json", "name"), 2, "'name' is not PATH=NUMBER"),
        (("merge", "app.json", "app.yaml", "--conflict", "error", "--lists", "index"), 0, ""),
        (("merge", "app.json", "events.jsonl", "--conflict", "error"), 1, "the document"),
        (("patch", "app.json", "app.yaml"), 2, "is no JSON Patch"),
        (("fmt", "app.yaml"), 4, "fmt is for JSON"),
        (("unflat", "app.yaml"), 3, "app.yaml:1:1: no ' = ' in the line"),
        (("frob",), 2, "No such command"),
    ],
)
def test_errors_are_one_line(app: Path, arguments: tuple[str, ...], status: int, words: str) -> None:
    """What is wrong, and where, in one line on stderr; the status says of which kind it is."""
    done = run(*arguments)
    assert done.returncode == status
    assert words in done.stderr
    assert done.stderr.count("\n") == bool(status)
    assert "Traceback" not in done.stderr


def test_the_traceback_is_there_when_asked_for(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``CB_DEBUG=1`` shows where an error comes from."""
    monkeypatch.setenv("CB_DEBUG", "1")
    assert "Traceback" in run("get", "app.json", "x").stderr


def test_dry_run_and_backup(app: Path) -> None:
    """``--dry-run`` shows a unified diff and changes nothing; ``--backup`` keeps the old file."""
    before = (app / "app.json").read_text()
    shown = run("set", "-i", "app.json", "servers[1].port", "3", "--dry-run").stdout
    assert [line for line in shown.splitlines() if line[0] in "+-"] == [
        "--- app.json",
        "+++ app.json",
        '-  "servers": [{"port": 1}, {"port": 2}]',
        '+  "servers": [{"port": 1}, {"port": 3}]',
    ]
    assert (app / "app.json").read_text() == before
    assert run("delete", "-i", "app.json", "ratio", "--backup", ".old").returncode == 0
    assert (app / "app.json.old").read_text() == before
    assert "ratio" not in (app / "app.json").read_text()


@pytest.mark.parametrize(
    "words",
    [
        ["app.json"],
        ["app.json", "servers[-1].port", "ratio"],
        ["app.json", "ratios"],
        ["app.yaml", "server"],
        ["latin.json", "[5]"],
        ["events.jsonl", "[*].user"],
        ["absent.json", "a"],
        ["app.json", "a["],
    ],
)
@pytest.mark.usefixtures("app")
def test_get_without_options_is_the_same(words: list[str]) -> None:
    """Without click it says what it says with it."""
    plain, parsed = run("get", *words), run("get", "--", *words)
    assert (plain.returncode, plain.stdout, plain.stderr) == (parsed.returncode, parsed.stdout, parsed.stderr)


@pytest.mark.usefixtures("app")
def test_get_without_options_does_not_wait_for_click() -> None:
    """It is not imported."""
    program = "import sys, cb_dict.showing as it; it.plain(['get', 'app.json'])(); print('click' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.usefixtures("app")
def test_words_on_a_closed_stderr_are_nobodys() -> None:
    """The status tells."""
    program = f"exec '{sys.executable}' -m cb_dict get absent.json a 2>&-"
    assert subprocess.run(program, shell=True, check=False).returncode == 2


@pytest.mark.usefixtures("app")
def test_a_choice_is_told_in_one_line() -> None:
    """Click would take a line for each."""
    assert len(run("convert", "app.json").stderr.splitlines()) == 1


def test_diff_and_patch(app: Path) -> None:
    """What ``diff --format json`` prints, ``patch`` applies; the status says whether there is a difference."""
    (app / "other.json").write_text('{"name": "app", "ratio": 1.5, "servers": [{"port": 1}], "new": {"a/b": null}}')
    assert run("diff", "app.json", "other.json").stdout == '- servers.1\n+ new: {"a/b": null}\n'
    assert run("diff", "app.json", "app.json").returncode == 0
    assert run("diff", "-q", "app.json", "app.yaml").returncode == 1
    made = run("diff", "--format", "json", "app.json", "other.json")
    assert made.returncode == 1
    assert run("patch", "-i", "app.json", "-", text=made.stdout).returncode == 0
    assert run("diff", "app.json", "other.json").returncode == 0
    assert (
        run("patch", "app.yaml", "-", "--merge", text='{"name": null}').stdout
        == "# conf\nserver:\n  host: h   # main\n"
    )


def test_flat_and_back(app: Path) -> None:
    """``unflat`` makes of ``flat``'s lines the document again, whatever its keys."""
    document = {"a = b": {"c.d": [1, {"": "x = y"}]}, 'q"': [], "e": "\u2028"}
    lines = run("flat", "-", text=json.dumps(document)).stdout
    assert json.loads(run("unflat", text=lines).stdout) == document
    assert run("unflat", text="a = {\n").stderr.startswith("cb-dict: -:1:6: ")
    assert run("unflat", "-t", "xml", text=lines).returncode == 2


def test_values_from_files(app: Path) -> None:
    """``set --file`` takes the document of another file, of any format."""
    assert run("set", "-i", "app.json", "conf", "app.yaml", "--file").returncode == 0
    assert json.loads((app / "app.json").read_text())["conf"] == {"name": "app", "server": {"host": "h"}}
    assert run("convert", "app.json", "name", "-t", "json", "-o", "out.json").returncode == 0
    assert (app / "out.json").read_text() == '"app"\n'


@pytest.mark.parametrize("option", ["", "--raw "])
def test_a_reader_that_has_enough(tmp_path: Path, option: str) -> None:
    """``cb-dict … | head`` ends quietly."""
    (tmp_path / "a.json").write_text(json.dumps(list(range(200_000))))
    command = f"'{sys.executable}' -m cb_dict get {option}a.json '[*]' | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n0\n", "")


@pytest.mark.parametrize("options", [[], ["--raw"]])
def test_interrupted(options: list[str]) -> None:
    """Ctrl-C ends with one word and 130."""
    command = [sys.executable, "-m", "cb_dict", "get", *options, "-"]
    done = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    assert done.stdin is not None
    os.set_blocking(done.stdin.fileno(), False)
    sent = 0
    while sent <= 1 << 16:  # more than the pipe holds: the command is reading
        try:
            sent += os.write(done.stdin.fileno(), b" " * 4096)
        except BlockingIOError:
            continue
    done.send_signal(signal.SIGINT)
    _, words = done.communicate(timeout=60)
    assert (done.returncode, words) == (130, b"cb-dict: interrupted\n")
