"""Files: replaced whole or not at all, by one writer at a time, with everything about them kept."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cb_dict import Document, EditRefused, LimitError, ParseError, dump, edit, load, skim
from test_recipes import run

FULL = os.environ.get("CB_FAULTS") == "full"
HERE = Path(__file__).parent


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return [one.name for one in folder.iterdir()]


@pytest.mark.faults
@pytest.mark.parametrize("name", ["count.json", "count.yaml"])
def test_kill_at_any_moment(tmp_path: Path, name: str) -> None:
    """After kill -9 the file is the old one or the new one, and nothing that was acknowledged is lost."""
    file = tmp_path / name
    file.write_text(
        '{"count": 0, "again": 0, "padding": ""}' if name.endswith("json") else "count: 0\nagain: 0\npadding: ''\n"
    )
    rounds = "1000" if FULL else "25"
    command = [sys.executable, str(HERE / "kill_worker.py"), str(file), rounds]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110 if not FULL else None)
    assert (done.stdout, done.stderr) == (f"{rounds}\n", "")
    with edit(file) as document:
        document.set("padding", "")
    assert names(tmp_path) == [name]  # what the killed ones left is gone


ADD = "import sys, cb_dict\nfor _ in range(int(sys.argv[2])):\n with cb_dict.edit(sys.argv[1]) as d: d.add({'n': 1})"


@pytest.mark.faults
def test_eight_processes_add(tmp_path: Path) -> None:
    """Eight processes that add to one counter lose nothing."""
    file = tmp_path / "n.json"
    file.write_text('{"n": 0}')
    times = 1000 if FULL else 25
    command = [sys.executable, "-c", ADD, str(file), str(times)]
    every = [subprocess.Popen(command) for _ in range(8)]
    assert [one.wait() for one in every] == [0] * 8
    assert load(file) == {"n": 8 * times}


@pytest.mark.faults
def test_a_full_disk(tmp_path: Path) -> None:
    """When the new file does not fit, it is one line, status 4, and the old file with nothing beside it."""
    file = tmp_path / "big.json"
    text = json.dumps({"pad": "x" * 100_000})
    file.write_text(text)
    command = f"ulimit -f 64; exec '{sys.executable}' -m cb_dict set -i big.json a 1"
    alone = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}  # it writes, too
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert file.read_text() == text
    assert names(tmp_path) == ["big.json"]


def test_a_read_only_file(tmp_path: Path) -> None:
    """A file without a write bit is not replaced, whoever asks."""
    file = tmp_path / "a.json"
    file.write_text("{}")
    file.chmod(0o444)
    done = run("set", "-i", str(file), "a", "1")
    assert (done.returncode, file.read_text()) == (4, "{}")
    assert "read-only (chmod u+w it)" in done.stderr


def test_what_is_about_the_file_stays(tmp_path: Path) -> None:
    """Mode and symbolic links stay, a byte order mark, CRLF and a missing final newline too."""
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_bytes(b'\xef\xbb\xbf{\r\n  "a": 1.50,\r\n  "b": {}\r\n}')
    real.chmod(0o640)
    link.symlink_to(real)
    with edit(link) as document:
        document.set("b.c", [1])
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert (
        real.read_bytes() == b'\xef\xbb\xbf{\r\n  "a": 1.50,\r\n  "b": {\r\n    "c": [\r\n      1\r\n    ]\r\n  }\r\n}'
    )


def test_refused_files(tmp_path: Path) -> None:
    """Hard links, and what is no file, are not replaced."""
    file = tmp_path / "a.json"
    file.write_text("{}")
    os.link(file, tmp_path / "b.json")
    with pytest.raises(EditRefused, match="2 names"), edit(file):
        pass
    with pytest.raises(EditRefused, match="not a regular file"), edit("/dev/null"):
        pass


def test_nothing_is_written_without_need(tmp_path: Path) -> None:
    """An exception, or no change, leaves the file alone; a change by another program is not overwritten."""
    file = tmp_path / "a.json"
    file.write_text('{"a": 1}')
    before = file.stat()
    with edit(file) as document:
        document.get("a")
    with pytest.raises(ZeroDivisionError), edit(file) as document:
        document.set("a", 1 / 0)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    with pytest.raises(EditRefused, match="another program"), edit(file) as document:  # noqa: PT012  # it ends there
        document.set("a", 2)
        file.write_text('{"a": 1, "other": 1}')
    assert load(file) == {"a": 1, "other": 1}
    assert names(tmp_path) == ["a.json"]


def test_dump_and_load(tmp_path: Path) -> None:
    """What is dumped is loaded, in every format, and replaces what was there."""
    for name in ("a.json", "a.yaml", "a.toml", "a.jsonc"):
        value: Any = {"a": [1, {"b": "no"}], "c": 2.5, "d": {"e": True}}
        dump([], tmp_path / name) if "toml" not in name else None
        dump(value, tmp_path / name)
        assert load(tmp_path / name) == value
    dump([{"a": 1}, 2], tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_text() == '{"a":1}\n2\n'
    assert load(tmp_path / "a.jsonl") == [{"a": 1}, 2]


MEMORY = """
import re, sys
from cb_dict import skim
def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1])
skim("small.json", "tail.n"); before = anonymous()
print(skim("big.json", "tail.n"), anonymous() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_document(tmp_path: Path) -> None:
    """Looking up one path in 40 MB takes less than 4 MB."""
    (tmp_path / "small.json").write_text('{"tail": {"n": 1}}')
    with (tmp_path / "big.json").open("w") as stream:
        stream.write('{"rows": [')
        stream.writelines('{"id": 1, "name": "row", "list": [1, 2, 3]},\n' for _ in range(900_000))
        stream.write('{}], "tail": {"n": 2}}')
    done = subprocess.run([sys.executable, "-c", MEMORY], cwd=tmp_path, capture_output=True, text=True, check=True)
    value, grown = done.stdout.split()
    assert value == "2"
    assert int(grown) < 4096


CUT = """
import sys, os
from cb_dict.cli_io import opened
with opened("big.json") as document:
    os.truncate("big.json", 1 << 20)
    document.get("tail")
"""


@pytest.mark.faults
def test_a_file_that_is_cut_while_mapped(tmp_path: Path) -> None:
    """A large file that another program cuts short under the command is one line and status 4."""
    (tmp_path / "big.json").write_text('{"pad": "' + "x" * (17 << 20) + '", "tail": 1}')
    done = subprocess.run([sys.executable, "-c", CUT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        4,
        "cb-dict: big.json: the file was cut short while it was read (try again)\n",
    )


def test_large_files_by_the_command(tmp_path: Path) -> None:
    """What is mapped is read, changed, compared as anything else is; the status of the child is the command's."""
    file = tmp_path / "big.json"
    file.write_text('{"pad": "' + "x" * (17 << 20) + '", "tail": {"n": 1.50}}')
    assert run("get", str(file), "tail.n").stdout == "1.50\n"
    assert run("has", str(file), "tail.m").returncode == 1
    assert run("set", "-i", str(file), "tail.n", "2").returncode == 0
    assert skim(file, "tail") == {"n": 2}


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('{"a": NaN}', "1:7", "NaN"),
        ('{"a": "\\ud800"}', "1:8", "surrogate"),
        ('{"a": 1', "1:8", "too early"),
        ('{"a": 1} 2', "1:10", "--lines"),
        ('{\n "é": 01}', "2:8", "number"),
        ("", "1:1", "too early"),
    ],
)
def test_json_that_is_not_well_formed(text: str, place: str, words: str) -> None:
    """One line with file, line, column, what is wrong and what to do."""
    done = run("get", "-", "a", text=text)
    assert done.returncode == 3
    assert done.stderr.startswith(f"cb-dict: -:{place}: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_deep_nesting_is_an_error(tmp_path: Path) -> None:
    """Ten thousand levels end in a named error, not in a crash."""
    for form in ("json", "yaml"):
        with pytest.raises((LimitError, ParseError), match="deep"):
            Document(b"[" * 10_000 + b"]" * 10_000, format=form).get()  # type: ignore[arg-type]
    with pytest.raises(LimitError, match="too deep to follow"):
        Document(b"[" * 999 + b"]" * 999, format="yaml").get()
    lines = b"".join(b" " * level + b"a:\n" for level in range(2000))
    for text in (b"[" * 1_000_000, b"- " * 1_000_000, lines):
        with pytest.raises(LimitError, match="more than 1000 deep"):
            Document(text, format="yaml").get()
    assert Document(b"[{}, " * 2 + b"[]]]" + b"\n#" + b"[" * 2000, format="yaml").get() == [{}, [{}, []]]


def test_deep_nesting_with_an_older_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 0.2.6 libyaml sets no limit: ours, here below its, is the one that holds."""
    monkeypatch.setattr("cb_dict.yaml_nodes._LEVELS", 5)
    with pytest.raises(LimitError, match="line 1: the document is nested more than 5 deep"):
        Document(b"[" * 10 + b"]" * 10, format="yaml").get()


def test_keys_that_are_there_twice() -> None:
    """The last one counts, as in every JSON reader; deleting takes both; ``--strict`` and YAML refuse them."""
    document = Document(b'{"a": 1, "b": 2, "a": 3}')
    assert document.get("a") == 3
    document.set("a", 4)
    document.set("c", 5)
    assert bytes(document) == b'{"a": 1, "b": 2, "a": 4, "c": 5}'
    document.delete("a")
    assert bytes(document) == b'{"b": 2, "c": 5}'
    twice = run("validate", "--strict", "-", text='{"a": {"b": 1},\n "a": 2}')
    assert twice.stderr == "cb-dict: -:2:2: the key 'a' is there twice (remove one)\n"
    with pytest.raises(ParseError, match="twice"):
        Document(b"a: 1\na: 2\n", format="yaml").get()


def test_utf8_is_checked_when_asked(tmp_path: Path) -> None:
    """Skimming does not look at skipped text; ``validate`` and ``--strict`` do, and name the place."""
    file = tmp_path / "a.json"
    file.write_bytes(b'{"a": 1,\n "b": "\xff"}')
    assert run("get", str(file), "a").stdout == "1\n"
    for command in (("validate", str(file)), ("get", "--strict", str(file), "a")):
        done = run(*command)
        assert done.returncode == 3
        assert f"{file}:2:8: a byte that is no UTF-8" in done.stderr


def test_owner_and_attributes_stay(tmp_path: Path) -> None:
    """A file of another user's and group's, with an extended attribute, has them after an edit."""
    file = tmp_path / "a.json"
    file.write_text('{"a": 1}')
    if os.geteuid() == 0:
        os.chown(file, 12345, 23456)
    before = file.stat()
    try:
        os.setxattr(file, "user.note", b"kept")
    except OSError as error:
        pytest.skip(f"this file system has no extended attributes: {error}")
    with edit(file) as document:
        document.set("a", 2)
    after = file.stat()
    assert load(file) == {"a": 2}
    assert after.st_ino != before.st_ino
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert os.getxattr(file, "user.note") == b"kept"


FULL_DISK = """
mount -t tmpfs -o size=256k none "$1" || exit 77
cd "$1"
cp ../big.json .
cb() { "$PYTHON" -m cb_dict "$@"; }
cb set -i big.json a 1; echo "status $?"
cmp big.json ../big.json && ls -A
cb add -i big.json n=1; echo "status $?"
cmp big.json ../big.json && ls -A
rm big.json; echo '{"n": 1}' > small.json
cb add -i small.json n=1 && cat small.json
"""


@pytest.mark.faults
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """On a file system without room for a second copy: one line, status 4, the old file alone; with room it goes on."""
    (tmp_path / "big.json").write_text(json.dumps({"n": 1, "pad": "x" * 200_000}))
    disk = tmp_path / "disk"
    disk.mkdir()
    alone = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = ["unshare", "--mount", "sh", "-c", FULL_DISK, "sh", str(disk)]
    try:
        done = subprocess.run(
            command, env={**alone, "PYTHON": sys.executable}, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("a small disk is mounted by unshare, which is not there")
    if done.returncode in (1, 32, 77) and "status" not in done.stdout:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    assert done.stdout == 'status 4\nbig.json\nstatus 4\nbig.json\n{"n": 2}\n'
    assert done.stderr.splitlines() == ["cb-dict: [Errno 28] No space left on device"] * 2


def test_what_is_no_file(tmp_path: Path) -> None:
    """A directory, and a name that is not there, are wrong usage: one line with the name."""
    for name, words in ((tmp_path, "Is a directory"), (tmp_path / "no", "No such file or directory")):
        for command in (("get", str(name), "a"), ("validate", str(name)), ("diff", str(name), "-")):
            done = run(*command, text="{}")
            assert (done.returncode, done.stderr) == (
                2,
                f"cb-dict: {name}: {words} (look at the name and the rights)\n",
            )


def test_two_large_files(tmp_path: Path) -> None:
    """Two files that are mapped are compared in one child."""
    for name, number in (("a.json", 1), ("b.json", 2)):
        (tmp_path / name).write_text('{"pad": "' + "x" * (17 << 20) + f'", "n": {number}}}')
    done = run("diff", str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    assert (done.stdout, done.returncode) == ("~ n: 2\n", 1)


def test_places_in_what_is_inside() -> None:
    """Bytes that are no UTF-8 are found in the document, not in the piece that was asked for."""
    text = b'{"a": {"b":\n "\xff"}, "c": 1}'
    document = Document(text)
    assert document.get("c") == 1
    with pytest.raises(ParseError, match=r"^-:2:3: a byte that is no UTF-8"):
        document.get("a.b")
    with pytest.raises(ParseError, match=r"^-:2:8: a byte that is no UTF-8"):
        Document(b'{"a": 1}\n{"a": "\xff"}', format="jsonl").get("[1].a")
    with pytest.raises(ParseError, match=r"^-:1:4: control characters are not allowed: .*x01"):
        Document(b"a: \x01", format="yaml").get()


BOMB = b"a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 10)) for name in b"bcdefghij"
)
BAD: list[tuple[str, bytes, list[str], int, str]] = [
    ("a.txt", b"a = 1\nb = \xff\n", ["unflat"], 3, "a.txt:2:5: a byte that is no UTF-8"),
    ("a.txt", b"a = 1\na..b = 2\n", ["unflat"], 3, "a.txt:2:3: path 'a..b', column 3"),
    ("a.json", b'{"a":\n "\xe9"}', ["get", "a[*]"], 3, "a.json:2:3: a byte that is no UTF-8"),
    ("a.json", b'{"a":\n "\xe9"}', ["merge", "ok.json"], 3, "a.json:2:3: a byte that is no UTF-8"),
    ("a.json", b'{"a":\n "\xe9"}', ["diff", "ok.json"], 3, "a.json:2:3: a byte that is no UTF-8"),
    ("a.json", b'{"a": }', ["diff", "ok.json"], 3, "a.json:1:7: "),
    ("a.json", b'{"a": }', ["diff", "ok.yaml"], 3, "a.json:1:7: "),
    ("a.json", b'{"a": }', ["merge", "ok.json"], 3, "a.json:1:7: "),
    ("a.json", b"", ["set", "a", "1"], 3, "a.json:1:1: the document ends too early"),
    ("a.json", bytes(range(256)), ["get", "a"], 3, "a.json:1:1: "),
    ("a.json", b'{"a": ' * 100_000, ["flat"], 1, "a.json: the document is nested too deep"),
    (
        "a.json",
        b'{"a": ' + b"[" * 700 + b"]" * 700 + b"}",
        ["convert", "-t", "toml"],
        1,
        "a.json: the document is nested too deep",
    ),
    ("a.jsonl", b"5\n", ["merge", "ok.json"], 4, "a.jsonl: JSON Lines is a list of records"),
    ("a.yaml", b"a: 1\nb: 1" + b"0" * 5000, ["get", "b"], 3, "a.yaml:2:4: a number that is too long"),
    ("a.yaml", b"b: 0x1" + b"f" * 5000, ["get", "b"], 3, "a.yaml:1:4: a number that is too long"),
    ("a.yaml", b"b: !!float 1" + b"0" * 500, ["get", "b"], 3, "a.yaml:1:4: a number that is too long"),
    ("a.yaml", b"a: &a [*a]\n", ["has", "a"], 3, "a.yaml:1:4: an anchor whose value contains itself"),
    ("a.yaml", b"a: &x 1\nb: *x\nc: " + b"[" * 995 + b"]" * 995, ["has", "a"], 1, "a.yaml: the document is nested"),
    ("a.yaml", b"a: " + b"[" * 995 + b"]" * 995, ["keys"], 1, "a.yaml: the document is nested too deep"),
    ("a.yaml", BOMB, ["get", "a"], 1, "aliases make more than 10,000,000 values"),
    ("a.yaml", b"<<: 5\na: 1\n", ["get"], 3, "a.yaml:1:5: << merges in a mapping"),
    ("a.toml", b"a = 1\nb = 1" + b"0" * 5000, ["get", "a"], 3, "a.toml:2:5: a number that is too long"),
    ("a.toml", b"a = " + b"[" * 3000, ["get", "a"], 1, "a.toml: the document is nested too deep"),
]


@pytest.mark.parametrize(("name", "data", "command", "status", "words"), BAD, ids=[one[4] for one in BAD])
def test_bad_input_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, command: list[str], status: int, words: str
) -> None:
    """Whatever is in a file: one line that names it, and the place where there is one; the right file of two."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(data)
    (tmp_path / "ok.json").write_text('{"a": 1}')
    (tmp_path / "ok.yaml").write_text("a: 1\n")
    ways = [[command[0], name, *command[1:]]]
    if command[0] in ("merge", "diff") and name != "a.jsonl":
        ways.append([command[0], command[1], name])
    for arguments in ways:
        done = run(*arguments)
        assert (done.returncode, done.stderr.count("\n")) == (status, 1), done.stderr
        assert done.stderr.startswith("cb-dict: ")
        assert words in done.stderr


def test_json_lines_as_a_whole(tmp_path: Path) -> None:
    """Records can be replaced all at once."""
    document = Document(b'{"a": 1}\n', format="jsonl")
    document.merge([{"b": 2}, 3])
    document.set("", [1, {"c": 4}])
    assert bytes(document) == b'1\n{"c":4}\n'
