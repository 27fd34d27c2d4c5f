"""The command, with good input and bad."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cb_csv
import click
import pytest

Command = Callable[..., Any]
Process = Callable[..., Any]
DAMAGED = 'id,size\r\n1,5"\r\n2\r\n'


def test_version_and_help(process: Process) -> None:
    """Both answer without anything but click being imported; help opens with an example that works."""
    with process("--version", stdout=subprocess.PIPE, text=True) as child:
        assert child.communicate()[0] == f"cb-csv, version {cb_csv.__version__}\n"
    code = "import cb_csv, sys; print({'click', 'csv'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-Ic", code], text=True) == "set()\n"


def test_the_examples_of_the_help_work(cb: Command, process: Process, tmp_path: Path) -> None:
    """What each sub-command's help shows can be pasted."""
    listed = cb("--help").out
    for name in ("detect", "check", "convert", "cat", "dicts", "write", "append", "enter", "stats", "split"):
        assert f"  {name} " in listed
        text = cb(name, "--help").out
        example = text.split("Example:\n")[1].splitlines()[0].strip()
        (tmp_path / "big.csv").write_text("a,b\n1,2\n")
        ran = subprocess.run(
            ["bash", "-c", example.replace("cb-csv", f"{sys.executable} -m cb_csv")],
            cwd=tmp_path, input=b"", capture_output=True, check=False,
        )  # fmt: skip
        assert ran.returncode == (1 if name == "check" else 0), (example, ran.stderr)


def test_names_are_known_and_no_others() -> None:
    """The public names are there; an unknown one is an AttributeError."""
    assert all(getattr(cb_csv, name) is not None for name in cb_csv.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cb_csv.nothing  # type: ignore[attr-defined]


def test_detect_in_words_and_json(cb: Command) -> None:
    """A line for each file, the next likely ones below it; JSON has all of it."""
    ran = cb("detect", stdin="a;b\n1,5;2\n2,5;3\n")
    assert ran.out.startswith("-: delimiter ';', quote \", LF, utf-8, header, 2 columns")
    assert "  or delimiter ','" in ran.out
    assert json.loads(cb("detect", "--format", "json", stdin="a\tb\n1\t2\n").out)["dialect"]["delimiter"] == "\t"


def test_check_is_clickable_and_has_a_status(cb: Command, tmp_path: Path) -> None:
    """FILE:LINE:COLUMN, 1 where there are faults, 0 where there are none; codes can be passed over."""
    file = tmp_path / "x.csv"
    file.write_bytes(DAMAGED.encode())
    ran = cb("check", file)
    assert [line.split(": ")[0] for line in ran.out.splitlines()] == [f"{file}:2:4", f"{file}:3:2"]
    assert (ran.status, ran.err) == (1, "cb-csv: 2 faults\n")
    assert cb("check", file, "--ignore", "stray-quote", "--ignore", "missing-fields").status == 0
    assert cb("check", file, "--max-faults", 1).err == "cb-csv: stopped at 1 faults\n"
    assert (cb("check", "-q", file).out, cb("check", "-q", file).status) == ("", 1)
    assert cb("check", "-q", stdin="a,b\r\n").status == 0
    assert [json.loads(line)["byte"] for line in cb("check", file, "--format", "json").out.splitlines()] == [12, 16]
    assert cb("check", "--newline", "lf", "-d", "tab", stdin="a\tb\n1\t2\n").status == 0
    assert cb("check", "--detect", stdin="a;b\n1;2\n").status == 0
    assert cb("check", "--columns", 3, stdin="a,b\r\n").status == 1
    assert cb("check", stdin="a,b\n").out == (
        "-:1:4: bare-lf in record 1, field 2: all lines end with LF, not CRLF (convert the file, or accept it)\n"
    )


def test_convert_in_a_pipe_and_between_files(cb: Command, tmp_path: Path) -> None:
    """Stdin to stdout; every option of source and target; repairs are told."""
    assert cb("convert", stdin="a;b\n1,5;2\n").out == 'a,b\r\n"1,5",2\r\n'
    source, target = tmp_path / "x.csv", tmp_path / "y.csv"
    source.write_bytes("Größe|'x|y'\n".encode("cp1252"))
    ran = cb(
        "convert", source, target, "-d", "pipe", "--quote", "'", "--encoding", "cp1252", "--to-delimiter", "tab",
        "--to-newline", "lf", "--to-encoding", "utf-16-le", "--quoting", "all", "--no-fsync", "--workers", 2,
    )  # fmt: skip
    assert (ran.status, ran.err) == (0, "cb-csv: 1 records, 28 bytes, 0 faults\n")
    assert target.read_bytes() == '"Größe"\t"x|y"\n'.encode("utf-16-le")
    ran = cb("convert", "--on-fault", "repair", "-d", ",", stdin=DAMAGED)
    assert ran.out == 'id,size\r\n1,"5"""\r\n2,\r\n'
    assert "-:2:4: stray-quote" in ran.err
    assert "[the quote is text now]" in ran.err
    ran = cb("convert", "-d", ",", stdin=DAMAGED)
    assert (ran.status, ran.err.startswith("cb-csv: -:2:4: stray-quote")) == (1, True)
    assert cb("convert", "--skip", 1, "-d", ",", stdin="title\r\na,b\r\n").out == "a,b\r\n"


def test_convert_tells_which_lines_it_leaves_out(cb: Command) -> None:
    """Those before the table, on stderr; `--skip 0` keeps them."""
    text = "Report of May\n\na;b\n1;2\n3;4\n"
    ran = cb("convert", stdin=text)
    assert ran.err == "cb-csv: 3 records, 15 bytes, 0 faults; 2 lines before them left out (--skip 0 keeps them)\n"
    assert "Report of May" in cb("convert", "--skip", "0", "--on-fault", "keep", stdin=text).out


def test_commands_compose(cb: Command, tmp_path: Path) -> None:
    """Dicts feeds write and append; a delimited file can be appended to another with other dialect and order."""
    log, more = tmp_path / "log.csv", tmp_path / "more.csv"
    log.write_bytes(b"time;state\n1;up\n")
    more.write_bytes(b"state,time\r\ndown,2\r\n")
    assert cb("append", log, more, "--csv").err == f"cb-csv: {log}: 1 rows added\n"
    assert cb("append", log, "-q", "--batch", 1, stdin='["3", "up"]\n\n["4", "up"]\n').err == ""
    assert log.read_bytes() == b"time;state\n1;up\n2;down\n3;up\n4;up\n"
    assert cb("append", log, stdin="").status == 0
    assert cb("dicts", log, "--duplicates", "last", "--ragged", "pad").out.count("\n") == 4
    assert cb("dicts", "--fields", "a,b", "--lenient", stdin="1,2\r\n").out == '{"a": "1", "b": "2"}\n'
    assert cb("cat", "--lenient", "--as", "json", stdin='a,b\r\n1,2"\r\n3\r\n').out.splitlines()[1:] == [
        '["1", "2\\""]',
        '["3"]',
    ]


def test_stats_in_words_and_json(cb: Command) -> None:
    """A table, a histogram drawn with blocks, the most frequent cells; JSON has all of it."""
    text = "id,size\r\n" + "".join(f"{n},{n % 3}\r\n" for n in range(9))
    out = cb("stats", stdin=text).out
    assert out.splitlines()[0].split() == [
        "column",
        "type",
        "rows",
        "empty",
        "distinct",
        "min",
        "max",
        "mean",
        "stddev",
        "longest",
    ]
    assert "█" in out
    assert "'0' x 3" in out
    assert json.loads(cb("stats", "--format", "json", stdin=text).out.splitlines()[1])["mean"] == 1.0
    assert cb("stats", "--no-header", "--cap", 3, "-d", ",", stdin=text).out.splitlines()[1].startswith("column 1")


def test_split_in_ranges_and_files(cb: Command, tmp_path: Path) -> None:
    """Ranges of bytes with tabs between, or files into a folder."""
    file = tmp_path / "x.csv"
    file.write_bytes(b"a,b\r\n" + b"1,2\r\n" * 9)
    assert cb("split", file).out == "0\t30\n30\t50\n"
    assert cb("split", file, "--format", "json", "-d", ",").out == "[0, 30]\n[30, 50]\n"
    paths = cb("split", file, "-o", tmp_path / "parts", "-n", 3).out.splitlines()
    assert [Path(path).read_bytes()[:5] for path in paths] == [b"a,b\r\n"] * 3
    assert json.loads(cb("split", file, "-o", tmp_path / "parts", "--format", "json").out.splitlines()[0]) == paths[0]


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "words"),
    [
        (["check", "nowhere.csv"], "", 2, "nowhere.csv: No such file or directory (look at"),
        (["convert", "-", "/nowhere/y.csv"], "a,b\n", 2, "cb-csv: /nowhere/y.csv: No such file or directory (look at"),
        (["check", "--ignore", "nonsense"], "", 2, "'nonsense' is no code (known: stray-quote"),
        (["cat", "--encoding", "klingon"], "", 2, "'klingon' is unknown (use a name like"),
        (["cat", "-d", '"'], "", 2, "cannot be the delimiter and the quote character"),
        (["write"], "nonsense", 1, "-:1: no JSON:"),
        (["write"], "[1]\n{}", 1, "-:2: arrays, or objects, but not dict"),
        (["write"], "1", 1, "-:1: arrays, or objects, but not int"),
        (["write"], "", 1, "no columns"),
        (["write", "--sort-fields"], "[1]", 2, "--fields and --sort-fields are for objects"),
        (["write", "--fields", "a"], '{"b": 1}', 1, "columns do not match"),
        (["write", "--to-encoding", "latin-1"], '["€"]', 2, "'€' cannot be written in latin-1"),
        (["dicts"], "a,a\r\n1,2\r\n", 1, "the column 'a' is there twice"),
        (["split", "nowhere.csv"], "", 2, "No such file or directory (look at"),
        (["nonsense"], "", 2, "No such command 'nonsense'"),
        (["enter", "x.csv"], "", 2, "the input ended before the number of columns"),
    ],
)
def test_bad_input_gets_one_line(
    cb: Command, arguments: list[str], stdin: str, status: int, words: str, tmp_path: Path
) -> None:
    """One line on stderr that says what is wrong and what to do, and a status; never a traceback."""
    ran = cb(*arguments, stdin=stdin)
    last = ran.err.splitlines()[-1]
    assert (ran.status, last.startswith("cb-csv: ")) == (status, True)
    assert words in last
    assert "Traceback" not in ran.err


def test_a_damaged_archive_gets_one_line(cb: Command, tmp_path: Path) -> None:
    """Cut off, or not what its suffix says."""
    import gzip

    file = tmp_path / "x.csv.gz"
    file.write_bytes(gzip.compress(b"a,b\r\n" * 1000)[:-9])
    ran = cb("check", file)
    assert (ran.status, "get the whole file again" in ran.err) == (1, True)
    file.write_bytes(b"a,b\r\n")
    assert cb("check", file).status == 1


def test_no_arguments_show_the_help(cb: Command) -> None:
    """Usage, and status 2."""
    ran = cb()
    assert ran.status == 2
    assert "Usage: cb-csv" in ran.err


def test_debugging_shows_the_traceback(cb: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """CB_DEBUG=1 lets the error through."""
    monkeypatch.setenv("CB_DEBUG", "1")
    with pytest.raises(FileNotFoundError):
        cb("check", "nowhere.csv")


def test_a_reader_that_has_enough_ends_it_quietly(process: Process, tmp_path: Path) -> None:
    """`cb-csv cat … | head`: no message, status 0."""
    file = tmp_path / "x.csv"
    file.write_bytes(b"a,b\r\n" * 200_000)
    with process("cat", file, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"['a', 'b']\n"
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0


def test_interrupted_it_leaves_the_old_file(process: Process, tmp_path: Path) -> None:
    """Ctrl-C: a line, status 130, and nothing half written."""
    target = tmp_path / "out.csv"
    target.write_bytes(b"old")
    reading, writing = os.pipe()
    code = (  # a shell may have started the tests with SIGINT ignored
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from cb_csv.cli import main; main()"
    )
    with process("convert", "-", target, code=code, stdin=reading, stderr=subprocess.PIPE) as child:
        os.close(reading)
        os.write(writing, b"a,b\r\n" * 30_000)
        while len(list(tmp_path.iterdir())) == 1:  # the new file is being written
            os.sched_yield()
        child.send_signal(signal.SIGINT)
        assert b"interrupted" in child.stderr.read()
    os.close(writing)
    assert child.returncode == 130
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_ctrl_c_while_typing(cb: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Answers given up with Ctrl-C: status 130."""

    def interrupt(prompt: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("cb_csv.enter._prompt", interrupt)
    monkeypatch.setattr("cb_csv.enter.prompt_rows", interrupt)
    assert cb("enter", tmp_path / "x.csv", "--columns", 1).status == 130


def test_given_up_while_click_is_at_work(cb: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What click calls Abort: status 130."""

    def abort(**options: object) -> None:
        raise click.Abort

    monkeypatch.setattr("cb_csv.cli.commands.main", abort)
    assert cb("check").status == 130


def test_long_work_shows_a_bar_on_a_terminal(process: Process, tmp_path: Path) -> None:
    """Somebody who watches sees how far it is; a pipe does not."""
    file = tmp_path / "x.csv"
    file.write_bytes(b"a,b\r\n" * 4_000_000)
    main, other = pty.openpty()
    with process("check", file, stderr=other, stdout=subprocess.DEVNULL) as child:
        os.close(other)
        shown = b""
        try:
            while data := os.read(main, 4096):
                shown += data
        except OSError:  # the terminal's end
            pass
    os.close(main)
    assert child.returncode == 0
    assert b"checking" in shown
    assert b"100%" in shown


def test_dicts_says_when_the_first_row_seems_to_be_data(cb: Command, tmp_path: Path) -> None:
    """One line on stderr with what to do; none where the columns are named, or the header is one."""
    file = tmp_path / "a.csv"
    file.write_text("1,2024-01-01\n2,2024-01-02\n3,2024-01-03\n")
    ran = cb("dicts", file)
    assert ran.status == 0
    assert ran.err == (
        f"cb-csv: {file}: no header found: the first row, '1' ..., names the columns "
        "(if it is data, name them with --fields)\n"
    )
    named = cb("dicts", file, "--fields", "id,day")
    assert named.err == ""
    assert named.out.startswith('{"id": "1", "day": "2024-01-01"}')
    file.write_text("id,day\n2,2024-01-02\n3,2024-01-03\n")
    assert cb("dicts", file).err == ""
