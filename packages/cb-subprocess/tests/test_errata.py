"""Where the chapter is wrong or was overtaken: what it says, and what is so, and what we do."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cb_subprocess import (
    CommandFailed,
    CommandNotFound,
    CommandTimeout,
    interact,
    lint,
    out,
    pipe,
    run,
    shell,
    size,
    start,
)

FULL = "head -c 200000 /dev/zero; head -c 200000 /dev/zero >&2"


def test_waiting_before_reading_hangs() -> None:
    """1: wait() with PIPEs hangs beyond 64 KiB, though the book calls the pipes safe now; ours reads both."""
    with subprocess.Popen(["sh", "-c", FULL], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.kill()
    assert len(run(shell(FULL), timeout=60).stderr) == 200_000


def test_a_partial_answer_is_kept(tmp_path: Path) -> None:
    """2: size.py throws away du's sum where du also complains; ours has the sum, and what was wrong."""
    (tmp_path / "file").write_bytes(b"x" * 5000)
    found = size(tmp_path, tmp_path / "none")
    assert found.files == 1
    assert found.disk >= 5000
    assert found.errors == (f"{tmp_path}/none: No such file or directory",)


def test_a_folder_may_be_named_like_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """3: a directory named -rf is a directory; without ``--`` du takes it for options."""
    monkeypatch.chdir(tmp_path)
    Path("-rf").mkdir()
    (Path("-rf") / "file").write_bytes(b"x" * 5000)
    with pytest.raises(CommandFailed, match="invalid option"):
        run(["du", "-sh", "-rf"], env={"LC_ALL": "C"})
    assert size("-rf").files == 1


def test_quoting_is_for_shells_only() -> None:
    """4: the way to be safe is no shell at all; a list goes to the program untouched."""
    words = ["; ls", "$(id)", "`id`", "a b", "", "*", "'\""]
    assert out(["printf", "%s\n", *words]).split("\n")[:-1] == words


def test_the_unsafe_function_is_found() -> None:
    """5: the book's unsafe() is reported at its line, its safe() is not."""
    source = (
        "import subprocess\nimport shlex\n"
        "def unsafe(directory):\n    command = 'du -sh {}'.format(directory)\n"
        "    subprocess.call(command, shell=True)\n"
        "def safe(directory):\n    sanitized_directory = shlex.quote(directory)\n"
        "    command = 'du -sh {}'.format(sanitized_directory)\n    subprocess.call(command, shell=True)\n"
    )
    assert [(one.line, one.code) for one in lint(source)] == [(5, "shell-injection")]


def test_nothing_is_concatenated() -> None:
    """6: Popen does not concatenate the words of a list: the program gets the same list."""
    program = "import sys; print(sys.argv[1:])"
    words = ["a b", '"c"', "\\"]
    assert ast.literal_eval(out([sys.executable, "-c", program, *words])) == words


def test_a_time_out_kills_only_the_child(alive: Callable[[str], list[int]]) -> None:
    """7: with subprocess the grandchildren live on; ours are all gone."""
    script = "sleep 65.25 & sleep 65.25"
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(["sh", "-c", script], timeout=0.3, check=False, stdout=subprocess.DEVNULL)
    left = alive("65.25")
    assert len(left) == 2
    for pid in left:
        os.kill(pid, 9)
    with pytest.raises(CommandTimeout):
        run(["sh", "-c", script.replace("65.25", "65.75")], timeout=0.3)
    assert not alive("65.75")


def test_the_message() -> None:
    """8: the message has a period now, and names a signal; ours has the last words, too."""
    assert str(subprocess.CalledProcessError(1, "exit 1")) == "Command 'exit 1' returned non-zero exit status 1."
    assert "SIGKILL" in str(subprocess.CalledProcessError(-9, "x"))
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1: why"):
        run(shell("echo why >&2; exit 1"))


def test_text_does_not_depend_on_the_locale() -> None:
    """9: universal_newlines is text= now, decodes by the locale and changes line ends; ours is UTF-8 as it is."""
    program = "from cb_subprocess import out; print(ascii(out(['printf', r'\\303\\251\\r\\n'])))"
    done = run([sys.executable, "-c", program], env={"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"})
    assert done.stdout == "'\\xe9\\r\\n'\n"


def test_the_prompt_is_not_in_the_answer() -> None:
    """10: what size-of-tmp.py prints begins with the prompt; with expect it is consumed."""
    asks = "name = input('directory to check: '); print('0\\t' + name)"
    assert out([sys.executable, "-c", asks], input="/tmp") == "directory to check: 0\t/tmp\n"
    with interact([sys.executable, "-c", asks]) as talk:
        talk.expect("directory to check: ")
        talk.send_line("/tmp")
        assert talk.wait().stdout == "0\t/tmp\n"


def test_an_exception_leaves_nothing(alive: Callable[[str], list[int]]) -> None:
    """11: an exception between Popen and wait leaves a process; leaving our block ends it."""
    with pytest.raises(ZeroDivisionError), start(["sleep", "65.5"]):
        raise ZeroDivisionError
    assert not alive("65.5")


def test_exit_is_no_program() -> None:
    """12: ``exit 1`` exists in a shell only."""
    with pytest.raises(CommandNotFound):
        run(["exit", "1"])


def test_standard_error_by_itself() -> None:
    """13: to capture it there is more than mixing it in."""
    done = run(shell("echo data; echo words >&2"))
    assert (done.stdout, done.stderr) == ("data\n", "words\n")


def test_what_the_module_does_not_have() -> None:
    """14: subprocess has no terminal, no tree kill, no pipeline; here they are."""
    assert pipe(["echo", "a"], ["tr", "a", "b"]).stdout == "b\n"
    with interact([sys.executable, "-c", "import sys; print(sys.stdin.isatty())"], pty=True) as talk:
        assert talk.read_line() == "True"
    began = time.monotonic()
    with start(["sh", "-c", "setsid sleep 66 & wait"]) as process:
        process.kill()
    assert time.monotonic() - began < 60
