"""A large log is read by several processes: what comes of it is what one process finds, in the same order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cb_logging import BASIC, BOOK, read, summarise
from cb_logging.blocks import next_head
from cb_logging.parallel import shared
from cb_logging.plain import plain
from cb_logging.records import Query
from cb_logging.schema import schema_of

sys.path.insert(0, str(Path(__file__).parent))

from corpus import make

Python = Callable[..., subprocess.CompletedProcess[str]]
PARTS = [7000] if "COVERAGE_RUN" in os.environ else [500, 7000, 30_000]
"""Bytes. Fewer where coverage is measured: there each process that starts costs ten times as much."""
# In a process of its own: one that forks must have no threads.
SMALL_PARTS = """
import sys
from cb_logging import blocks, parallel
parallel.PART = int(sys.argv.pop(1))
parallel.os.sched_getaffinity = lambda _: range(3)
from cb_logging.__main__ import main
main()
"""


@pytest.mark.parametrize("text", [BOOK, BASIC, "%(levelno)d %(message)s"])
@pytest.mark.parametrize("part", PARTS)
def test_as_one_process(tmp_path: Path, python: Python, text: str, part: int) -> None:
    """Wherever parts are cut: within lines, tracebacks, records that are larger than a part."""
    log = tmp_path / "app.log"
    make(log, 1500, text=text)
    with log.open("a") as file:
        file.writelines("x" * 1000 + "\n" for _ in range(50))  # of the last record
    for level in ("DEBUG", "ERROR"):
        ran = python(SMALL_PARTS, part, "cat", "-l", level, "-t", text, log)
        assert ran.stderr == ""
        assert ran.stdout == "".join(f"{one.text}\n" for one in read(log, level=level, format=text))
    ran = python(SMALL_PARTS, part, "cat", "-t", text, log)
    assert ran.stdout == log.read_text()
    ran = python(SMALL_PARTS, part, "stats", "-b", "level", "-b", "logger", "--format", "json", "-t", text, log)
    counts = {(one["level"], one["logger"]): one["records"] for one in map(json.loads, ran.stdout.splitlines())}
    assert counts == dict(summarise(log, by=["level", "logger"], format=text).counts)


def test_json_lines(tmp_path: Path, python: Python) -> None:
    """Too."""
    log = tmp_path / "app.log"
    log.write_text("".join(f'{{"level": "{level}", "message": "m"}}\n' for level in ["INFO", "ERROR"] * 500))
    ran = python(SMALL_PARTS, 3000, "cat", "-l", "ERROR", log)
    assert ran.stdout == '{"level": "ERROR", "message": "m"}\n' * 500


def test_a_reader_that_has_enough(tmp_path: Path) -> None:
    """Ends all processes, without a word; so does Ctrl-C."""
    log = tmp_path / "app.log"
    make(log, 20_000)
    command = [sys.executable, "-c", SMALL_PARTS, "100000", "cat", log]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert (child.wait(60), child.stderr.read()) == (0, b"")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        os.killpg(child.pid, signal.SIGINT)
        _, err = child.communicate(timeout=60)
        assert (child.returncode, err) == (130, b"")


def test_a_process_that_dies(tmp_path: Path, python: Python) -> None:
    """Is told of: no part is missing without a word. So is what it could not read."""
    log = tmp_path / "app.log"
    make(log, 2000)
    for happens, said in (
        ("os.kill(os.getpid(), 9)", "ended without a word"),
        ("raise OSError(5, 'broken disk')", "broken disk"),
    ):
        code = SMALL_PARTS.replace(
            "from cb_logging.__main__",
            f"""
import os
def wanted(*_):
    {happens}
from cb_logging import printing
printing.wanted = wanted
from cb_logging.__main__""",
        )
        ran = python(code, 5000, "cat", "-l", "ERROR", log)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert said in ran.stderr
        assert ran.stderr.count("\n") == 1


def test_what_is_not_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small logs, compressed ones, those asked for by time, those that do not begin with a record, and one core."""
    monkeypatch.setattr("cb_logging.parallel.PART", 1000)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(4))
    log = tmp_path / "app.log"
    make(log, 100)
    plan = shared(log, Query(), None)
    assert plan is not None
    assert plan[1] == 4
    assert shared(log, Query(since=1.0), None) is None
    assert shared(log, Query(), schema_of("json")) is None
    assert shared(tmp_path / "none", Query(), None) is None
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(1))
    assert shared(log, Query(), None) is None


def test_the_next_record(tmp_path: Path) -> None:
    """From any byte of a log, the place where the next record begins."""
    log = tmp_path / "app.log"
    data = b"INFO:a:b\n trace\n" * 20 + b"INFO:x:" + b"y" * 200_000 + b"\nINFO:end"
    log.write_bytes(data)
    head = schema_of("basic").head  # type: ignore[union-attr]
    starts = [at for at in range(len(data)) if head.match(data, at) and (at == 0 or data[at - 1] == 10)]
    with log.open("rb") as file:
        for place in (*range(400), 100_000, len(data) - 9, len(data) - 8, len(data) - 1, len(data)):
            wanted = next((start for start in starts if start >= place), len(data))
            assert next_head(file.fileno(), place, head) == wanted


def test_what_click_is_not_needed_for(cb: Callable[..., Any], tmp_path: Path) -> None:
    """The usual options are read without it, with the same results and errors; all else is left to it."""
    log = tmp_path / "app.log"
    log.write_text("INFO:shop:open\nERROR:till:empty\nTraceback: x\nINFO:shop:shut\n")
    assert cb("cat", "-l", "error", log) == cb("cat", "--level=error", log)
    assert cb("cat", "-l", "loud", log) == cb("cat", "--level=loud", log)
    assert cb("cat", "-l", "critical", log).status == 1
    assert cb("stats", "-b", "level", log) == cb("stats", "--by=level", log)
    assert cb("stats", "-b", "color", log).status == 2
    for one in (["levels"], ["cat"], ["cat", "-l"], ["cat", "--strict", "x"], ["stats", "x", "y"], ["cat", "-"]):
        assert plain(one) is None
