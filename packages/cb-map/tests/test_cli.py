"""The command, run as a user runs it."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cb_map
import pytest
from conftest import Done

Cli = Callable[..., Done]
GOOD = '{"a":1}\n{"a":2}\n'
BROKEN = '{"a":1}\n{"a":\n{"a":0}\n{"a":4}\n'


def test_version(cli: Cli) -> None:
    """``--version`` prints the package's version and nothing else."""
    assert cli("--version").stdout.decode() == f"cb-map, version {cb_map.__version__}\n"


@pytest.mark.parametrize(
    "command", ["", "pick", "omit", "redact", "rename", "attach", "latest", "apply", "zip", "check"]
)
def test_help_has_an_example(cli: Cli, command: str) -> None:
    """Every command shows one."""
    done = cli(*command.split(), "--help")
    assert done.returncode == 0
    assert b"Example:" in done.stdout


def test_redact_and_rename(cli: Cli) -> None:
    """Values are hidden, names changed, the rest keeps its bytes."""
    assert cli("redact", "a", "--with", "?", stdin='{"a":1,"b":1.10}').stdout == b'{"a":"?","b":1.10}\n'
    assert cli("rename", "a=x,b=y", stdin='{"a":1,"b":1.10}').stdout == b'{"x":1,"y":1.10}\n'


def test_strict_demands_fields(cli: Cli) -> None:
    """An absent field is a bad record."""
    done = cli("omit", "b", "--strict", stdin=GOOD)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"cb-map: -:1:1: MissingField: no field 'b'")


@pytest.mark.parametrize("missing", ["null", "skip", "raise"])
def test_pick_has_a_policy_for_absent_fields(cli: Cli, missing: str) -> None:
    """As jq, left out, or bad."""
    done = cli("pick", "a,b", "--missing", missing, stdin='{"a":1}')
    assert done.stdout == {"null": b'{"a":1,"b":null}\n', "skip": b'{"a":1}\n', "raise": b""}[missing]


def test_stop_writes_what_came_before(cli: Cli) -> None:
    """And says where, in one line."""
    done = cli("pick", "a", stdin=BROKEN)
    assert (done.returncode, done.stdout) == (1, b'{"a":1}\n')
    assert done.stderr.decode().splitlines() == [
        "cb-map: -:2:6: no JSON: it ends too early (mend it, or leave it out: --on-error)"
    ]


def test_skip_goes_on(cli: Cli) -> None:
    """The other records are written, the status says that not all are."""
    done = cli("pick", "a", "--on-error", "skip", "-v", stdin=BROKEN)
    assert (done.returncode, done.stdout) == (1, b'{"a":1}\n{"a":0}\n{"a":4}\n')
    assert b"1 of 4 records were bad; they were left out" in done.stderr
    assert b"4 read, 3 written, 0 left out, 1 bad" in done.stderr


@pytest.mark.parametrize("words", [["--on-error", "quarantine", "bad"], ["--on-error=quarantine", "bad"]])
@pytest.mark.parametrize("jobs", [[], ["--jobs", "2"], ["--jobs", "2", "--unordered"]])
def test_quarantine_keeps_the_bytes_and_the_reasons(
    cli: Cli, tmp_path: Path, words: list[str], jobs: list[str]
) -> None:
    """Of lines that cannot be read, and of those that the function fails on."""
    done = cli("apply", "-e", "1 / x['a']", *jobs, *words, stdin=b"\r\n" + BROKEN.encode())
    assert sorted(done.stdout.split()) == [b"0.25", b"1.0"]
    assert sorted((tmp_path / "bad").read_bytes().splitlines()) == [b'{"a":', b'{"a":0}']
    reasons = [json.loads(line) for line in (tmp_path / "bad.reasons").read_bytes().splitlines()]
    told = {reason["line"]: (reason["column"], reason["reason"].partition(" (")[0]) for reason in reasons}
    assert told == {3: (6, "no JSON: it ends too early"), 4: (1, "ZeroDivisionError: division by zero")}


def test_a_quarantine_of_csv_has_its_header(cli: Cli, tmp_path: Path) -> None:
    """So that it can be mended and run again."""
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3\n")
    cli("pick", "a", "x.csv", "--on-error", "quarantine", "bad.csv")
    assert (tmp_path / "bad.csv").read_text() == "a,b\n3\n"


def test_many_bad_records_are_not_all_told(cli: Cli) -> None:
    """Ten are named, all are counted."""
    done = cli("pick", "a", "--on-error", "skip", stdin="x\n" * 50)
    assert len(done.stderr.splitlines()) == 11
    assert b"50 of 50" in done.stderr


def test_in_place_replaces_files_when_all_went_well(cli: Cli, tmp_path: Path) -> None:
    """Mode and links stay; where something is bad, the file stays as it was."""
    good, bad, link = tmp_path / "good.jsonl", tmp_path / "bad.jsonl", tmp_path / "link.jsonl"
    good.write_text(GOOD)
    good.chmod(0o640)
    link.symlink_to(good)
    bad.write_text(BROKEN)
    assert cli("rename", "a=b", "--in-place", "link.jsonl").returncode == 0
    assert good.read_text() == '{"b":1}\n{"b":2}\n'
    assert (good.stat().st_mode & 0o777, link.is_symlink()) == (0o640, True)
    assert cli("rename", "a=b", "--in-place", "bad.jsonl").returncode == 1
    assert bad.read_text() == BROKEN
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jsonl", "good.jsonl", "link.jsonl"]


def test_output_goes_to_a_file_when_all_went_well(cli: Cli, tmp_path: Path) -> None:
    """Its name tells its format."""
    (tmp_path / "out.csv").write_text("before")
    assert cli("pick", "a", "-o", "out.csv", stdin=BROKEN).returncode == 1
    assert (tmp_path / "out.csv").read_text() == "before"
    assert cli("pick", "a", "-o", "out.csv", stdin=GOOD).returncode == 0
    assert (tmp_path / "out.csv").read_text() == "a\n1\n2\n"


def test_several_files_and_formats_make_one_output(cli: Cli, tmp_path: Path) -> None:
    """Each is read as its name says."""
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    (tmp_path / "y.json").write_text('[{"a": 1.10,\n "b": [1,\n 2]}]')
    done = cli("omit", "zz", "x.csv", "y.json", "-", "--out", "jsonl", stdin='{"c":3}')
    assert done.stdout.decode().splitlines() == ['{"a":"1","b":"2"}', '{"a":1.10,"b":[1,2]}', '{"c":3}']


def test_preview_shows_a_table(cli: Cli) -> None:
    """The first results, for people; the rest is not read."""
    lines = '{"a":1,"name":"x\\ty"}\n{"b":[1,2],"name":"' + "long" * 20 + '"}\n' + "broken\n"
    done = cli("omit", "zz", "--preview", "2", stdin=lines)
    table = done.stdout.decode().splitlines()
    assert done.returncode == 0
    assert table[0].split() == ["a", "name", "b"]
    assert table[2].split() == ["1", "x·y"]
    assert table[3].split() == ["longlonglonglonglonglonglonglon…", "[1,2]"]
    assert b"value" in cli("apply", "-e", "x", "--preview", "5", stdin="1\n2\n").stdout


def test_apply_calls_functions_of_modules(cli: Cli, tmp_path: Path) -> None:
    """From the folder at hand; rows of CSV are dicts; results are records."""
    (tmp_path / "mine.py").write_text("class Thing:\n    def double(row):\n        return {**row, 'b': row['b'] * 2}\n")
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    assert cli("apply", "mine:Thing.double", "x.csv").stdout == b"a,b\n1,22\n"
    assert cli("apply", "mine:Thing.double", "x.csv", "--jobs", "2", "--out", "jsonl").stdout == b'{"a":"1","b":"22"}\n'


def test_apply_keeps_what_is_not_touched(cli: Cli) -> None:
    """Numbers beyond a float, and how they are written; with --where alone, all of the line."""
    line = '{"a": 1e400, "b": 1.10, "c": 12345678901234567890123}'
    assert cli("apply", "-e", "{**x, 'd': 1}", stdin=line).stdout == line.replace(" ", "").encode()[:-1] + b',"d":1}\n'
    assert cli("apply", "--where", "x['b'] > 1", stdin=f'{line}\n{{"b":0}}').stdout == line.encode() + b"\n"
    assert cli("apply", "--where", "x", "--in", "json", stdin='[{"a":\n1}]').stdout == b'[\n{"a":1}\n]\n'
    assert cli("apply", "-e", "[y for y in x if y > x[0]]", stdin="[1.0,2.50]").stdout == b"[2.50]\n"


@pytest.mark.parametrize("backend", ["inline", "thread", "process"])
def test_apply_takes_backends_and_retries(cli: Cli, tmp_path: Path, backend: str) -> None:
    """What fails at first is tried again, wherever it runs."""
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\n"
        "def once(x):\n"
        "    try:\n        Path(f'seen-{x}').open('x').close()\n"
        "    except FileExistsError:\n        return x\n"
        "    raise ConnectionError('first')\n"
    )
    done = cli("apply", "mine:once", "--backend", backend, "--retries", "1", stdin="1\n2\n3\n")
    assert done.stdout == b"1\n2\n3\n"


def test_apply_gives_up_what_hangs(cli: Cli) -> None:
    """After its time-out; the others are written."""
    expression = "__import__('threading').Event().wait() if x == 2 else x"
    done = cli("apply", "-e", expression, "--timeout", "3", "--on-error", "skip", stdin="1\n2\n3\n")
    assert done.stdout == b"1\n3\n"
    assert b"-:2:1: TimeoutError: took longer than 3 s" in done.stderr


def test_results_that_are_no_json_are_told(cli: Cli) -> None:
    """With the type."""
    done = cli("apply", "-e", "{x: object()}", stdin="1\n")
    assert b"-:1:1: object is no JSON value" in done.stderr
    assert b"-:1:1: a row is made of an object, not of int" in cli("apply", "-e", "x", "--out", "csv", stdin="1").stderr


def test_zip_has_modes(cli: Cli, tmp_path: Path) -> None:
    """Shortest, longest with fill, strict; without an expression, arrays."""
    (tmp_path / "a.jsonl").write_text("1\n\n2.50\n3\n")
    (tmp_path / "b.csv").write_text("n\n7\n8\n")
    assert cli("zip", "a.jsonl", "b.csv").stdout == b'[1,{"n":"7"}]\n[2.50,{"n":"8"}]\n'
    assert cli("zip", "a.jsonl", "b.csv", "--longest", "--fill", "0").stdout.endswith(b"[3,0]\n")
    strict = cli("zip", "a.jsonl", "b.csv", "--strict")
    assert strict.returncode == 1
    assert b"iterable 2 is shorter than iterable 1, after 2 rows" in strict.stderr
    assert cli("zip", "a.jsonl", "-e", "x").stdout == b"1\n2.50\n3\n"
    assert b"a.jsonl:1:1: ZeroDivisionError" in cli("zip", "a.jsonl", "-e", "x / 0").stderr
    (tmp_path / "bad.jsonl").write_text("1\n{\n")
    assert b"bad.jsonl:2:2: no JSON" in cli("zip", "a.jsonl", "bad.jsonl").stderr
    assert b"--fill:1:1: no JSON" in cli("zip", "a.jsonl", "bad.jsonl", "--longest", "--fill", "x").stderr
    assert b"no records" in cli("zip", "-", "a.jsonl").stderr


def test_attach_and_latest_tell_bad_rows(cli: Cli, tmp_path: Path) -> None:
    """With their file and line; rows without a match follow the policy."""
    (tmp_path / "rows.jsonl").write_text('{"id":1,"on":1}\n{"id":1,"on":"x"}\n')
    words = ["attach", "--from", "rows.jsonl", "--key", "id", "--into", "row"]
    mixed = cli(*words, "--latest", "on", stdin='{"id":1}')
    assert mixed.stderr.startswith(b"cb-map: rows.jsonl:2:1: Incomparable: on of 'x' and 1 cannot be compared")
    assert cli(*words, stdin='{"id":1}\n{"id":[2]}').stdout == b'{"id":1,"row":{"id":1,"on":"x"}}\n'
    raised = cli(*words, "--missing", "raise", stdin='{"id":2.50}')
    assert b"nothing for id 2.5" in raised.stderr
    assert cli(*words, "--missing", "skip", stdin='{"id":2}').stdout == b""
    assert (
        b"rows.jsonl:1:1: MissingField: no field 'nope'"
        in cli("latest", "--by", "nope", "--on", "on", "rows.jsonl").stderr
    )
    assert cli("latest", "--by", "on", "--on", "id", "rows.jsonl").stdout == (tmp_path / "rows.jsonl").read_bytes()
    assert b"-:1:2: no JSON" in cli("latest", "--by", "a", "--on", "b", stdin="{").stderr


@pytest.mark.parametrize(
    "words",
    [["omit", "z"], ["apply", "-e", "1 / 0"], ["apply", "--where", "x['a'] > '5'"], ["latest", "--by=a", "--on=b"]],
)
@pytest.mark.parametrize("rows", ["", "1\n"])
def test_a_file_whose_rows_are_all_left_out_keeps_its_header(
    cli: Cli, tmp_path: Path, words: list[str], rows: str
) -> None:
    """No row, and a bad one."""
    (tmp_path / "x.csv").write_text(f"a,b\n{rows}")
    cli(*words, "--in-place", "--on-error", "skip", "x.csv")
    assert (tmp_path / "x.csv").read_text() == "a,b\n"


def test_apply_tells_what_cannot_be_written_or_called(cli: Cli) -> None:
    """A list that holds itself; a name that is no function of a module; and copies keep the spelling of numbers."""
    endless = cli("apply", "-e", "(lambda l: (l.append(l), l)[1])([])", stdin="1")
    assert endless.stderr.startswith(b"cb-map: -:1:1: cannot be written as JSON: ")
    assert b"'foo' is not MODULE:FUNCTION (for an expression use -e)" in cli("apply", "foo").stderr
    assert cli("apply", "-e", "__import__('copy').deepcopy(x)", stdin='{"a":1.10}').stdout == b'{"a":1.10}\n'


def test_latest_takes_the_options_of_the_others(cli: Cli, tmp_path: Path) -> None:
    """Bad rows are left out or set aside, files replaced, the first shown."""
    rows = '{"id":1,"on":1}\n{"id":1,"on":"x"}\n{"id":2}\n{"id":1,"on":2.50}\n{\n'
    (tmp_path / "x.jsonl").write_text(rows)
    words = ["latest", "--by", "id", "--on", "on"]
    assert cli(*words, stdin=rows).returncode == 1
    done = cli(*words, "--on-error", "quarantine", "bad", "x.jsonl", "-v")
    assert (done.returncode, done.stdout) == (1, b'{"id":1,"on":2.50}\n')
    assert (tmp_path / "bad").read_text() == '{"id":1,"on":"x"}\n{"id":2}\n{\n'
    assert b"5 read, 1 written, 1 left out, 3 bad" in done.stderr
    assert cli(*words, "--preview", "1", "--on-error", "skip", "x.jsonl").stdout.split()[:2] == [b"id", b"on"]
    (tmp_path / "x.jsonl").write_text('{"id":1,"on":2}\n{"id":1,"on":1}\n')
    assert cli(*words, "--in-place", "x.jsonl").returncode == 0
    assert (tmp_path / "x.jsonl").read_text() == '{"id":1,"on":2}\n'
    (tmp_path / "x.csv").write_text("id,on\n1,2\n3\n")
    cli(*words, "--on-error=quarantine=bad.csv", "x.csv")
    assert (tmp_path / "bad.csv").read_text() == "id,on\n3\n"


def test_zip_shows_a_table_and_check_sets_bad_records_aside(cli: Cli, tmp_path: Path) -> None:
    """What makes no sense there is wrong usage: no pairs are shifted, nothing is replaced by nothing."""
    (tmp_path / "a.jsonl").write_text("1\n2\n3\n")
    table = cli("zip", "a.jsonl", "a.jsonl", "-e", "{'sum': x + y}", "--preview", "2").stdout.decode().split()
    assert table == ["sum", "───", "2", "4"]
    assert len(cli("zip", "a.jsonl", "a.jsonl", "--preview", "9").stdout.splitlines()) == 5
    done = cli("check", "--on-error", "quarantine", "bad", stdin=BROKEN)
    assert (done.returncode, done.stdout, (tmp_path / "bad").read_bytes()) == (
        1, b"4 records, 3 good, 1 bad\n", b'{"a":\n',
    )  # fmt: skip
    assert cli("check", "--on-error", "stop", stdin=BROKEN).stdout == b""
    (tmp_path / "x.csv").write_text("a,b\n1\n")
    cli("check", "--on-error", "quarantine", "bad.csv", "x.csv")
    assert (tmp_path / "bad.csv").read_text() == "a,b\n1\n"
    for words in (["zip", "a.jsonl", "--on-error", "skip"], ["zip", "a.jsonl", "--in-place"], ["check", "--in-place"]):
        assert cli(*words).returncode == 2


def test_attach_matches_numbers_and_the_text_of_csv(cli: Cli, tmp_path: Path) -> None:
    """CSV knows no numbers: 1 and "1" are the same key where one side is CSV."""
    (tmp_path / "rows.csv").write_text("id,n\n1,x\n")
    words = ["attach", "--from", "rows.csv", "--key", "id", "--into", "row"]
    assert cli(*words, stdin='{"id":1}').stdout == b'{"id":1,"row":{"id":"1","n":"x"}}\n'


def test_check_counts(cli: Cli) -> None:
    """Any JSON value is a record here."""
    done = cli("check", stdin=BROKEN + "[1]\n\n\n7")
    assert (done.returncode, done.stdout) == (1, b"6 records, 5 good, 1 bad\n")
    assert b"-:2:6: no JSON" in done.stderr
    done = cli("check", "--format", "json", stdin=GOOD)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"records": 2, "good": 2, "bad": 0})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("omit", "Missing argument 'FIELDS'"),
        ("omit a..b", "is no path"),
        ("omit a.**", "ends in **"),
        ("pick **.a", "pick takes no **"),
        ("rename a", "is not OLD=NEW"),
        ("omit a nowhere.jsonl", "nowhere.jsonl: No such file or directory (look at"),
        ("omit a .", ".: Is a directory (look at"),
        ("omit a --in-place", "--in-place wants FILEs"),
        ("omit a x.jsonl --on-error quarantine x.jsonl", "x.jsonl is an input as well"),
        ("omit a --on-error maybe", "is none of: stop, skip, quarantine FILE"),
        ("omit a --on-error quarantine", "is none of: stop, skip, quarantine FILE"),
        ("apply", "what should be applied?"),
        ("apply -e x+", "is no Python expression"),
        ("apply nope", "is not MODULE:FUNCTION"),
        ("apply nope:f x.jsonl", "No module named 'nope'"),
        ("apply os:nope x.jsonl", "has no attribute 'nope'"),
        ("apply os:sep x.jsonl", "os:sep is str, no function"),
        ("apply -e x --timeout 1 --backend inline", "--timeout needs workers"),
        ("apply -e x --backend cloud", "is none of: inline, thread"),
        ("apply -e x --backend dask:nonsense://x x.jsonl", "no Dask scheduler at nonsense://x"),
        ("zip x.jsonl x.jsonl --longest --strict", "exclude each other"),
        ("zip x.jsonl --fill 1", "--fill wants --longest"),
        ("zip 1 2 3 4 5 6 7", "at most 6 files"),
    ],
)
def test_wrong_usage_is_one_line(cli: Cli, tmp_path: Path, words: str, message: str) -> None:
    """With status 2, and what to do."""
    (tmp_path / "x.jsonl").write_text("1\n")
    done = cli(*words.split())
    assert done.returncode == 2
    assert len(done.stderr.decode().splitlines()) == 1
    assert done.stderr.decode().startswith("cb-map: ")
    assert message in done.stderr.decode()


def test_no_command_shows_the_help(cli: Cli) -> None:
    """With status 2."""
    done = cli()
    assert done.returncode == 2
    assert b"Commands:" in done.stderr


@pytest.mark.parametrize(
    ("header", "message"),
    [(b"a,a\n", b"x.csv:1:1: the header has 'a' twice"), (b"\xff\n", b"x.csv:1:1: the header is no UTF-8")],
)
def test_a_bad_header_is_told(cli: Cli, tmp_path: Path, header: bytes, message: bytes) -> None:
    """As the first line's fault."""
    (tmp_path / "x.csv").write_bytes(header)
    done = cli("omit", "b", "x.csv")
    assert done.returncode == 1
    assert message in done.stderr


def test_a_file_that_cannot_be_written_is_one_line(cli: Cli) -> None:
    """With the system's words; CB_DEBUG shows the traceback."""
    done = cli("omit", "a", "-o", "/no/such/folder/x", stdin=GOOD)
    assert done.returncode == 2
    assert done.stderr == b"cb-map: /no/such/folder/x: No such file or directory (look at the name and the rights)\n"
    debug = cli("omit", "a", "-o", "/no/such/folder/x", stdin=GOOD, env={**os.environ, "CB_DEBUG": "1"})
    assert b"Traceback" in debug.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(cli: Cli) -> None:
    """And not a status of success."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cb_map", "omit", "b"],
            input=GOOD.encode(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == b"cb-map: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("words", [["--help"], ["check"], ["omit", "b", "--on-error", "skip"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_cannot_be_written_at_the_end_is_said_once(words: list[str], unbuffered: str) -> None:
    """Whatever the command, and whatever else it had to say: a status of 1, and not Python's own 120."""
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cb_map", *words],
            input=BROKEN.encode(), stdout=full, stderr=subprocess.PIPE, check=False, env=environment,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == b"cb-map: [Errno 28] No space left on device"


@pytest.mark.parametrize(("redirection", "name"), [("<&-", "stdin"), (">&-", "stdout")])
def test_a_closed_stream_is_one_line(redirection: str, name: str) -> None:
    """As a service may have it."""
    command = [shutil.which("sh") or "sh", "-c", f'exec "$0" -m cb_map omit b {redirection}', sys.executable]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (1, f"cb-map: {name}: is closed (name a file)\n".encode())


def test_a_reader_that_has_enough_ends_it_quietly(tmp_path: Path) -> None:
    """``cb-map … | head``."""
    (tmp_path / "x.jsonl").write_text(GOOD * 100_000)
    with subprocess.Popen(
        [sys.executable, "-m", "cb_map", "omit", "b", "x.jsonl"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_lines_that_come_slowly_are_answered_at_once() -> None:
    """Each result is there before the next line is sent."""
    with subprocess.Popen(
        [sys.executable, "-m", "cb_map", "apply", "-e", "x + 1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(3):
            process.stdin.write(b"%d\n" % number)
            assert process.stdout.readline() == b"%d\n" % (number + 1)
        process.stdin.close()
    assert process.returncode == 0


def test_progress_is_shown_on_a_terminal_only(cli: Cli) -> None:
    """It is written over; piped, there is none."""
    assert cli("apply", "-e", "x", "--progress", stdin="1\n2\n").stderr == b""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "cb_map", "apply", "-e", "x", "--progress"]
    subprocess.run(command, input=b"1\n2\n", stdout=subprocess.DEVNULL, stderr=follower, check=True, timeout=60)
    os.close(follower)
    assert b"2 done, 0 failed" in os.read(leader, 10_000)
    os.close(leader)


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
@pytest.mark.parametrize(
    ("words", "program"),
    [
        (["omit", "salt,db.password"], "del(.salt, .db.password)"),
        (["pick", "id,name"], "{id, name}"),
        (["rename", "id=nr"], "{nr: .id} + del(.id)"),
    ],
)
def test_jq_says_the_same_where_it_is_right(cli: Cli, words: list[str], program: str) -> None:
    """On values that jq does not change itself."""
    records = "".join(
        json.dumps({"id": number, "salt": "x", "name": f"é\n{number}", "db": {"password": 1, "host": None}}) + "\n"
        for number in range(100)
    )
    jq = subprocess.run(["jq", "-c", program], input=records.encode(), capture_output=True, check=True)
    ours = [json.loads(line) for line in cli(*words, stdin=records).stdout.splitlines()]
    assert ours == [json.loads(line) for line in jq.stdout.splitlines()]


PLAIN_WORDS = (["omit", "a"], ["pick", "b,a"], ["redact", "a"], ["omit", "**.x"], ["omit", "a..b"])
PLAIN_DATA = (GOOD, BROKEN, "", "[1]\n", '{"a":1e400,"x":{"x":1.10}}\n')


@pytest.mark.parametrize(
    ("words", "data", "files"),
    [
        *((words, data, ["x.jsonl", "-"]) for words in PLAIN_WORDS for data in PLAIN_DATA),
        *((["omit", "a"], GOOD, files) for files in ([], ["x.jsonl"], ["nowhere"], ["."])),
    ],
)
def test_without_options_the_same_is_done_in_less_time(
    cli: Cli, tmp_path: Path, words: list[str], data: str, files: list[str]
) -> None:
    """The way that does without click gives the same bytes, words and status as the one that reads options."""
    (tmp_path / "x.jsonl").write_text(data)
    plain = cli(*words, *files, stdin=data)
    full = cli(*words, *files, "--on-error", "stop", stdin=data)
    assert (plain.returncode, plain.stdout, plain.stderr) == (full.returncode, full.stdout, full.stderr)


def test_small_jobs_are_not_kept_waiting() -> None:
    """A plain command does not import what takes longer than a small file."""
    program = (
        "import sys; sys.argv[1:] = ['omit', 'a']\n"
        "from cb_map.__main__ import main\ntry:\n    main()\nfinally:\n"
        "    assert not {'click', 'asyncio'} & {*sys.modules}"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, input=b"", check=False)
    assert (done.returncode, done.stderr) == (0, b"")
