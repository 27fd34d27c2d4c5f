"""The command, run as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cb_decorators
import pytest
from cb_decorators.cli import commands
from decorators_support import command, until


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder, a current folder and a module of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text(
        "async def price(item, amount=1):\n    return {'item': item, 'amount': amount}\n"
        "def cheap(amount):\n    return amount < 10\n"
        "def odd(x):\n    return {1}\n"
        "def loud(x):\n    open('ran', 'a').write('x')\n    return x\n"
        "nothing = 5\n"
    )


def test_version() -> None:
    """``--version`` prints the package's version and nothing else."""
    assert command("--version").stdout == f"cb-decorators, version {cb_decorators.__version__}\n"


def test_help() -> None:
    """Every command explains itself with an example; the command alone shows the help."""
    assert sorted(commands.commands) == ["clear", "exec", "invalidate", "palindrome", "run", "stats"]
    assert all("Example:" in str(one.help) for one in commands.commands.values())
    assert command().returncode == 2


def test_palindrome_options() -> None:
    """--check answers with the exit code too; --format json tells all; --time and --cache talk on stderr."""
    checked = command("palindrome", "--check", "menem", "mene")
    assert (checked.stdout, checked.returncode) == ("true\nfalse\n", 1)
    assert command("palindrome", "--check", "menem").returncode == 0
    found = json.loads(command("palindrome", "--format", "json", "é\u0301").stdout)
    assert found == {"word": "é\u0301", "palindrome": False, "completed": "é\u0301é"}
    said = command("palindrome", "--time", "--cache", text="casa\ncasa\n")
    assert said.stdout == "casac\ncasac\n"
    assert [re.sub(r"\d+", "N", line) for line in said.stderr.splitlines()] == [
        "result for args ('casa',) was not found in cache...",
        *["spent N microseconds in convert_to_palindrome with arguments ('casa',). Result was: casac"] * 2,
    ]


def test_words_that_are_refused() -> None:
    """One line with file, line and column; the rest is done; exit code 1."""
    done = command("palindrome", "--no-spaces", text="casa\nanita lava\nmene\n")
    assert done.stdout == "casac\nmenem\n"
    assert done.stderr == ("cb-decorators: stdin:2:6: white space in the word (remove it, or leave --no-spaces out)\n")
    assert done.returncode == 1
    assert "WORD:2:2: white space" in command("palindrome", "--no-spaces", "a", "b c").stderr


def test_bytes_that_are_no_text() -> None:
    """Said with their place."""
    run = subprocess.run(
        [sys.executable, "-m", "cb_decorators", "palindrome"], input=b"ok\nab\xff\n", capture_output=True, check=False
    )
    assert run.stderr == b"cb-decorators: stdin:2:3: not UTF-8 (convert it, for instance with iconv)\n"
    assert (run.stdout, run.returncode) == (b"oko\n", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("palindrome", "-i", "casa"), "-i asks for the words"),
        (("run", "shop"), "'shop' is not MODULE:NAME, like math:sqrt"),
        (("run", "nomodule:x"), "nomodule:x: No module named 'nomodule'"),
        (("run", "shop:no"), "shop:no: module 'shop' has no attribute 'no'"),
        (("run", "shop:nothing"), "shop:nothing is not a function"),
        (("run", "shop:price", "--check", "shop:odd"), r"has no argument x \(it has item, amount\)"),
        (("run", "shop:price", "--ttl", "soon"), "'soon' is no length of time above 0, like 500ms"),
        (("stats", "--store", "mysql:x"), "'mysql:x' is neither sqlite:PATH nor redis://HOST:PORT/DB"),
        (("stats", "--store", "redis://host:nan"), "redis://host:nan: "),
        (("nonsense",), "No such command 'nonsense'"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], message: str) -> None:
    """One line that says what is wrong and where help is; exit code 2."""
    done = command(*arguments)
    assert re.search(message, done.stderr)
    assert done.stderr.startswith("cb-decorators: ")
    assert done.stderr.count("\n") == 1
    assert "--help)" in done.stderr
    assert (done.stdout, done.returncode) == ("", 2)


def test_run_over_json_lines() -> None:
    """Arrays, objects and single values are arguments; results are lines; empty lines are passed over."""
    lines = '["tea"]\n{"item": "tea", "amount": 2}\n\n"milk"\n'
    done = command("run", "shop:price", "--check", "shop:cheap", "--time", "--cache", text=lines)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"item": "tea", "amount": 1},
        {"item": "tea", "amount": 2},
        {"item": "milk", "amount": 1},
    ]
    assert done.stderr.splitlines()[1].split()[:3] == ["shop:price", "3", "0"]
    assert done.returncode == 0


def test_the_installed_program_finds_modules_here() -> None:
    """The command itself, not `python -m`, whose path has the current folder anyway."""
    program = Path(sys.executable).with_name("cb-decorators")
    done = subprocess.run([program, "run", "shop:price", "--args", '["tea"]'], capture_output=True, check=False)
    assert json.loads(done.stdout) == {"item": "tea", "amount": 1}


def test_run_says_which_line_failed() -> None:
    """A line that is no JSON, a refused call, one that raises, a result that is no JSON: told, and the rest is done."""
    lines = '"tea"\n[1 2]\n["tea", 20]\n{"nothing": 1}\n"milk"\n'
    Path("calls.jsonl").write_text(lines)
    done = command("run", "shop:price", "calls.jsonl", "--check", "shop:cheap")
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr.splitlines() == [
        "cb-decorators: calls.jsonl:2:4: not JSON: Expecting ',' delimiter (an array, an object, or one value)",
        "cb-decorators: calls.jsonl:3:1: ValidationError: price() refused amount=20 (cheap says no)",
        "cb-decorators: calls.jsonl:4:1: TypeError: price() got an unexpected keyword argument 'nothing'",
    ]
    assert done.returncode == 1
    odd = command("run", "shop:odd", "--args", "[1]")
    assert "--args:1:1: the result cannot be written as JSON: " in odd.stderr
    missing = command("run", "shop:odd", "missing.jsonl")
    assert "missing.jsonl: No such file or directory (look at" in missing.stderr
    assert missing.returncode == 2


def test_run_with_a_shared_store() -> None:
    """Two runs of the command, one of the function; the report in other formats."""
    for _ in range(2):
        done = command("run", "shop:loud", "--args", "[5]", "--ttl", "10m", "--store", "sqlite:results")
        assert done.stdout == "5\n"
    assert Path("ran").read_text() == "x"
    timed = command("run", "shop:loud", "--args", "[5]", "--time", "--format", "json")
    assert json.loads(timed.stderr)[0]["calls"] == 1
    found = json.loads(command("stats", "--store", "sqlite:results", "--format", "json").stdout)
    assert found == {"function": "shop.loud", "entries": 1, "bytes": 1, "hits": 1, "misses": 1}


SCRIPT = ("sh", "-c", "echo x >> ran; echo out; echo err >&2; exit 3")


def test_exec_keeps_what_a_command_did() -> None:
    """Stdout, stderr and exit code, byte for byte; --fresh and invalidate run it again."""
    for _ in range(2):
        done = command("exec", "--ttl", "10m", "--", *SCRIPT)
        assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)
    assert Path("ran").read_text() == "x\n"
    command("exec", "--fresh", *SCRIPT)
    assert Path("ran").read_text() == "x\n" * 2
    assert command("invalidate", "--", *SCRIPT).returncode == 0
    gone = command("invalidate", "--", *SCRIPT)
    assert (gone.stderr, gone.returncode) == (
        "cb-decorators: nothing is kept for this command in this folder (cb-decorators stats shows what is)\n",
        1,
    )
    command("exec", *SCRIPT)
    assert Path("ran").read_text() == "x\n" * 3
    assert command("stats").stdout.splitlines()[1].split()[:2] == ["exec", "1"]
    assert command("clear", "exec").stderr == "cb-decorators: 1 result forgotten\n"
    assert command("stats").stdout.splitlines()[1:] == []


def test_exec_keys(tmp_path: Path) -> None:
    """A result belongs to folder and command, or to --key; input handed on with --stdin belongs to it too."""
    (tmp_path / "other").mkdir()
    command("exec", *SCRIPT)
    os.chdir("other")
    command("exec", *SCRIPT)
    assert Path("ran").exists()
    for _ in range(2):
        command("exec", "--key", "mine", "sh", "-c", "echo k >> ran")
    assert Path("ran").read_text() == "x\nk\n"
    for text in ("a", "b", "a"):
        done = command("exec", "--stdin", "--key", "mine", "sh", "-c", "echo i >> ran; cat", text=text)
        assert done.stdout == text
    assert Path("ran").read_text() == "x\nk\ni\ni\n"
    assert command("invalidate", "--stdin", "--key", "mine", "sh", text="b").returncode == 0
    assert command("exec", "cat", text="not handed on").stdout == ""


def test_exec_success_only() -> None:
    """A command that fails is run again; one killed by a signal ends with 128 and its number."""
    for _ in range(2):
        assert command("exec", "--success-only", *SCRIPT).returncode == 3
    assert Path("ran").read_text() == "x\n" * 2
    assert command("exec", "sh", "-c", "kill -9 $$").returncode == 137


def test_exec_of_what_is_not_there() -> None:
    """127 and 126, like a shell; nothing is kept."""
    done = command("exec", "no-such-command")
    assert done.stderr == (
        "cb-decorators: no-such-command: No such file or directory (is it installed, and on PATH?)\n"
    )
    assert done.returncode == 127
    Path("text").write_text("x")
    assert command("exec", "./text").returncode == 126
    assert "0" in command("stats").stdout.splitlines()[1].split()


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_exec_interrupted(sent: int, status: int) -> None:
    """The command is ended, the claim given back: the next one does not wait for a lease."""
    line = [sys.executable, "-m", "cb_decorators", "exec", "--key", "k", "sh", "-c", "echo $$ > pid; exec sleep 600"]
    with subprocess.Popen(line, stderr=subprocess.PIPE) as process:
        until(lambda: Path("pid").exists() and Path("pid").read_text().strip())
        process.send_signal(sent)
        assert process.wait(20) == status
        assert b"Traceback" not in process.communicate()[1]
    pid = int(Path("pid").read_text())
    until(lambda: not _lives(pid))
    assert command("exec", "--key", "k", "echo", "next").stdout == "next\n"


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_exec_interrupted_while_it_starts(sent: int, status: int) -> None:
    """White-box: a signal within the very start of the command ends the command, too."""
    starts = """if True:
        import os, signal, subprocess, sys
        from cb_decorators.cli import main
        real, sent = subprocess.Popen.__init__, int(sys.argv.pop(1))
        def slow(self, *args, **options):
            real(self, *args, **options)
            open("pid", "w").write(str(self.pid))
            os.kill(os.getpid(), sent)
        subprocess.Popen.__init__ = slow
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.exit(main())
    """
    line = [sys.executable, "-c", starts, str(int(sent)), "exec", "--", "sleep", "600"]
    assert subprocess.run(line, capture_output=True, timeout=60, check=False).returncode == status
    until(lambda: not _lives(int(Path("pid").read_text())))


def test_exec_interrupted_where_the_wait_does_not_notice() -> None:
    """White-box: a signal that does not wake the wait, as one just before it, is handled a second later."""
    missed = """if True:
        import pathlib, signal, sys, threading, time
        from cb_decorators.cli import main
        def send():
            while not pathlib.Path("pid").exists():
                time.sleep(0.01)
            time.sleep(0.2)
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)  # this thread takes it, the main one waits on
        threading.Thread(target=send, daemon=True).start()
        sys.exit(main())
    """
    line = [sys.executable, "-c", missed, "exec", "--", "sh", "-c", "echo $$ > pid; exec sleep 600"]
    assert subprocess.run(line, capture_output=True, timeout=60, check=False).returncode == 143
    until(lambda: not _lives(int(Path("pid").read_text())))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_run_for_commands_at_the_same_time() -> None:
    """Four at once, of one command: it is run once."""
    line = [sys.executable, "-m", "cb_decorators", "exec", "--", "sh", "-c", "echo x >> ran; sleep 0.2; echo out"]
    every = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [one.communicate(timeout=60)[0] for one in every] == ["out\n"] * 4
    assert Path("ran").read_text() == "x\n"


def test_a_store_that_cannot_be_used() -> None:
    """A server that is down: one warning, and the command runs. A file that is none: one line."""
    done = command("exec", "--store", "redis://127.0.0.1:1", "echo", "ran")
    assert done.stdout == "ran\n"
    assert done.stderr.startswith("cb-decorators: exec: computing here, the store cannot be used: Redis: ")
    assert done.stderr.count("\n") == 1
    Path("garbage").write_bytes(b"x" * 5000)
    failed = command("stats", "--store", "sqlite:garbage")
    assert failed.stderr == (
        "cb-decorators: garbage: file is not a database (remove the file, or choose another: it is no result store)\n"
    )
    assert failed.returncode == 1


def test_debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    """CB_DEBUG=1 shows the traceback behind a line."""
    monkeypatch.setenv("CB_DEBUG", "1")
    Path("garbage").write_bytes(b"x" * 5000)
    assert "Traceback" in command("stats", "--store", "sqlite:garbage").stderr


def test_a_reader_that_has_enough() -> None:
    """`| head` ends it quietly."""
    line = f"yes casa | {sys.executable} -m cb_decorators palindrome | head -n 1"
    done: Any = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("casac\n", "")
