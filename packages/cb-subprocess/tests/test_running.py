"""run, out, lines, stream, pipe, start: what they give back, and what they leave behind."""

from __future__ import annotations

import copy
import io
import os
import pickle
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cb_subprocess import (
    CAPTURE,
    DISCARD,
    INHERIT,
    MERGE,
    BadCommand,
    CommandFailed,
    CommandNotFound,
    CommandNotRunnable,
    CommandTimeout,
    OutputTooLarge,
    StatusLost,
    lines,
    out,
    pipe,
    run,
    shell,
    start,
    stream,
)
from cb_subprocess.flow import Feed

BOTH = "head -c 200000 /dev/zero; head -c 300000 /dev/zero >&2"


def descriptors() -> int:
    """How many are open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_result() -> None:
    """A result has the words, the status, both outputs, times and, where it can be told, the peak memory."""
    done = run(["sh", "-c", "echo data; echo words >&2"])
    assert (done.args, done.code, done.stdout, done.stderr) == (
        ("sh", "-c", "echo data; echo words >&2"),
        0,
        "data\n",
        "words\n",
    )
    assert done.ok
    assert done.signal is None
    assert 0 < done.cpu < done.seconds + 1
    hungry = run([sys.executable, "-c", "x = bytearray(400_000_000)"])
    assert hungry.max_rss is not None
    assert hungry.max_rss > 400_000_000


def test_a_signal_is_named() -> None:
    """A command ended by a signal has a negative status, and says which."""
    done = run(shell("kill -9 $$"), check=False)
    assert (done.code, done.signal, done.ok) == (-9, signal.SIGKILL, False)
    with pytest.raises(CommandFailed, match="killed by SIGKILL"):
        run(shell("kill -9 $$"))
    assert "killed by signal 35" in str(CommandFailed(-35, ["x"], None, None))


@pytest.mark.parametrize("bad", ["ls -l", "", [], [""], ["a\0b"], [1], "  "])
def test_what_is_no_command(bad: Any) -> None:
    """A string with spaces, nothing, a NUL byte: refused before anything runs."""
    with pytest.raises(BadCommand):
        run(bad)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"timeout": float("nan")}, "timeout is seconds, 0 or more, not nan"),
        ({"grace": -1}, "grace is seconds"),
        ({"max_bytes": -1}, "max_bytes is 0 or more"),
        ({"stdout": "file"}, "stdout is CAPTURE, INHERIT, DISCARD, or an open file"),
        ({"stdout": MERGE}, "stdout is CAPTURE"),
        ({"stderr": None}, "stderr is CAPTURE, INHERIT, DISCARD, MERGE, or an open file"),
        ({"input": 5}, "input is text, bytes, an open file, or an iterable"),
        ({"input": [1]}, "each part of an input is text or bytes, not 1"),
        ({"env": {"A": 1}}, "the environment holds text, not A=1"),
        ({"env": {"A=": "x"}}, "the environment cannot hold"),
    ],
    ids=str,
)
def test_options_that_make_no_sense(options: Any, said: str) -> None:
    """They are refused with what they may be; nothing is left open."""
    before = descriptors()
    with pytest.raises((ValueError, TypeError), match=said):
        run("cat", **options)
    assert descriptors() == before


def test_times_without_end() -> None:
    """More than any system call takes, up to infinity, is a limit like any other."""
    for limit in (1e9, 1e300, float("inf")):
        assert run("true", timeout=limit, grace=limit).ok
        with start("true", timeout=limit) as process:
            assert process.wait(timeout=limit).ok


def test_a_reader_that_goes_between_a_look_and_a_write() -> None:
    """Who wants no more is no error, whichever call finds it out."""
    theirs, ours = os.pipe()
    os.close(theirs)
    try:
        assert not Feed(ours, iter([b"x"])).ready(select.POLLOUT)
    finally:
        os.close(ours)


def test_names_are_looked_for_where_path_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder on PATH that is not there is no error; what looks like the name is told."""
    (tmp_path / "frobnicate").write_text("")
    monkeypatch.setenv("PATH", f"/no/such/folder:{tmp_path}")
    with pytest.raises(CommandNotFound, match="did you mean frobnicate") as caught:
        run("frobnicat")
    assert caught.value.near == ("frobnicate",)


def test_a_name_with_spaces_is_told() -> None:
    """One word that was meant to be several."""
    with pytest.raises(CommandNotFound, match="give 2 words, not one"):
        run(["ls -l"])


def test_a_string_with_spaces_names_split() -> None:
    """The error says what to do."""
    with pytest.raises(BadCommand, match=r"split\(…\).*shell\(…\)"):
        run("ls -l")
    with pytest.raises(BadCommand, match="no commands"):
        pipe()


def test_words_of_all_kinds(tmp_path: Path) -> None:
    """A single word, paths and undecodable bytes are words as they are."""
    assert run("true").ok
    assert run(b"true").ok
    assert run(Path("/bin/true")).ok
    name = os.fsencode(tmp_path) + b"/\xff\n -rf"
    run(["touch", "--", name])
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [b"\xff\n -rf"]
    assert out(["ls", "--", tmp_path], text=False) == b"\xff\n -rf\n"


@pytest.mark.parametrize(
    "source",
    ["text\n", b"text\n", bytearray(b"text\n"), io.BytesIO(b"text\n"), io.StringIO("text\n"), ["te", b"xt\n"]],
    ids=lambda value: type(value).__name__,
)
def test_input_of_all_kinds(source: Any) -> None:
    """Text, bytes, files and iterables are read to their ends."""
    assert out(["cat"], input=source) == "text\n"


def test_input_from_a_file_begins_where_the_caller_is_in_it(tmp_path: Path) -> None:
    """An open file is the command's standard input; what was read from it before is not given."""
    path = tmp_path / "file"
    path.write_bytes(b"first\nsecond\n" * 10_000)
    with path.open("rb") as file:
        file.readline()
        assert out(["head", "-n", "1"], input=file) == "second\n"


def test_input_that_is_not_wanted() -> None:
    """A command that reads none of a large input is no error, nor is one that reads a part."""
    assert run("true", input=b"x" * 10_000_000).ok
    assert out(["head", "-c", "3"], input=b"x" * 10_000_000) == "xxx"


def test_without_input_there_is_an_end() -> None:
    """A command without input reads an end of file, not the caller's terminal."""
    assert out(["cat"]) == ""


def test_an_endless_input_is_given_as_it_is_taken() -> None:
    """A generator is asked for more only when the command takes more."""

    def numbers() -> Iterator[str]:
        number = 0
        while True:
            number += 1
            yield f"{number}\n"

    assert out(["head", "-n", "3"], input=numbers()) == "1\n2\n3\n"


def test_an_input_that_raises_ends_the_command(alive: Callable[[str], list[int]]) -> None:
    """What a generator raises comes out; the command is gone by then."""

    def broken() -> Iterator[str]:
        yield "a"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(["sh", "-c", "cat; : broken-input-mark"], input=broken())
    assert not alive("broken-input-mark")


def test_where_the_outputs_go(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Captured, merged, dropped, handed on, or into a file."""
    both = shell("echo data; echo words >&2")
    assert run(both, stderr=MERGE).stdout == "data\nwords\n"
    assert run(both, stdout=DISCARD, stderr=CAPTURE).stdout == ""
    assert capfd.readouterr() == ("", "")
    run(both, stdout=INHERIT, stderr=INHERIT)
    assert capfd.readouterr() == ("data\n", "words\n")
    run(both, stdout=INHERIT, stderr=MERGE)
    assert capfd.readouterr() == ("data\nwords\n", "")
    with (tmp_path / "file").open("w+") as file:
        file.write("first\n")
        run(both, stdout=file, stderr=file.fileno())
        assert (tmp_path / "file").read_text() == "first\ndata\nwords\n"


def test_undecodable_output_is_kept() -> None:
    """Bytes that are no UTF-8 become surrogates, and the same bytes again; nothing is raised, line ends stay."""
    text = out(["printf", r"caf\351\r\n\000\377"])
    assert text.encode("utf-8", "surrogateescape") == b"caf\xe9\r\n\x00\xff"
    assert list(lines(["printf", r"caf\351\nx"])) == ["caf\udce9", "x"]


def test_folder_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``cwd`` is where it runs; ``env`` changes the environment, None removes."""
    monkeypatch.setenv("CB_ONE", "1")
    monkeypatch.setenv("CB_TWO", "2")
    text = 'echo "$PWD ${CB_ONE-none} $CB_TWO $CB_THREE"'
    assert out(shell(text), cwd=tmp_path, env={"CB_ONE": None, "CB_THREE": "3"}) == f"{tmp_path} none 2 3\n"
    with pytest.raises(BadCommand, match="environment"):
        run("true", env={"A=B": "c"})
    with pytest.raises(CommandNotRunnable, match="no such folder"):
        run("true", cwd=tmp_path / "none")


def test_what_cannot_be_started(tmp_path: Path) -> None:
    """The error says what it was, and names programs that look like it."""
    with pytest.raises(CommandNotFound, match="no such program") as caught:
        run("pythn3")
    assert "python3" in caught.value.near
    with pytest.raises(FileNotFoundError, match="is it installed"):
        run("/no/such/program")
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    with pytest.raises(CommandNotRunnable, match="not executable"):
        run([script])
    script.chmod(0o755)
    with pytest.raises(CommandNotRunnable, match="interpreter is missing"):
        run([script])
    script.write_bytes(b"\x7fELF nonsense")
    with pytest.raises(CommandNotRunnable, match="not a program"):
        run([script])
    with pytest.raises(CommandNotRunnable, match="4000005 bytes of arguments"):
        run(["echo", "x" * 3_999_999])


def test_errors_can_be_copied_and_pickled() -> None:
    """What crosses a process keeps its fields."""
    with pytest.raises(CommandFailed) as failed:
        run(shell("echo data; echo words >&2; exit 3"))
    with pytest.raises(CommandTimeout) as late:
        run(["sleep", "30"], timeout=0.01)
    for error in (failed.value, late.value, CommandNotFound("x", ["y"]), OutputTooLarge(["x"], "stdout", 1, b"x")):
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert type(twin) is type(error)
            assert str(twin) == str(error)
            assert twin.__dict__ == error.__dict__


def test_limit_with_a_file() -> None:
    """Beyond ``max_bytes`` all of a stream is in an unnamed file, at its start; the beginning is in the result."""
    done = run(["seq", "100000"], max_bytes=1000)
    with done.stdout_file or io.BytesIO() as file:
        everything = file.read()
    assert done.stderr_file is None
    assert everything == b"".join(b"%d\n" % number for number in range(1, 100_001))
    assert done.stdout == everything[:1000].decode()
    assert run(["seq", "10"], max_bytes=21).stdout_file is None
    with pytest.raises(CommandFailed) as caught:  # and no file is left open
        run(shell("seq 100000; exit 1"), max_bytes=1000)
    assert len(caught.value.stdout) == 1000
    both = pipe(["seq", "100000"], ["cat"], max_bytes=1000)
    assert both.stdout_file is not None
    with both.stdout_file as file:
        assert file.read() == everything


def test_limit_without_a_file(alive: Callable[[str], list[int]]) -> None:
    """With ``spill=False`` the command is killed; the error has the first bytes."""
    with pytest.raises(OutputTooLarge, match="more than 5000 bytes on stdout") as caught:
        run(["sh", "-c", "yes; : limit-mark"], max_bytes=5000, spill=False)
    assert caught.value.output == b"y\n" * 2500
    with pytest.raises(OutputTooLarge, match="on stderr"):
        run(shell("yes >&2"), max_bytes=5000, spill=False)
    with pytest.raises(OutputTooLarge):
        list(lines(["head", "-c", "1000000", "/dev/zero"], max_bytes=5000))
    assert not alive("limit-mark")


def test_large_outputs_on_both_pipes() -> None:
    """More than a pipe holds, on both, and an input: nobody waits for anybody."""
    done = run(["sh", "-c", f"{BOTH}; cat"], input=b"x" * 1_000_000, text=False)
    assert (len(done.stdout), len(done.stderr)) == (1_200_000, 300_000)


def test_lines() -> None:
    """Lines without their ends, the last with or without one, however they were cut; many of them."""
    assert list(lines(["printf", "a\n\nb"])) == ["a", "", "b"]
    assert list(lines(["printf", "a\nb\n"], text=False)) == [b"a", b"b"]
    assert list(lines("true")) == []
    assert list(lines(["seq", "200000"])) == [str(number) for number in range(1, 200_001)]
    assert [len(line) for line in lines(shell("head -c 300000 /dev/zero; echo; echo x"))] == [300_000, 1]


def test_lines_come_as_they_are_written() -> None:
    """A line is there before the command ends, and can be answered."""
    with lines(shell("echo ready; read answer < /dev/null; sleep 60")) as live:
        assert next(live) == "ready"


def test_lines_left_early_end_the_command(alive: Callable[[str], list[int]]) -> None:
    """Closing, dropping and leaving by an exception kill the command."""
    script = ["sh", "-c", "yes & yes; : lines-mark"]
    live = lines(script)
    assert next(live) == "y"
    assert alive("lines-mark")
    live.close()
    assert not alive("lines-mark")
    for line in lines(script):
        assert line == "y"
        break
    assert not alive("lines-mark")


def test_lines_and_stream_raise_at_the_end() -> None:
    """The status is looked at after the last line; the error has the last words only."""
    got = []
    live = lines(shell("echo data; seq 100000 >&2; exit 3"))
    with pytest.raises(CommandFailed, match=r"exit status 3.*99999 \| 100000"):
        got.extend(live)
    assert got == ["data"]
    with pytest.raises(CommandTimeout):
        list(stream(["sleep", "60"], timeout=0.05))


def test_stream() -> None:
    """Both streams as they come, each in its order, each line with its stream's name."""
    got = list(stream(shell("echo a; echo x >&2; echo b; echo y >&2")))
    assert [line for name, line in got if name == "stdout"] == ["a", "b"]
    assert [line for name, line in got if name == "stderr"] == ["x", "y"]
    assert list(stream(["echo", "a"], text=False)) == [("stdout", b"a")]


def test_pipe() -> None:
    """Each stage's status and words are told; who is ended by SIGPIPE has not failed."""
    done = pipe(["yes"], ["head", "-n", "2"], shell("cat; echo words >&2"))
    assert (done.stdout, done.code, done.ok) == ("y\ny\n", 0, True)
    assert [stage.code for stage in done.stages] == [-13, 0, 0]
    assert done.stages[2].stderr == "words\n"
    assert pipe(["cat"], ["tr", "a", "b"], input="a", text=False).stdout == b"b"


def test_a_stage_that_fails() -> None:
    """The error is that of the last stage that failed; all stages are run to their ends."""
    with pytest.raises(CommandFailed, match="sh -c 'echo why >&2; exit 3': exit status 3: why"):
        pipe(["false"], ["sh", "-c", "echo why >&2; exit 3"], ["cat"])
    done = pipe(["false"], ["true"], check=False)
    assert (done.code, done.ok) == (1, False)
    with pytest.raises(CommandNotFound):
        pipe(["yes"], ["no-such-program-at-all"])


def test_a_pipeline_in_time(alive: Callable[[str], list[int]]) -> None:
    """A time-out ends all stages."""
    with pytest.raises(CommandTimeout) as caught:
        pipe(["sleep", "61.875"], ["sleep", "61.875"], timeout=0.1)
    assert len(caught.value.killed) == 2
    assert not alive("61.875")


def test_start() -> None:
    """A started command goes on while we do; more output than a pipe holds does not stop it."""
    with start(shell(f"{BOTH}; echo end")) as process:
        done = process.wait(timeout=60)
    assert (len(done.stdout), len(done.stderr), done.code) == (200_004, 300_000, 0)
    with start(["false"]) as process, pytest.raises(CommandFailed):
        process.wait()
    with start(["cat"], check=False, stderr=DISCARD) as process:
        assert process.wait().ok
    assert process.args == ("cat",)


def test_start_and_end(alive: Callable[[str], list[int]], eventually: Callable[..., None]) -> None:
    """It can be asked, signalled, killed; the block's end kills what is left."""
    with start(["sh", "-c", "echo ready; sleep 60 & wait; : start-mark"]) as process:
        eventually(lambda: process.output() == "ready\n", "its first line")
        assert process.running
        assert process.kill()
        assert not alive("start-mark")
        assert not process.running
        assert process.kill() == process.kill()
        process.send_signal(signal.SIGTERM)
    with start(["sh", "-c", "sleep 60 & wait; : start-mark"]):
        assert alive("start-mark")
    assert not alive("start-mark")
    with start(["sleep", "60"]) as process:
        process.send_signal(signal.SIGINT)
        with pytest.raises(CommandFailed, match="SIGINT"):
            process.wait()


def test_start_with_a_limit() -> None:
    """The limit counts from the start, or, given to wait, from there."""
    with start(["sleep", "60"], timeout=0.05) as process, pytest.raises(CommandTimeout):
        process.wait()
    with start(shell("echo so far; sleep 60")) as process, pytest.raises(CommandTimeout) as caught:
        process.wait(timeout=1)
    assert caught.value.stdout == "so far\n"


def test_start_takes_files_only(tmp_path: Path) -> None:
    """There is nobody to feed a started command; a file is read by itself."""
    with pytest.raises(BadCommand, match="open file"):
        start(["cat"], input="text")
    (tmp_path / "file").write_text("text")
    with (tmp_path / "file").open("rb") as file, start(["cat"], input=file) as process:
        assert process.wait().stdout == "text"
    with pytest.raises(CommandNotFound):
        start(["no-such-program-at-all"])


def test_a_child_that_keeps_the_output_open_does_not_hold_start(alive: Callable[[str], list[int]]) -> None:
    """What is started in the background keeps a pipe open, but not our file."""
    with start(["sh", "-c", "sleep 60 & echo done; : keep-mark"]) as process:
        assert process.wait(timeout=30).stdout == "done\n"


def test_ctrl_c_ends_the_command(alive: Callable[[str], list[int]], eventually: Callable[..., None]) -> None:
    """An interrupt while a command runs ends it and all that it started, and comes out."""

    def interrupt() -> None:
        eventually(lambda: len(alive("interrupt-mark")) >= 2, "both processes")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(["sh", "-c", "sh -c 'sleep 60; : interrupt-mark'; : interrupt-mark"])
    thread.join()
    assert not alive("interrupt-mark")


def test_a_status_that_was_taken_away() -> None:
    """Who ignores SIGCHLD is told so, and not that all went well."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(StatusLost, match="SIGCHLD"):
            run("false")
        with pytest.raises(StatusLost, match="SIGCHLD"):
            run("false", timeout=30)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_threads() -> None:
    """Many at once, from many threads: each gets its own."""
    got: dict[int, str] = {}

    def work(number: int) -> None:
        for _ in range(5):
            got[number] = out(["echo", str(number)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {number: f"{number}\n" for number in range(8)}


def test_nothing_is_left_open() -> None:
    """No descriptor, whatever way it ended."""
    before = descriptors()
    run(["echo", "a"], input="b")
    with pytest.raises(CommandFailed):
        run("false")
    with pytest.raises(CommandTimeout):
        run(["sleep", "60"], timeout=0.02)
    with pytest.raises(CommandNotFound):
        pipe(["cat"], ["no-such-program-at-all"], input="x" * 1_000_000)
    pipe(["echo", "a"], ["cat"])
    list(lines(["echo", "a"]))
    with start(["echo", "a"]) as process:
        process.wait()
    assert descriptors() == before


def test_outer_calls_know_what_inner_ones_started(alive: Callable[[str], list[int]]) -> None:
    """A command that uses this package itself is killed with what it started, although that has a token of its own."""
    inner = "from cb_subprocess import run, shell; run(shell('setsid sleep 61.5 & sleep 61.5'))"
    started = time.monotonic()
    with start([sys.executable, "-c", inner]) as process:
        while not alive("61.5"):
            assert time.monotonic() < started + 60, "the inner command did not start"
        process.kill()
    assert not alive("61.5")
