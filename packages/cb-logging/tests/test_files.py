"""Files: one write a record, rotation over processes, others' renames, full disks, spools that survive a kill."""

from __future__ import annotations

import contextlib
import gzip
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cb_logging import ConfigError, Formatter, Output, output, read, recover, rotated, rotation, setup, spool
from cb_logging.rotation import RotatingSink, Rotation
from cb_logging.sinks import FileSink, append_whole

PLAIN = "%(message)s"


def lines_of(log: Path) -> list[str]:
    """All lines of a log and of what it was rotated to, oldest first."""
    return [record.text for record in read(log, format="plain", rotated=True)]


def test_a_record_is_there_when_the_call_returns(tmp_path: Path) -> None:
    """In a folder that was made, in a file that only its owner reads."""
    log = tmp_path / "a" / "b" / "app.log"
    with setup("INFO", format=PLAIN, to=log, uncaught=False):
        logging.getLogger("x").info("one")
        assert log.read_text() == "one\n"
        assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("rotate", "keep", "wanted"),
    [
        ("10 MB", 5, Rotation(size=10_000_000)),
        ("1.5 GiB", "3", Rotation(size=3 << 29, keep=3)),
        (4096, 5, Rotation(size=4096)),
        ("midnight", "30 days", Rotation(period=86400, keep=0, age=30 * 86400)),
        ("every 2 hours, 1k", 0, Rotation(size=1000, period=7200, keep=0)),
    ],
)
def test_rotation_in_words(rotate: str | int, keep: int | str, wanted: Rotation) -> None:
    """Sizes, times, both."""
    assert Rotation.parse(rotate, keep) == wanted


@pytest.mark.parametrize(
    ("rotate", "keep", "compress"), [("often", 5, ""), (0, 5, ""), ("1 MB", "5 MB", ""), ("1 MB", 5, "rar")]
)
def test_rotation_that_cannot_be(rotate: str | int, keep: int | str, compress: str) -> None:
    """Is refused at set-up."""
    with pytest.raises(ConfigError):
        Rotation.parse(rotate, keep, compress)


@pytest.mark.parametrize("compress", ["", "gz", "zst"])
def test_rotates_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: str) -> None:
    """Files of bounded size, as many as asked for; compressed at a later rotation; nothing lost among those kept."""
    monkeypatch.setattr("cb_logging.rotation.GRACE", -1)
    log = tmp_path / "app.log"
    with setup("INFO", format=PLAIN, to=log, rotate=1000, keep=4, compress=compress, uncaught=False):
        for number in range(500):
            logging.getLogger("x").info("line %d", number)
    names = [one.name for one in rotated(log)]
    assert names == [f"app.log.{n}{'.' + compress if compress and n > 1 else ''}" for n in (4, 3, 2, 1)]
    assert all(one.stat().st_size <= 1010 for one in rotated(log))
    lines = lines_of(log)
    assert lines == [f"line {number}" for number in range(500 - len(lines), 500)]
    assert len(lines) > 400


def test_rotates_by_time(tmp_path: Path) -> None:
    """At the end of a period, once, whoever comes first; a clock that is set back changes nothing; old files go."""
    log = tmp_path / "app.log"
    sinks = [RotatingSink(log, Rotation.parse("1 hour", keep="1 day")) for _ in range(2)]
    start = int(time.time()) // 3600 * 3600
    for hours, name in ((0, b"a"), (0, b"b"), (1, b"c"), (1, b"d"), (0, b"e"), (2, b"f")):
        for sink in sinks:
            sink.tick(start + hours * 3600)
            sink.write(name + b"\n")
    assert [one.name for one in rotated(log)] == ["app.log.2", "app.log.1"]
    assert (tmp_path / "app.log.2").read_bytes() == b"a\na\nb\nb\n"
    assert (tmp_path / "app.log.1").read_bytes() == b"c\nc\nd\nd\ne\ne\n"
    os.utime(tmp_path / "app.log.2", (1, 1))
    sinks[0].tick(start + 3 * 3600)
    assert [one.name for one in rotated(log)] == ["app.log.2", "app.log.1"]
    assert (tmp_path / "app.log.2").read_bytes() == b"c\nc\nd\nd\ne\ne\n"
    for sink in sinks:
        sink.close()


def test_a_log_of_yesterday_is_rotated_at_the_start(tmp_path: Path) -> None:
    """The first writer of a new day finds what the last program left."""
    log = tmp_path / "app.log"
    log.write_text("yesterday\n")
    os.utime(log, (time.time() - 90_000,) * 2)
    sink = RotatingSink(log, Rotation.parse("midnight"))
    sink.tick(int(time.time()))
    sink.write(b"today\n")
    sink.close()
    assert (tmp_path / "app.log.1").read_text() == "yesterday\n"
    assert log.read_text() == "today\n"


WRITER = """
import logging, sys, threading
from cb_logging import setup
log, name, threads, records, more = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), eval(sys.argv[5])
with setup("INFO", format="%(message)s", to=log, **more) as made:
    def work(thread):
        for number in range(records):
            logging.getLogger("w").info("%s-%d-%d %s", name, thread, number, "x" * (number % 50))
    workers = [threading.Thread(target=work, args=(one,)) for one in range(threads)]
    for one in workers: one.start()
    for one in workers: one.join()
assert not any(made.failures.values()), made.failures
"""


def write_from(tmp_path: Path, processes: int, threads: int, records: int, **more: Any) -> Counter[str]:
    """Have processes write to one log; return how often each line is there."""
    log = tmp_path / "app.log"
    children = [
        subprocess.Popen([sys.executable, "-c", WRITER, log, f"p{number}", str(threads), str(records), repr(more)])
        for number in range(processes)
    ]
    for child in children:
        assert child.wait(100) == 0
    found = Counter(line.partition(" ")[0] for line in lines_of(log))
    wanted = {f"p{p}-{t}-{n}" for p in range(processes) for t in range(threads) for n in range(records)}
    assert set(found) == wanted
    assert set(found.values()) == {1}
    for line in lines_of(log):
        assert line.partition(" ")[2] == "x" * (int(line.partition(" ")[0].rpartition("-")[2]) % 50)
    return found


@pytest.mark.faults
@pytest.mark.parametrize("more", [{}, {"compress": "gz"}, {"spool": True}])
def test_many_processes_rotate_one_log(tmp_path: Path, count: Callable[[int, int], int], more: dict[str, Any]) -> None:
    """8 processes of 4 threads: no line lost, torn, or doubled; no file larger than bound and a record a writer."""
    processes, records = count(3, 8), count(300, 31_250)
    size = count(8_000, 1_000_000)
    write_from(tmp_path, processes, 4, records, rotate=size, keep=0, **more)
    files = rotated(tmp_path / "app.log")
    assert len(files) >= 2
    bound = size + 4 * processes * 80
    if not more:
        assert max(one.stat().st_size for one in files) <= bound
    assert not list(tmp_path.glob("*.spool-*"))


def test_logrotate_renames(tmp_path: Path) -> None:
    """A log that is renamed, or removed with its folder, is opened anew within a second; what came between is kept."""
    log = tmp_path / "logs" / "app.log"
    handler = output(log)
    handler.setFormatter(Formatter(PLAIN))
    for second, (text, then) in enumerate(
        [
            ("one", lambda: log.rename(log.with_name("old"))),
            ("two", lambda: None),
            ("three", lambda: remove(log.parent)),
        ]
    ):
        handler.handle(logging.makeLogRecord({"msg": text, "created": 1000 + second}))
        then()
    handler.handle(logging.makeLogRecord({"msg": "four", "created": 2000}))
    handler.close()
    assert log.read_text() == "four\n"
    assert handler.failures == 0


def remove(folder: Path) -> None:
    """A folder and what is in it."""
    for one in folder.iterdir():
        one.unlink()
    folder.rmdir()


def test_copytruncate(tmp_path: Path) -> None:
    """After logrotate's other way the next record is at the beginning: no hole of NULs."""
    log = tmp_path / "app.log"
    with setup("INFO", format=PLAIN, to=log, uncaught=False):
        logging.getLogger("x").info("one")
        os.truncate(log, 0)
        logging.getLogger("x").info("two")
    assert log.read_bytes() == b"two\n"


def test_somebody_removes_the_shared_file(tmp_path: Path) -> None:
    """Rotation goes on with a new one."""
    log = tmp_path / "app.log"
    sink = RotatingSink(log, Rotation.parse(100))
    for number in range(100):
        sink.write(b"line %d\n" % number)
        if number == 50:
            (tmp_path / ".app.log.rotation").unlink()
    sink.close()
    assert len(rotated(log)) == 5


def test_no_permission(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that cannot be opened is said at set-up, and changes nothing; one that is lost later is counted."""
    (tmp_path / "file").write_text("")
    before = logging.root.handlers[:]
    with pytest.raises(OSError, match="Not a directory"):
        setup("INFO", to=[tmp_path / "ok.log", tmp_path / "file" / "app.log"])
    assert logging.root.handlers == before
    handler = output(tmp_path / "logs" / "app.log")
    handler.handle(logging.makeLogRecord({"msg": "fine", "created": 1000}))
    remove(tmp_path / "logs")
    (tmp_path / "logs").write_text("a file where the folder was")
    handler.handle(logging.makeLogRecord({"msg": "lost", "created": 1001}))
    handler.handle(logging.makeLogRecord({"msg": "lost", "created": 1001}))
    assert handler.failures == 2
    assert capsys.readouterr().err.count("app.log") == 1
    handler.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.faults
def test_full_disk(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Records are counted as lost, told of once; when there is room again the next is on a line of its own."""
    log = small_disk / "app.log"
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 150_000)
    with setup("INFO", format=PLAIN, to=log, uncaught=False) as made:
        for number in range(300):
            logging.getLogger("x").info("%d %s", number, "y" * 1000)
        lost = made.failures[str(log)]
        assert 0 < lost < 300
        filler.unlink()
        logging.getLogger("x").info("after")
    lines = log.read_text().splitlines()
    whole = [line for line in lines if line.endswith("y" * 1000)]
    assert len(whole) == 300 - lost
    assert lines[-1] == "after"
    assert capsys.readouterr().err.count("No space left") == 1


@pytest.mark.faults
@pytest.mark.parametrize("room", [0, 16])
def test_full_disk_with_a_spool(small_disk: Path, tmp_path: Path, room: int) -> None:
    """What waits is kept for as long as there is room for it, and not written twice when the disk has room again."""
    log = small_disk / "app.log"
    filler = small_disk / "filler"
    sink = FileSink(log)
    made = spool.Spool(sink, size=60_000, interval=3600)
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    os.truncate(filler, filler.stat().st_size - room * 1024)
    for number in range(50):
        made.write(b"%d %s\n" % (number, b"y" * 1000))
    with pytest.raises(OSError, match="No space"):
        made.flush()
    filler.unlink()
    made.write(b"after\n")
    made.close()
    whole = [line for line in log.read_text().splitlines() if line.endswith("y" * 1000)]
    assert whole == [f"{number} {'y' * 1000}" for number in range(50)]
    assert log.read_text().endswith("\nafter\n")


KILLED = """
import logging, os, random, signal, sys
from cb_logging import setup
log, last, more = sys.argv[1], int(sys.argv[2]), eval(sys.argv[3])
setup("INFO", format="%(message)s", to=log, **more)
out = logging.getLogger("x")
for number in range(last):
    out.info("%d %s", number, "x" * (number % 80))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.faults
@pytest.mark.parametrize("more", [{}, {"spool": True}, {"spool": True, "rotate": 5000, "keep": 0}])
def test_killed(tmp_path: Path, count: Callable[[int, int], int], more: dict[str, Any]) -> None:
    """SIGKILL after a random record: those logged are all there, none twice, also after a second recovery."""
    dice = random.Random(7)

    def kill(last: int) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            log = Path(folder, "app.log")
            child = subprocess.run([sys.executable, "-c", KILLED, log, str(last), repr(more)], check=False, timeout=60)
            assert child.returncode == -signal.SIGKILL
            recover(log)
            assert recover(log) == 0
            assert lines_of(log) == [f"{number} {'x' * (number % 80)}" for number in range(last)]

    with ThreadPoolExecutor(count(1, 3)) as pool:
        for _ in pool.map(kill, [dice.randrange(3000) for _ in range(count(4, 1000))]):
            pass


TICKING = """
import logging, sys
from cb_logging import setup
setup("INFO", format="%(message)s", to=sys.argv[1], spool=True)
number = 0
while True:
    logging.getLogger("x").info("%d %s", number, "x" * (number % 80))
    number += 1
    if number % 100 == 0:
        print(number, flush=True)
"""


@pytest.mark.faults
def test_killed_by_another(tmp_path: Path, count: Callable[[int, int], int]) -> None:
    """At any instruction, also within a move: what was acknowledged is there, in order, once."""
    dice = random.Random(11)

    def follow_and_kill(wanted: int) -> None:
        log = tmp_path / f"{wanted}.log"
        with subprocess.Popen([sys.executable, "-c", TICKING, log], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            acknowledged = 0
            for line in child.stdout:
                acknowledged = int(line)
                if acknowledged >= wanted:
                    break
            child.kill()
            for line in child.stdout:
                acknowledged = int(line) if line.endswith("\n") else acknowledged
        recover(log)
        lines = lines_of(log)
        assert len(lines) >= acknowledged
        assert lines == [f"{number} {'x' * (number % 80)}" for number in range(len(lines))]

    with ThreadPoolExecutor(count(1, 3)) as pool:
        for _ in pool.map(follow_and_kill, dice.sample(range(1, 10_000), count(3, 200))):
            pass


def test_a_spool_that_is_being_made_is_not_a_dead_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """White-box: recovery that comes between a spool's file and its lock removes it; then there is another."""
    log, real, came = tmp_path / "app.log", spool.fcntl.flock, list[Path]()

    def late(fd: int, how: int) -> None:
        if not came and (made := [*tmp_path.glob("app.log.spool-*")]):
            came.extend(made)
            recover(log)
        real(fd, how)

    monkeypatch.setattr(spool.fcntl, "flock", late)
    sink = spool.Spool(FileSink(log), size=4096, interval=3600)
    assert came
    assert not came[0].exists()
    sink.write(b"kept\n")
    (mine,) = tmp_path.glob("app.log.spool-*")
    assert b"kept\n" in mine.read_bytes()
    sink.close()
    assert log.read_bytes() == b"kept\n"


def test_the_next_start_recovers(tmp_path: Path, python: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Whoever opens a log with a spool brings in what is left; what a live process has is left to it."""
    log = tmp_path / "app.log"
    assert python(KILLED, log, 10, {"spool": True}).returncode == -signal.SIGKILL
    with setup("INFO", format=PLAIN, to=log, spool=True, uncaught=False):
        logging.getLogger("x").info("next")
        assert recover(log) == 0
    assert len(lines_of(log)) == 11


def spool_left(log: Path, text: bytes, *, until: int, begin: int = 0) -> None:
    """A spool as a process leaves it that dies between a write and the note of it."""
    target = FileSink(log)
    made = spool.Spool(target, size=4096, interval=3600)
    made.write(text)
    there = os.fstat(target.fd)
    words = made._words
    words[spool._UNTIL], words[spool._SIZE], words[spool._INODE] = until, there.st_size, there.st_ino
    words[spool._BEGIN], words[spool._INTENT] = begin, begin + 1
    saved = Path(made._file).read_bytes()
    made._words[spool._BEGIN] = made._words[spool._END] = 0
    made.close()
    Path(f"{log}.spool-1-1").write_bytes(saved)


@pytest.mark.parametrize("written", [0, 1, 4, 5, 9, 10, 14, 15])
@pytest.mark.parametrize("renamed", [False, True])
def test_death_within_a_write(tmp_path: Path, written: int, renamed: bool) -> None:
    """However far the write came, and whether the log was rotated since: each line is there once."""
    log = tmp_path / "app.log"
    log.write_bytes(b"zero\n")
    text = b"one1\ntwo2\nthr3\n"
    spool_left(log, text, until=15)
    with log.open("ab") as file:
        file.write(text[:written])
    if renamed:
        log.rename(tmp_path / "app.log.1")
        log.write_bytes(b"four\n")
    recover(log)
    lines = Counter(lines_of(log))
    assert {line: lines[line] for line in ("zero", "one1", "two2", "thr3")} == dict.fromkeys(
        ("zero", "one1", "two2", "thr3"), 1
    )


def test_a_line_that_another_tore(tmp_path: Path) -> None:
    """Is ended before what is recovered; a file that is no spool is passed over."""
    log = tmp_path / "app.log"
    log.write_bytes(b"torn")
    spool_left(log, b"one\n", until=0, begin=0)
    (tmp_path / "app.log.spool-2-2").write_bytes(b"short")
    (tmp_path / "app.log.spool-3-3").write_bytes(b"n" * 100)
    saved = bytearray((tmp_path / "app.log.spool-1-1").read_bytes())
    saved[24:32] = bytes(8)  # no intent
    (tmp_path / "app.log.spool-1-1").write_bytes(saved)
    assert recover(log) == 2
    assert log.read_bytes() == b"torn\none\n"


FORKED = """
import logging, os, sys, multiprocessing
from cb_logging import setup
how, log = sys.argv[1:]
def child(number):
    if how == "spawn":
        setup("INFO", format="%(message)s", to=log, spool=True)
    for n in range(100):
        logging.getLogger("x").info("child %d %d", number, n)
if __name__ == "__main__":
    made = setup("INFO", format="%(message)s", to=log, spool=True)
    logging.getLogger("x").info("before")
    if how == "os.fork":
        pid = os.fork()
        if not pid:
            child(0)
            os._exit(0)  # without a word
        os.waitpid(pid, 0)
    else:
        context = multiprocessing.get_context(how)
        children = [context.Process(target=child, args=(n,)) for n in range(2)]
        for one in children: one.start()
        for one in children: one.join()
    logging.getLogger("x").info("after")
"""


@pytest.mark.faults
@pytest.mark.parametrize("how", ["fork", "spawn", "os.fork"])
def test_fork_and_spawn_with_a_live_spool(
    tmp_path: Path, python: Callable[..., subprocess.CompletedProcess[str]], how: str
) -> None:
    """Every child has a spool of its own; all lines are in the log when the parent is gone, each once."""
    ran = python(FORKED, how, "app.log", name="forked.py")
    assert (ran.returncode, ran.stderr.replace("DeprecationWarning", "")) == (0, "") or "fork" in ran.stderr
    lines = [line for line in lines_of(tmp_path / "app.log") if "DeprecationWarning" not in line]  # of os.fork, by 3.12
    children = 1 if how == "os.fork" else 2
    assert Counter(lines) == Counter(
        ["before", "after", *(f"child {c} {n}" for c in range(children) for n in range(100))]
    )
    assert not list(tmp_path.glob("*.spool-*"))


def test_a_spool_that_is_full(tmp_path: Path) -> None:
    """The caller moves it: order is kept, memory bounded; a record larger than the spool goes straight to the log."""
    log = tmp_path / "app.log"
    made = spool.Spool(FileSink(log), size=100, interval=3600)
    for number in range(50):
        made.write(b"line %d\n" % number)
    made.write(b"x" * 1000 + b"\n")
    made.write(b"end\n")
    made.flush()
    assert log.read_bytes().split(b"\n")[-3:] == [b"x" * 1000, b"end", b""]
    assert lines_of(log)[:50] == [f"line {number}" for number in range(50)]
    made.tick(1)
    made.close()
    made.close()


SIGNALS = """
import logging, signal, sys
from cb_logging import setup
log = logging.getLogger("x")
class Gone:
    def __del__(self):
        log.info("deleted")
def handler(*_):
    log.info("signal")
signal.signal(signal.SIGALRM, handler)
with setup("INFO", format="%(message)s", to="app.log", **eval(sys.argv[1])):
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    for number in range(5000):
        log.info("line %d", number)
        Gone()
    signal.setitimer(signal.ITIMER_REAL, 0)
"""


@pytest.mark.faults
@pytest.mark.parametrize("more", [{}, {"spool": True}, {"rotate": 20_000, "keep": 0}])
def test_signal_handlers_and_finalizers_log(
    tmp_path: Path, python: Callable[..., subprocess.CompletedProcess[str]], more: dict[str, Any]
) -> None:
    """Wherever they interrupt: nothing hangs, no line is torn or lost."""
    ran = python(SIGNALS, more, timeout=None) if False else python(SIGNALS, more)
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = Counter(lines_of(tmp_path / "app.log"))
    assert lines.pop("signal") > 0
    assert lines.pop("deleted") == 5000
    assert lines == Counter(f"line {number}" for number in range(5000))


def test_foreign_text(tmp_path: Path) -> None:
    """Surrogates, NUL, a message of a megabyte: one line each, all of it."""
    log = tmp_path / "app.log"
    with setup("INFO", format=PLAIN, to=log, uncaught=False):
        for text in ("\ud800", "\0", "m" * 1_000_000, "\x1b[31m"):
            logging.getLogger("x").info("%s", text)
    assert log.read_bytes().split(b"\n") == [b"\\ud800", b"\\x00", b"m" * 1_000_000, b"\\x1b[31m", b""]


def test_threads_share_a_file(tmp_path: Path) -> None:
    """While it is rotated and opened anew under them."""
    log = tmp_path / "app.log"
    with setup("INFO", format=PLAIN, to=log, rotate=2000, keep=0, uncaught=False):

        def work(name: int) -> None:
            for number in range(400):
                logging.getLogger("x").info("%d-%d", name, number)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert Counter(lines_of(log)) == Counter(f"{name}-{number}" for name in range(4) for number in range(400))


def test_streams(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stdout and stderr as they are at the moment; what an encoding cannot show is escaped; a closed one is counted."""
    with setup("INFO", format=PLAIN, to=["stdout", "stderr"], uncaught=False) as made:
        logging.getLogger("x").info("both")
        assert capsys.readouterr() == ("both\n", "both\n")
        with (tmp_path / "ascii").open("w", encoding="ascii") as narrow:
            monkeypatch.setattr(sys, "stdout", narrow)
            logging.getLogger("x").info("ä")
        logging.getLogger("x").info("closed")
        assert made.failures == {"stdout": 1, "stderr": 0}
    assert (tmp_path / "ascii").read_text() == "\\xe4\n"


def test_gz_is_readable_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compressed file is a plain gzip file; what was just written to is not compressed yet."""
    busy = RotatingSink(tmp_path / "busy.log", Rotation.parse(50, compress="gz"))
    for number in range(20):
        busy.write(b"line %d\n" % number)
    busy.close()
    assert not any(one.suffix == ".gz" for one in rotated(tmp_path / "busy.log"))
    monkeypatch.setattr("cb_logging.rotation.GRACE", -1)
    log = tmp_path / "app.log"
    sink = RotatingSink(log, Rotation.parse(50, compress="gz"))
    for number in range(20):
        sink.write(b"line %d\n" % number)
    sink.close()
    assert gzip.decompress((tmp_path / "app.log.2.gz").read_bytes()).startswith(b"line ")
    assert repr(Output(sink)).startswith("<Output ")


def test_a_signal_while_a_record_is_copied(tmp_path: Path) -> None:
    """White box: what the handler logs goes straight to the log, for the spool is not in order just then."""
    log = tmp_path / "app.log"
    made = spool.Spool(FileSink(log), size=1000, interval=3600)
    made.write(b"first\n")
    made._inside = True
    made.write(b"of the handler\n")
    made._inside = False
    assert log.read_bytes() == b"of the handler\n"
    made.close()
    assert log.read_bytes() == b"of the handler\nfirst\n"


def test_zstd_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is said at set-up, with what to do."""

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(ConfigError, match="pip install"):
        Rotation.parse("1 MB", compress="zst")


def test_a_log_that_goes_while_it_is_rotated(tmp_path: Path) -> None:
    """Is made anew; there is nothing to put aside. A folder that is not there has no rotated files."""
    log = tmp_path / "app.log"
    sink = RotatingSink(log, Rotation.parse(15))
    log.unlink()
    sink.write(b"more than ten bytes\n")
    sink.write(b"next\n")
    rotation._in_child()
    sink.write(b"last\n")
    sink.close()
    assert log.read_bytes() == b"next\nlast\n"
    assert rotated(tmp_path / "none" / "app.log") == []


def test_writes_that_take_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is written in the end."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:3]))
    sink = FileSink(tmp_path / "a.log")
    sink.write(b"one and two\n")
    append_whole(sink.fd, b"three and four\n")
    sink.close()
    assert (tmp_path / "a.log").read_bytes() == b"one and two\nthree and four\n"


def test_a_flush_that_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is counted, and said."""
    one = output(tmp_path / "a.log")

    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(one.sink, "flush", full)
    one.flush()
    one.close()
    assert one.failures == 1
    assert "No space left" in capsys.readouterr().err
