"""The command, run as a user runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cb_subprocess
import pytest
from cb_subprocess import interact, read_joblog

COMMAND = [sys.executable, "-m", "cb_subprocess"]


def test_version() -> None:
    """``--version`` prints the package's version and nothing else."""
    run = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"cb-subprocess, version {cb_subprocess.__version__}\n"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--", "sh", "-c", "exit 9"], 9),
        (["--timeout", "0.1", "--", "sleep", "60"], 124),
        (["no-such-program"], 127),
        (["/etc/passwd"], 126),
        (["--nonsense"], 125),
        ([], 125),
        ([""], 125),
        (["ls -l"], 127),
        (["--timeout", "nan", "true"], 125),
        (["--timeout", "inf", "--", "sh", "-c", "exit 9"], 9),
        (["--", "sh", "-c", "kill -9 $$"], 137),
        (["--shell", "exit", "4"], 4),
        (["--max-bytes", "1K", "--", "yes"], 1),
    ],
)
def test_run_leaves_with_the_commands_status(words: list[str], status: int, cb: Callable[..., Any]) -> None:
    """Its own, or as timeout and env have it; one line says what was wrong."""
    ran = cb("run", *words)
    assert ran.status == status
    assert len(ran.err.splitlines()) == (0 if status in (4, 9, 137) else 1)


def test_run_hands_on_what_is_written() -> None:
    """Input and outputs are ours, to the byte."""
    ran = subprocess.run(
        [*COMMAND, "run", "--", "sh", "-c", "cat; printf '\\377' >&2"], input=b"\xfe\n", capture_output=True, check=True
    )
    assert (ran.stdout, ran.stderr) == (b"\xfe\n", b"\xff")


def test_run_reports_retries_limits(cb: Callable[..., Any], tmp_path: Path) -> None:
    """A report as JSON; a failed command tried again; a limit that was kept."""
    report = json.loads(cb("run", "--format", "json", "--", "echo", "a").out)
    assert (report["stdout"], report["code"], report["args"], report["tries"]) == ("a\n", 0, ["echo", "a"], 1)
    script = f"echo x >> {tmp_path}/t; test $(wc -l < {tmp_path}/t) = 3"
    ran = cb("run", "--retries", "5", "--shell", script)
    assert (ran.status, len(ran.err.splitlines())) == (0, 2)
    assert cb("run", "--max-bytes", "10", "--", "sh", "-c", "echo a; echo b >&2").out == "a\n"
    assert cb("run", "--max-bytes", "ten", "true").status == 125


def test_pipe(cb: Callable[..., Any]) -> None:
    """No shell, every stage's status."""
    assert cb("pipe", "--", "seq", "100", "+", "grep", "7", "+", "wc", "-l").out == "19\n"
    assert cb("pipe", "--", "sh", "-c", "exit 3", "+", "cat").status == 3
    assert cb("pipe", "--", "sh", "-c", "kill -15 $$", "+", "cat").status == 143


def test_size(cb: Callable[..., Any], tmp_path: Path) -> None:
    """A number, a picture, JSON; 1 where something was not read."""
    for name, length in (("small", 100), ("large\n", 400_000)):
        (tmp_path / name).write_bytes(b"x" * length)
    assert cb("size", "--apparent", tmp_path / "small").out == f"100  {tmp_path}/small\n"
    first, second, total = cb("size", "-h", "--top", "5", tmp_path).out.splitlines()
    assert first.split() == ["392K", "█" * 24, r"$'large\n'"]
    assert second.split()[-1] == "small"
    assert total.endswith(str(tmp_path))
    assert json.loads(cb("size", "--format", "json", tmp_path).out)["files"] == 2
    ran = cb("size", tmp_path / "none")
    assert (ran.status, ran.err) == (1, f"cb-subprocess: {tmp_path}/none: No such file or directory\n")


def test_words(cb: Callable[..., Any]) -> None:
    """quote, split, which."""
    assert cb("quote", "--", "a b", "-rf").out == "'a b' -rf\n"
    assert cb("split", "grep -n 'two words' file").out == "grep\n-n\ntwo words\nfile\n"
    assert cb("split", "--format", "json", "a 'b c'").out == '["a", "b c"]\n'
    ran = cb("split", "a 'b")
    assert (ran.status, ran.err) == (2, 'cb-subprocess: "a \'b": no closing quotation\n')
    ran = cb("which", "sh", "pythn3")
    assert ran.status == 1
    assert ran.out.endswith("/sh\n")
    assert "python3" in ran.err
    assert cb("which", "./README.md").status == 1


def test_lint(cb: Callable[..., Any], tmp_path: Path) -> None:
    """Files, folders, stdin; 1 where something was found."""
    (tmp_path / "a.py").write_text("import os\nos.system('ls')\n")
    ran = cb("lint", tmp_path)
    assert (ran.status, ran.out.split(" ")[:2]) == (1, [f"{tmp_path}/a.py:2:1:", "os-system"])
    assert json.loads(cb("lint", "--format", "json", tmp_path / "a.py").out)["line"] == 2
    assert cb("lint", "-", stdin="import subprocess\n").status == 0


def test_errors_are_one_line(cb: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong usage is 2; CB_DEBUG shows the traceback."""
    assert cb().status == 2
    assert cb("nonsense").status == 2
    ran = cb("batch", "--halt", "later", "echo", ":::", "a")
    assert (ran.status, len(ran.err.splitlines())) == (102, 1)
    monkeypatch.setenv("CB_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["cb-subprocess", "run", "no-such-program"])
    from cb_subprocess.cli import main

    with pytest.raises(cb_subprocess.CommandNotFound):
        main()


def test_batch_sources(cb: Callable[..., Any], tmp_path: Path) -> None:
    """Lines, NUL, ``:::``, ``::::``, columns, products; commands by the line."""
    assert cb("batch", "-k", "echo", "n={}", stdin="1\n2").out == "n=1\nn=2\n"
    assert cb("batch", "-k", "-0", "printf", "%s|", stdin=b"a\nb\0c\0").out == "a\nb|c|"
    assert cb("batch", "-k", "-C", ",", "echo", "{2}-{1}", stdin="a,b\nc,d\n").out == "b-a\nd-c\n"
    assert cb("batch", "-k", "echo", "{1}{2}", ":::", "a", "b", ":::", "1", "2").out == "a1\na2\nb1\nb2\n"
    (tmp_path / "list").write_text("x\ny\n")
    assert cb("batch", "-k", "echo", "::::", tmp_path / "list").out == "x\ny\n"
    assert cb("batch", "-k", "echo", "::::", "-", stdin="z\n").out == "z\n"
    assert cb("batch", "-k", "-C", ",", "echo", "{2}", ":::", "a,b").out == "b\n"
    assert cb("batch", "-k", stdin="echo 'a  b'\necho c\n").out == "a  b\nc\n"
    assert cb("batch", "-k", "--shell", "echo {} | tr a b", ":::", "a; a").out == "b; b\n"
    linked = ("echo", ":::", "a", "b", "c", ":::+", "x", "y", ":::", "1")
    assert cb("batch", "-k", *linked).out == "a x 1\nb y 1\n"


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        (b"echo a\necho 'b\n", ["::::", "{}"], '{}:2: "echo \'b": no closing quotation'),
        (b"a\n\0\n", ["true", "::::", "{}"], r"{}:2: a NUL byte in ['true', '\x00'] (no program could be given it)"),
        (b"a b\n", ["echo", "{2}", "::::", "{}"], "{}:1: {2} is not there, there are 1 values"),
        (b"", ["echo", "{2}{%}", ":::", "a"], "job 1: {2} is not there, there are 1 values"),
        (b"", ["echo", "::::", "{}-not"], "{}-not: No such file or directory"),
    ],
    ids=["quote", "nul", "column", "value", "file"],
)
def test_what_is_wrong_in_a_source(
    content: bytes, words: list[str], said: str, cb: Callable[..., Any], tmp_path: Path
) -> None:
    """The file and the line are named, or the job; nothing else is said, and the status is no count of jobs."""
    name = tmp_path / "list"
    name.write_bytes(content)
    *command, file = words
    ran = cb("batch", "-k", *command, file.replace("{}", str(name)))
    assert ran.status == 102
    assert ran.err.startswith(f"cb-subprocess: {said.replace('{}', str(name))}")
    assert len(ran.err.splitlines()) == 1


def test_undecodable_names_in_a_source(cb: Callable[..., Any], tmp_path: Path) -> None:
    """Bytes that are no UTF-8 reach the command, the output and the log as they are."""
    (tmp_path / "list").write_bytes(b"\xff\n")
    words = [*COMMAND, "batch", "--joblog", str(tmp_path / "log"), "echo", "::::", str(tmp_path / "list")]
    assert subprocess.run(words, capture_output=True, check=True).stdout == b"\xff\n"
    assert (tmp_path / "log").read_bytes().endswith(b"echo '\xff'\n")
    assert cb("batch", "--resume", *words[4:]).out == ""


@pytest.mark.parametrize("words", [["quote", "a"], ["batch", "echo", ":::", "a"], ["size", "/dev/null"]])
@pytest.mark.parametrize("target", ["&-", "/dev/full"])
def test_an_output_that_takes_nothing(words: list[str], target: str, tmp_path: Path) -> None:
    """A closed or full stdout is one line and a status; with all streams closed nothing else is written to."""
    line = f"exec {sys.executable} -m cb_subprocess {' '.join(words)} >{target}"
    ran = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == (102 if words[0] == "batch" else 1)
    assert len(ran.stderr.splitlines()) == 1
    log = tmp_path / "log"
    line = f"exec {sys.executable} -m cb_subprocess batch --joblog {log} echo ::: a <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", line], timeout=100, check=False).returncode == 102
    assert len(log.read_text().splitlines()) == 2


def test_batch_outputs(cb: Callable[..., Any]) -> None:
    """Tags, JSON, dry runs, ungrouped; large outputs from their files; how many failed is the status."""
    assert cb("batch", "-k", "--tag", "seq", ":::", "1", "2").out == "1\t1\n2\t1\n2\t2\n"
    assert json.loads(cb("batch", "--format", "json", "echo", ":::", "a").out)["stdout"] == "a\n"
    assert cb("batch", "--dry-run", "rm", "{}", "{%}", ":::", "a b").out == "rm 'a b' 1\n"
    assert cb("batch", "--dry-run", "--shell", "cat {} > {.}.x", ":::", "a b").out == "cat 'a b' > 'a b'.x\n"
    assert cb("batch", "-u", "-j1", "echo", ":::", "a").out == "a\n"
    assert cb("batch", "echo", "{%}", "{}", ":::", "a").out == "1 a\n"
    many = cb("batch", "-k", "--tag", "seq", ":::", "300000")
    assert len(many.out.splitlines()) == 300_000
    assert many.out.startswith("300000\t1\n")
    assert len(cb("batch", "seq", ":::", "300000").out) == 1_988_895
    assert cb("batch", "--format", "json", "seq", ":::", "300000").status == 0
    ran = cb("batch", "-k", "sh", "-c", "echo words >&2; exit $0", ":::", "0", "1", "2")
    assert (ran.status, ran.err) == (2, "words\nwords\nwords\n")


def test_batch_log(cb: Callable[..., Any], tmp_path: Path) -> None:
    """A log, resumed; what cannot be is refused."""
    log = tmp_path / "log"
    words = ["--joblog", log, "-k", "sh", "-c", "echo $0; exit $0", ":::", "0", "1"]
    assert cb("batch", *words).status == 1
    assert set(read_joblog(log)) == {1, 2}
    assert cb("batch", *words).err == f"cb-subprocess: {log}: holds 2 finished jobs (resume, or take another name)\n"
    assert cb("batch", "--resume", *words).out == ""
    assert cb("batch", "--resume-failed", *words).out == "1\n"
    assert cb("batch", "--resume", "true", ":::", "a").status == 102
    assert cb("batch", "--resume", "--resume-failed", *words).status == 102
    assert cb("batch", "--scheduler", "x", *words).status == 102


def test_batch_halt(cb: Callable[..., Any]) -> None:
    """A halt says so."""
    ran = cb("batch", "-j1", "--halt", "soon,fail=1", "sh", "-c", "exit $0", ":::", "1", "0", "0")
    assert ran.status == 1
    assert "halt policy" in ran.err


def test_batch_for_others(cb: Callable[..., Any]) -> None:
    """What is written is a script; nothing is run."""
    assert cb("batch", "--emit", "slurm-array", "echo", ":::", "a b").out.splitlines()[-2] == "echo 'a b'"
    assert "parallel" in cb("batch", "--emit", "parallel", "echo", ":::", "a").out


def test_a_bar_on_a_terminal() -> None:
    """Progress is drawn on a terminal."""
    words = [*COMMAND, "batch", "-j1", "--bar", "true", ":::", "a", "b"]
    with interact(words, pty=True, timeout=60, env={"COLUMNS": "80"}) as talk:
        talk.expect("2/2 done, 0 failed")
        assert talk.wait().code == 0
    with interact(["sh", "-c", f"echo true | {' '.join(words[:-3])}"], pty=True, timeout=60) as talk:
        talk.expect("1/1 done")
        assert talk.wait().code == 0


def test_a_reader_that_has_enough() -> None:
    """``| head`` ends it quietly."""
    line = f"{sys.executable} -m cb_subprocess batch -k seq ::: 100000 100000 100000 100000 | head -n 1"
    ran = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=100, check=True)
    assert (ran.stdout, ran.stderr) == ("1\n", "")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(number: int, status: int, alive: Callable[[str], list[int]], eventually: Callable[..., None]) -> None:
    """Ctrl-C and SIGTERM end the command and all that it started."""
    for words in (["run", "--"], ["batch", "-j2", "--"]):
        mark = f"69.{number}{len(words)}5"
        source = ["sh", "-c", f"setsid sleep {mark} & sleep {mark}"]
        with subprocess.Popen(
            [*COMMAND, *words, *source], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            process.stdin.write(b"a\n")
            process.stdin.close()
            process.stdin = None
            eventually(lambda mark=mark: len(alive(mark)) >= 4, "the command's processes")
            process.send_signal(number)
            process.communicate(timeout=60)
            assert process.returncode == status
        assert not alive(mark)


def test_a_command_on_a_terminal_can_be_talked_to() -> None:
    """Started from a terminal, the command stays in its group: it may read there."""
    with interact([*COMMAND, "run", "--", "sh", "-c", "read x; echo got $x"], pty=True, timeout=60) as talk:
        talk.send_line("it")
        talk.expect("got it")
        assert talk.wait().code == 0


def test_import_is_light() -> None:
    """The library does not import click, asyncio's machinery aside nothing heavy."""
    script = "import sys, cb_subprocess; print(any(m in sys.modules for m in ('click', 'distributed')))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
