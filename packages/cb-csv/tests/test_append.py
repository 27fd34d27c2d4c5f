"""Adding to files: several processes at once, killed at any moment."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cb_csv import Appender, CsvError, Dialect, HeaderMismatch, LockTimeout, append_dicts, append_rows, read_rows

Process = Callable[..., Any]
Count = Callable[[int, int], int]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A file of two columns and one row."""
    file = tmp_path / "log.csv"
    file.write_bytes(b"time,state\r\n1,up\r\n")
    return file


def test_a_new_file_gets_its_header(tmp_path: Path) -> None:
    """From the names given, or the first dict's; without either, rows only."""
    append_rows(tmp_path / "a.csv", [["1"]], fieldnames=["x"])
    append_dicts(tmp_path / "b.csv", [{"x": 1, "y": 2}, {"y": 4, "x": 3}])
    append_rows(tmp_path / "c.csv", [["1", "2"]])
    append_dicts(tmp_path / "d.csv", [])
    with Appender(tmp_path / "e.csv") as appender:
        appender.dicts([{"x": "é"}])
    assert (tmp_path / "a.csv").read_bytes() == b"x\r\n1\r\n"
    assert (tmp_path / "b.csv").read_bytes() == b"x,y\r\n1,2\r\n3,4\r\n"
    assert (tmp_path / "c.csv").read_bytes() == b"1,2\r\n"
    assert (tmp_path / "d.csv").read_bytes() == b""
    assert (tmp_path / "e.csv").read_bytes() == "x\r\né\r\n".encode()
    with pytest.raises(FileNotFoundError):
        append_rows(tmp_path / "f.csv", [["1"]], create=False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"time;state\n1;up", b"time;state\n1;up\n2;down\n"),
        ("time,state\r\n1,é".encode("utf-16"), "time,state\r\n1,é\r\n2,down\r\n".encode("utf-16")),
        ("time,state\n1,é\n".encode("utf-8-sig"), "time,state\n1,é\n2,down\n".encode("utf-8-sig")),
        (b'"time","state"\n"1","u\np"', b'"time","state"\n"1","u\np"\n2,down\n'),
        (b"time,state\r1,up", b"time,state\r1,up\r2,down\r"),
        (b"Log of today\n\ntime,state\n1,up\n2,up\n", b"Log of today\n\ntime,state\n1,up\n2,up\n2,down\n"),
    ],
)
def test_rows_are_written_as_the_file_is(log: Path, before: bytes, after: bytes) -> None:
    """Delimiter, line end, encoding are the file's own; a missing line break at its end is added."""
    log.write_bytes(before)
    append_dicts(log, [{"state": "down", "time": "2"}])
    assert log.read_bytes() == after


def test_columns_must_match(log: Path, tmp_path: Path) -> None:
    """Other names, other numbers of fields: nothing is written, not even the rows that fit."""
    before = log.read_bytes()
    for attempt in (
        lambda: append_rows(log, [["2", "up"], ["3"]]),
        lambda: append_rows(log, [["2", "up"]], fieldnames=["time", "level"]),
        lambda: append_dicts(log, [{"time": 2, "state": "up"}, {"time": 3}]),
        lambda: append_dicts(log, [{"time": 2, "level": 3}]),
    ):
        with pytest.raises(HeaderMismatch):
            attempt()
    assert log.read_bytes() == before
    assert list(tmp_path.iterdir()) == [log]


def test_a_file_that_ends_within_quotes_is_refused(log: Path) -> None:
    """What would be added would be part of the last cell. Quotes that are text do not count."""
    log.write_bytes(b'time,state\r\n1,"up\r\n')
    with pytest.raises(CsvError, match="ends within quotes"):
        append_rows(log, [["2", "up"]], dialect=Dialect())
    log.write_bytes(b'time,state\r\n1,5"\r\n')
    append_rows(log, [["2", "up"]], dialect=Dialect())
    assert log.read_bytes() == b'time,state\r\n1,5"\r\n2,up\r\n'
    log.write_bytes(b'time,state\r\n"\\"",up\r\n')
    append_rows(log, [["2", "up"]], dialect=Dialect(escapechar="\\"))
    append_rows(log, [["3", '5"']], dialect=Dialect(quotechar=None))
    append_rows(log, [])
    assert log.read_bytes() == b'time,state\r\n"\\"",up\r\n2,up\r\n3,5"\r\n'
    with pytest.raises(CsvError, match="compressed"):
        append_rows("x.csv.gz", [])


def test_what_another_wrote_is_seen(log: Path) -> None:
    """An appender that is open looks at what came after it, also at another file under the same name."""
    with Appender(log) as appender:
        with log.open("ab") as other:
            other.write(b"2,down")
        appender.rows([["3", "up"]])
        assert log.read_bytes().endswith(b"1,up\r\n2,down\r\n3,up\r\n")
        log.write_bytes(b"time,state\r\n")
        appender.rows([["4", "up"]])
        new = log.with_name("new.csv")
        new.write_bytes(b"time;state\n")
        new.replace(log)
        appender.rows([["5", "up"]])
        assert log.read_bytes() == b"time;state\n5;up\n"
        log.unlink()
        appender.rows([["6", "up"]])
    assert log.read_bytes() == b"6,up\r\n"


def test_a_lock_is_waited_for_and_not_for_ever(log: Path) -> None:
    """Held by another for longer than the time given: an error, and nothing written."""
    before = log.read_bytes()
    with log.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(LockTimeout, match=r"locked by another process for 0\.02 s"):
            append_rows(log, [["2", "up"]], lock_timeout=0.02)
    assert log.read_bytes() == before


def test_a_batch_that_does_not_fit_the_disk_is_taken_back(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short write, or an error in it: the file is as long as before."""
    before = log.read_bytes()
    real = os.write
    with Appender(log) as appender:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[: len(data) // 2]))
            with pytest.raises(OSError, match="no space left") as caught:
                appender.rows([["2", "up"]])
        assert caught.value.errno == errno.ENOSPC
        assert log.read_bytes() == before
        appender.rows([["3", "up"]])
    assert log.read_bytes() == before + b"3,up\r\n"


TORN = """
import os, signal, sys
from cb_csv import Appender
real = os.write
def torn(descriptor, data):
    if len(data) > 5000 and b"\\n" not in data[:20]:  # the batch, not its journal: killed between two of its pages
        real(descriptor, data[:4500])
        os.kill(os.getpid(), signal.SIGKILL)
    return real(descriptor, data)
with Appender(sys.argv[1]) as appender:
    os.write = torn
    appender.rows([[n, "x" * 100] for n in range(100)])
"""


@pytest.mark.parametrize("durable", [True, False])
def test_a_torn_batch_is_taken_back_by_the_next_appender(log: Path, process: Process, durable: bool) -> None:
    """Killed between two pages of one write: the journal tells where the whole rows end."""
    before = log.read_bytes()
    with process(log, code=TORN) as child:
        assert child.wait(timeout=60) == -signal.SIGKILL
    assert len(log.read_bytes()) == len(before) + 4500
    append_rows(log, [["2", "down"]], durable=durable)
    assert log.read_bytes() == before + b"2,down\r\n"
    assert list(log.parent.iterdir()) == [log]
    (log.parent / ".log.csv.append").touch()  # killed before the length was in it
    append_rows(log, [["3", "up"]])
    assert log.read_bytes() == before + b"2,down\r\n3,up\r\n"


@pytest.mark.parametrize("smaller", [True, False])
def test_a_journal_of_another_file_is_nothing_to_go_by(log: Path, process: Process, smaller: bool) -> None:
    """Killed within a batch, and the file then rewritten by somebody: the new one is neither cut nor filled up."""
    with process(log, code=TORN) as child:
        assert child.wait(timeout=60) == -signal.SIGKILL
    new = b"n,state\r\n" + (b"" if smaller else b"7,up\r\n" * 1000)  # as long as a part of the batch
    log.write_bytes(new)
    append_rows(log, [["2", "down"]], durable=False)
    assert log.read_bytes() == new + b"2,down\r\n"
    assert list(log.parent.iterdir()) == [log]


def test_a_batch_of_many_pages_leaves_no_journal(log: Path) -> None:
    """What was noted before the batch is gone when the call returns."""
    before = log.read_bytes()
    append_rows(log, [[str(number), "up"] for number in range(1000)])
    assert log.read_bytes() == before + b"".join(b"%d,up\r\n" % number for number in range(1000))
    assert list(log.parent.iterdir()) == [log]


WRITER = """
import sys
from cb_csv import Appender
name, writer, batches, rows = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with Appender(name, ["writer", "batch", "row", "text"], durable=False, lock_timeout=100) as appender:
    for batch in range(batches):
        appender.rows([[writer, batch, row, 'a "quoted", text\\nof two lines'] for row in range(rows)])
        print(batch, flush=True)
"""


@pytest.mark.faults
@pytest.mark.parametrize("rows", [3, 300], ids=["one page", "many pages"])
def test_processes_killed_at_any_moment(tmp_path: Path, process: Process, count: Count, rows: int) -> None:
    """Eight appenders, killed and started again: whole batches only, none twice, all that were acknowledged."""
    file = tmp_path / "log.csv"
    choose = random.Random(rows)
    acknowledged: list[tuple[str, int]] = []
    number, kills = 0, count(6, 100)
    running: list[tuple[str, subprocess.Popen[bytes]]] = []
    while number < kills or running:
        while len(running) < 8 and number < kills:
            number += 1
            arguments = (file, number, 100_000, rows)
            running.append((str(number), process(*arguments, code=WRITER, stdout=subprocess.PIPE)))
        name, child = running.pop(choose.randrange(len(running)))
        assert child.stdout is not None
        said = b"".join(child.stdout.readline() for _ in range(choose.randrange(1, 40)))  # it is at work by then
        child.send_signal(signal.SIGKILL)
        said += child.stdout.read()
        child.stdout.close()
        child.wait(timeout=60)
        acknowledged += [(name, int(line)) for line in said.splitlines(keepends=True) if line.endswith(b"\n")]
    append_rows(file, [["end", "0", "0", ""]])
    header, *found = read_rows(file, Dialect())
    assert header == ["writer", "batch", "row", "text"]
    assert found.pop() == ["end", "0", "0", ""]
    batches = [(writer, int(batch)) for writer, batch, row, _ in found if row == "0"]
    assert len(set(batches)) == len(batches)
    assert set(acknowledged) <= set(batches)
    assert [row[:3] for row in found] == [
        [writer, str(batch), str(row)] for writer, batch in batches for row in range(rows)
    ]


def test_eight_processes_at_once(tmp_path: Path, process: Process) -> None:
    """Every batch of each is there once, whole, in its own order, under one header."""
    file = tmp_path / "log.csv"
    children = [process(file, writer, 10, 5, code=WRITER, stdout=subprocess.DEVNULL) for writer in range(8)]
    assert [child.wait(timeout=100) for child in children] == [0] * 8
    header, *found = read_rows(file, Dialect())
    assert header == ["writer", "batch", "row", "text"]
    for writer in range(8):
        mine = [row[1:3] for row in found if row[0] == str(writer)]
        assert mine == [[str(batch), str(row)] for batch in range(10) for row in range(5)]
    assert len(found) == 8 * 10 * 5
