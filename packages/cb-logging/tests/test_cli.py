"""The command, run as a user runs it."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cb_logging
import pytest

Run = Callable[..., Any]
LOG = "INFO:shop:open\nERROR:till:empty\nTraceback: x\nINFO:shop:shut\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A small log."""
    path = tmp_path / "app.log"
    path.write_text(LOG)
    return path


def test_version() -> None:
    """``--version`` prints the package's version and nothing else; importing the library does not import click."""
    run = subprocess.run([sys.executable, "-m", "cb_logging", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"cb-logging, version {cb_logging.__version__}\n"
    code = "import sys, cb_logging; print('click' in sys.modules, 'ssl' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False False\n"
    )


def test_cat(cb: Run, log: Path) -> None:
    """Whole records; as JSON; from standard input; 1 if there is none, 2 if there is no file."""
    assert cb("cat", log).out == LOG
    assert cb("cat", "-l", "error", log).out == "ERROR:till:empty\nTraceback: x\n"
    ran = cb("cat", "-l", "error", "--format", "json", stdin=LOG)
    assert json.loads(ran.out) == {
        "levelname": "ERROR", "name": "till", "message": "empty", "traceback": "Traceback: x",
    }  # fmt: skip
    assert (cb("cat", "-g", "nothing", log).status, cb("cat", log.parent / "none").status) == (1, 2)
    assert cb("cat", "-g", "(", log).err == (
        "cb-logging: '(' is no expression: missing ), unterminated subpattern at position 0\n"
    )
    assert cb("cat", "--strict", "-t", "basic", stdin="stray\n" + LOG).status == 2
    assert cb("cat", stdin="INFO:a:no end").out == "INFO:a:no end\n"


def test_tail(cb: Run, log: Path) -> None:
    """The last records, whole; rotated ones first on request."""
    assert cb("tail", "-n", "2", log).out == "ERROR:till:empty\nTraceback: x\nINFO:shop:shut\n"
    assert cb("tail", "-l", "critical", log).status == 1
    (log.parent / "app.log.1").write_text("INFO:shop:before\n")
    assert cb("tail", "-r", "--format", "json", log).out.count("\n") == 4


def test_tail_follows(log: Path) -> None:
    """With -F it goes on until it is interrupted, and ends with 130 without a word."""
    with subprocess.Popen(
        [sys.executable, "-m", "cb_logging", "tail", "-F", "-n", "1", log],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"INFO:shop:shut\n"
        with log.open("a") as file:
            file.write("INFO:shop:again\n")
        assert child.stdout.readline() == b"INFO:shop:again\n"
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (130, b"")


def test_a_reader_that_has_enough(tmp_path: Path) -> None:
    """``| head`` ends quietly."""
    big = tmp_path / "big.log"
    big.write_text(LOG * 50_000)
    line = f"'{sys.executable}' -m cb_logging cat {big} | head -1; echo ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("INFO:shop:open\n0\n", "")


def test_stats(cb: Run, tmp_path: Path, log: Path) -> None:
    """Bars, a line of time, JSON lines; 1 if there is nothing, and what is no record is told of."""
    out = cb("stats", log).out.splitlines()
    assert out[0].split()[:2] == ["INFO", "2"]
    assert out[0].count("█") == 2 * out[1].count("█")
    assert [json.loads(line) for line in cb("stats", "-b", "logger", "--format", "json", log).out.splitlines()] == [
        {"logger": "shop", "records": 2},
        {"logger": "till", "records": 1},
    ]
    timed = tmp_path / "timed.log"
    head = "- [INFO] [MainThread] (a:1) x"
    timed.write_text(
        "".join(f"2015-12-30 {hour:02}:{minute:02}:00,000 {head}\n" for hour in (1, 2) for minute in range(40))
    )
    out = cb("stats", "-b", "level", "-b", "module", "--bucket", "minute", timed).out
    assert out.splitlines()[1].strip() == "2015-12-30 01:00 … 2015-12-30 02:39"
    assert "80" in out
    empty = cb("stats", "-t", "basic", stdin="nothing\n")
    assert (empty.status, "8 bytes before the first record" in empty.err) == (1, True)


def test_format_and_check(cb: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good one is shown; a bad one is one line that says where, and status 2."""
    assert cb("format", "%(levelname)-8s|%(name)s").out == "ERROR   |shop.orders\n"
    assert cb("format", "[%(request)s]", "--field", "request").out == "[-]\n"
    bad = cb("format", "%(asctime)s - [% (levelname) s]")
    assert bad.status == 2
    assert bad.err.count("\n") == 1
    assert "at position 15" in bad.err
    (tmp_path / "log.toml").write_text(f'[logging]\nlevel = "DEBUG"\nto = "{tmp_path}/app.log"\n')
    assert cb("check", tmp_path / "log.toml").out == f"<Output {tmp_path}/app.log (NOTSET)>\nlevel DEBUG\n"
    monkeypatch.setenv("CB_LOGGING_LEVEL", "loud")
    assert cb("check").err.startswith("cb-logging: level: 'loud' is no level (use one of: ")
    monkeypatch.setenv("CB_DEBUG", "1")
    with pytest.raises(cb_logging.ConfigError):
        cb("check")


def test_tables(cb: Run) -> None:
    """As JSON, too."""
    assert json.loads(cb("levels", "--format", "json").out.splitlines()[-1])["number"] == 50
    assert len(cb("handlers", "--format", "json").out.splitlines()) == len(cb_logging.HANDLERS)


def test_send(cb: Run, tmp_path: Path) -> None:
    """Really sends; says what went wrong, with status 1."""
    assert "[INFO] [MainThread]" in cb("send", "hello").err
    log = tmp_path / "a.log"
    assert cb("send", "--to", f"file:{log}", "-l", "ERROR", "--format", "basic", "50% off").status == 0
    assert log.read_text() == "ERROR:cb-logging:50% off\n"
    failed = cb("send", "--to", f"journal:{tmp_path}/none", "x")
    assert failed.status == 1
    assert "is it there" in failed.err


def test_run(cb: Run, tmp_path: Path) -> None:
    """Stdout and stderr of a program, told apart by level; its status is kept, a signal's too."""
    log = tmp_path / "run.log"
    ran = cb(
        "run",
        "--to",
        log,
        "--format",
        "%(levelname)s %(name)s %(message)s",
        "--",
        "sh",
        "-c",
        "echo a; echo b >&2; exit 7",
    )
    assert ran.status == 7
    assert sorted(log.read_text().splitlines()) == ["INFO sh a", "WARNING sh b"]
    assert cb("run", "--to", log, "--", "sh", "-c", "kill -9 $$").status == 137
    assert cb("run", "--to", log, "--", tmp_path / "none").status == 127
    assert cb("run", "--to", log, "--", tmp_path).status == 126


def test_recover(cb: Run, tmp_path: Path) -> None:
    """Says how many lines; a log that is not there is an error."""
    assert cb("recover", tmp_path / "a.log").status == 2
    (tmp_path / "a.log").touch()
    assert cb("recover", tmp_path / "a.log").err == f"{tmp_path / 'a.log'}: 0 lines\n"


def test_usage(cb: Run) -> None:
    """Wrong usage is one line with the way to the help, and status 2; no arguments show the help."""
    wrong = cb("cat", "--nonsense")
    assert (wrong.status, wrong.err.count("\n")) == (2, 1)
    assert wrong.err.endswith("(see cb-logging cat --help)\n")
    assert cb("nonsense").status == 2
    assert cb().status == 2
    assert "Example:" in cb("--help").out
    for name in ("cat", "tail", "stats", "run", "send", "check", "format", "recover", "contacts"):
        assert "Example:" in cb(name, "--help").out


def test_state_folder(cb: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contacts are kept in this user's state folder, for nobody else to read."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert cb("contacts", "add", "Ann", "1").out == "Done!\n"
    assert os.stat(tmp_path / "cb-logging" / "contacts.csv").st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("cut.log.gz", gzip.compress(LOG.encode(), mtime=0)[:30], "ended before"),
        ("fake.log.gz", b"no", "Not a gzipped file"),
        ("broken.log.gz", gzip.compress(LOG.encode() * 99, mtime=0)[:12] + b"x" * 20, "broken.log.gz"),
        ("bad.log.zst", b"\x28\xb5\x2f\xfdxxxx", "bad.log.zst"),
    ],
    ids=["cut", "fake", "broken", "zst"],
)
def test_compressed_files_that_are_broken(cb: Run, tmp_path: Path, name: str, data: bytes, said: str) -> None:
    """Are told of by name, in one line."""
    (tmp_path / name).write_bytes(data)
    ran = cb("cat", tmp_path / name)
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert ran.err.startswith(f"cb-logging: {tmp_path / name}: ")
    assert said in ran.err


@pytest.mark.parametrize("command", ["cat", "tail", "stats"])
def test_what_cannot_be_opened(cb: Run, tmp_path: Path, command: str) -> None:
    """A file that is not there, a folder: one line, status 2. Bytes that are no UTF-8 are shown as they are."""
    for path, said in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        ran = cb(command, path)
        assert (ran.status, ran.err.count("\n")) == (2, 1)
        assert ran.err.startswith(f"cb-logging: {path}: {said}")
    (tmp_path / "odd").write_bytes(b"\xff\xfe\n")
    ran = subprocess.run(
        [sys.executable, "-m", "cb_logging", command, tmp_path / "odd"], capture_output=True, check=True
    )
    assert (b"\xff\xfe\n" in ran.stdout) == (command != "stats")


def test_no_right_to_read(tmp_path: Path) -> None:
    """One line, status 2; for whoever is not root."""
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    log = tmp_path / "app.log"
    log.write_text(LOG)
    log.chmod(0)
    code = f"""
import os, sys
from cb_logging.__main__ import main
import cb_logging.printing
sys.argv = ["cb-logging", "cat", {str(log)!r}]
os.seteuid(65534)
try:
    main()
finally:
    os.seteuid(0)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"cb-logging: {log}: Permission denied")
    assert ran.stderr.count("\n") == 1


def test_output_that_nobody_takes(tmp_path: Path, log: Path) -> None:
    """A full disk is one line and status 2; a stdout that was closed is as /dev/null."""
    for arguments in ("cat {}", "stats {}", "tail {}", "levels"):
        command = f"'{sys.executable}' -m cb_logging {arguments.format(log)}"
        full = subprocess.run(["sh", "-c", f"{command} > /dev/full"], capture_output=True, text=True, check=False)
        assert (full.returncode, full.stderr.count("\n")) == (2, 1)
        assert "No space left on device" in full.stderr
        closed = subprocess.run(["sh", "-c", f"{command} >&-"], capture_output=True, text=True, check=False)
        assert (closed.returncode, closed.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("level = [", ":1:"),
        ("[logging]\nlevel = x", ":2:9: Invalid value"),
        ('[logging]\ncolour = "x"', "colour: 'x' is no setting (use one of: level, "),
        ("[logging]\nto = [3]", "to: 3 is none of the values"),
        ('[logging]\nfields = ["a-b"]', "fields: 'a-b' is no name"),
        ("[logging]\nfields = [3]", "fields: 3 is none"),
        ("[logging]\nredact = [3]", "redact: 3 is none"),
        ("[logging]\nlevels = {a = []}", "levels: [] is none"),
        ("tool = 3", "tool: 3 is no setting"),
        ('[logging]\nrotate = "often"', "rotate: 'often' is neither"),
        ('[logging]\nto = "nope:x"', "'nope:x' is no kind of handler"),
        ('[logging]\nto = "syslog+tcp:"', "names no host and port"),
        ('[logging]\nto = "syslog+tls://x?ca=none.pem"', "ca: 'none.pem' is no file of certificates"),
        ('[logging]\nto = "nteventlog:x"', "needs Windows"),
        ("\n\udcff", ":2:1: is not UTF-8"),
    ],
)
def test_configurations_that_cannot_be(cb: Run, tmp_path: Path, text: str, said: str) -> None:
    """One line that begins with the file, says what is wrong, and where; status 2."""
    config = tmp_path / "log.toml"
    config.write_text(text, errors="surrogateescape")
    ran = cb("check", config)
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert ran.err.startswith(f"cb-logging: {config}:")
    assert said in ran.err


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CONFIG", "none.toml", "none.toml: No such file"),
        ("ROTATE", "often", "rotate: 'often' is neither"),
        ("LEVELS", "shop", "levels: 'shop' says no level"),
        ("SPOOL", "maybe", "spool: 'maybe' is no bool"),
        ("COLOR", "yes", "color: 'yes' is no setting"),
    ],
)
def test_variables_that_cannot_be(cb: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    """The same for the environment."""
    monkeypatch.setenv(f"CB_LOGGING_{name}", value)
    ran = cb("check")
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert said in ran.err


@pytest.mark.parametrize("to", ["tcp://127.0.0.1:{}", "otlp+http://127.0.0.1:{}/v1/logs", "syslog+tcp://127.0.0.1:{}"])
def test_send_to_nobody(cb: Run, to: str) -> None:
    """Is told, with status 1."""
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        ran = cb("send", "--to", to.format(taken.getsockname()[1]), "x")
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "is it there" in ran.err


@pytest.mark.parametrize(("name", "send"), [("INT", os.killpg), ("TERM", os.kill), ("HUP", os.kill)])
def test_run_is_ended(tmp_path: Path, name: str, send: Callable[[int, int], None]) -> None:
    """Ctrl-C reaches the program, too, and a signal for us alone goes on to it; its last words and status are kept."""
    log = tmp_path / "run.log"
    script = f"trap 'echo bye; exit 3' {name}; echo up; while :; do sleep 0.05; done"
    command = [sys.executable, "-m", "cb_logging", "run", "--to", log, "--", "sh", "-c", script]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE) as child:
        end = time.monotonic() + 60
        while not (log.exists() and b"up" in log.read_bytes()) and time.monotonic() < end:
            time.sleep(0.01)
        send(child.pid, signal.Signals[f"SIG{name}"])
        _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (3, b"")
    assert [line.rpartition(" ")[2] for line in log.read_text().splitlines()] == ["up", "bye"]
