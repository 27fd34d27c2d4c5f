"""The chapter's recipes, in its order, through the library and the command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cb_subprocess import INHERIT, CommandFailed, interact, out, quote, run, shell, size, split, start

BOOK = ["call", "call-shell", "security-issues", "check-call", "check-output", "stderr", "popen", "size", "size-of-tmp"]


def test_call(capfd: pytest.CaptureFixture[str]) -> None:
    """9.1.1 call: subprocess.call: the exit status, the listing on our stdout."""
    assert run(["ls", "/dev/null"], stdout=INHERIT).code == 0
    assert capfd.readouterr().out == "/dev/null\n"


def test_call_by_a_shell() -> None:
    """9.1.1 call, shell=True: shell=True: a type of its own."""
    assert run(shell("ls -l /dev/null | wc -l")).stdout == "1\n"


def test_security_issues(cb: Callable[..., Any]) -> None:
    """9.1.1 security-issues.py: the hostile name is one word everywhere; nothing of it is run."""
    hostile = "/dev/null; ls -l /tmp"
    with pytest.raises(CommandFailed) as caught:
        run(["du", "-sh", "--", hostile], env={"LC_ALL": "C"})
    assert caught.value.stderr == f"du: cannot access '{hostile}': No such file or directory\n"
    assert size(hostile).errors == (f"{hostile}: No such file or directory",)
    assert out(shell(f"echo {quote(hostile)}")) == f"{hostile}\n"
    assert cb("quote", hostile).out == f"'{hostile}'\n"
    assert split(quote(["du", hostile])) == ["du", hostile]


def test_check_call() -> None:
    """9.1.2 check_call: a failed command is an error, unless told otherwise."""
    with pytest.raises(CommandFailed, match="exit status 1"):
        run(shell("exit 1"))
    assert run(shell("exit 1"), check=False).code == 1


def test_check_output() -> None:
    """9.1.3 check_output, input, stderr=STDOUT: output as bytes and text; input as either."""
    assert out(["echo", "Hello world!"], text=False) == b"Hello world!\n"
    assert out(["echo", "Hello World!"]) == "Hello World!\n"
    sed = ["sed", "-e", "s/foo/bar/"]
    assert (
        out(sed, input=b"when in the course of fooman events\n", text=False) == b"when in the course of barman events\n"
    )
    assert out(sed, input="when in the course of fooman events\n") == "when in the course of barman events\n"


def test_popen() -> None:
    """9.2 Popen, wait: popen and wait."""
    with start(["ls", "-l", "/"]) as process:
        assert process.wait().code == 0


def test_size(tmp_path: Path, cb: Callable[..., Any]) -> None:
    """9.2 size.py: size.py: what a folder takes, without du."""
    assert size("/dev/null").disk == 0
    (tmp_path / "file").write_bytes(b"x" * 5000)
    du = out(["du", "-s", "-B1", "--", tmp_path]).split()[0]
    assert cb("size", tmp_path).out == f"{du}  {tmp_path}\n"


def test_size_of_tmp() -> None:
    """9.2 size-of-tmp.py: size-of-tmp.py: answer a program that asks, take its answer only."""
    program = "import sys; print('dir: ', end='', flush=True); print('0\\t' + sys.stdin.readline(), end='')"
    with interact([sys.executable, "-c", program]) as talk:
        talk.expect("dir: ")
        talk.send_line("/tmp")
        assert talk.read_line() == "0\t/tmp"
        assert talk.wait().code == 0


@pytest.mark.parametrize("name", BOOK)
def test_each_by_name(name: str, cb: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """all: ``recipes NAME`` runs it; ``--source`` shows it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ran = cb("recipes", name)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out
    assert cb("recipes", "--source", name).out.startswith("def ")


def test_the_list(cb: Callable[..., Any]) -> None:
    """all: all of them are listed; another name is refused."""
    assert [line.split()[0] for line in cb("recipes").out.splitlines()] == BOOK
    assert cb("recipes", "nope").status == 2
