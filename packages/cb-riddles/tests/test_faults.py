"""What is killed in the middle has done all or nothing, and forgets nothing that it acknowledged."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from riddles_support import FULL, Crowd, command, serving, unlimited, write

pytestmark = pytest.mark.faults

POINTS = 50 if FULL else 3
RIDDLES = 5000 if FULL else 3000


def ask(data: Path, sql: str) -> list[tuple[str, int, int]]:
    """Ask the database past the site."""
    with closing(sqlite3.connect(data / "riddles.sqlite3")) as database:
        return database.execute(sql).fetchall()


def attempts(data: Path) -> list[tuple[str, int, int]]:
    """The answers that are kept."""
    return ask(data, "select player, correct, scored from riddles_attempt")


def sound(data: Path) -> bool:
    """Whether the file is whole, and the counters agree with what they count."""
    tallies = "select riddle_id, count(*), sum(correct) from riddles_attempt group by 1 order by 1"
    counted = "select riddle_id, answers, correct from riddles_tally order by 1"
    return ask(data, "pragma integrity_check") == [("ok",)] and ask(data, tallies) == ask(data, counted)


@pytest.mark.long
def test_an_import_is_all_or_nothing_under_a_kill(site: Path, tmp_path: Path) -> None:
    """``kill -9`` at points all over an import: no riddle or each one is there, and the next import brings all."""
    options = [{"text": "A piano", "correct": True}, {"text": "A map"}]
    lines = [json.dumps({"riddle": f"Riddle {n}?", "options": options}) + "\n" for n in range(RIDDLES)]
    fresh = tmp_path / "fresh"
    shutil.copytree(site, fresh)
    for point in range(1, POINTS + 1):
        shutil.rmtree(site)
        shutil.copytree(fresh, site)
        line = [sys.executable, "-m", "cb_riddles", "import", "--format", "jsonl", "-"]
        with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
            assert process.stdin
            # It has read most of what was written, and waits for more; or, at last, has all and is about to commit.
            process.stdin.writelines(lines[: RIDDLES * point // POINTS])
            process.stdin.flush()
            if point == POINTS:
                process.stdin.close()
            process.kill()
        there = ask(site, "select (select count(*) from riddles_riddle), (select count(*) from riddles_option), 0")
        assert there in ([(0, 0, 0)], [(RIDDLES, 2 * RIDDLES, 0)]), f"at point {point}"
        assert sound(site)
    assert command("import", write(tmp_path, "riddles.jsonl", "".join(lines))).returncode == 0
    assert ask(site, "select count(*) from riddles_option") == [(2 * RIDDLES,)]


@pytest.mark.parametrize("share", [n / 50 for n in range(50)] if FULL else [0.9])
def test_an_import_is_all_or_nothing_at_any_time(site: Path, tmp_path: Path, share: float) -> None:
    """``kill -9`` after some time, also in the commit: whether it came in time or not, all or nothing is there."""
    options = [{"text": "A piano", "correct": True}, {"text": "A map"}]
    rows = (json.dumps({"riddle": f"Riddle {n}?", "options": options}) for n in range(RIDDLES))
    file = write(tmp_path, "riddles.jsonl", "\n".join(rows) + "\n")
    empty = tmp_path / "empty"
    shutil.copytree(site, empty)
    begin = time.monotonic()
    assert command("--data", str(empty), "import", file).returncode == 0
    whole = time.monotonic() - begin
    with subprocess.Popen([sys.executable, "-m", "cb_riddles", "import", file], stdout=subprocess.DEVNULL) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(whole * share)
        process.kill()
    assert ask(site, "select count(*), 0, 0 from riddles_riddle") in ([(0, 0, 0)], [(RIDDLES, 0, 0)])
    assert sound(site)


@pytest.mark.parametrize("point", range(1, 51 if FULL else 2))
def test_answers_survive_a_kill(site: Path, tmp_path: Path, point: int) -> None:
    """``kill -9`` of all servers while sixteen answer: what was acknowledged is kept and scored once."""
    assert command("sample").returncode == 0
    with serving("--workers", "2", env=unlimited(tmp_path)) as (address, process):
        crowd = Crowd(address, 16)

        def watch(acknowledged: int) -> None:
            if acknowledged >= 7 * point and not crowd.stop.is_set():
                crowd.stop.set()
                os.killpg(process.pid, signal.SIGKILL)

        crowd.answer(1000, watch)
        process.wait(30)
    assert sum(crowd.acknowledged) >= 7 * point
    crowd.check(attempts(site))
    assert sound(site)


def test_sixteen_writers_lose_nothing(site: Path, tmp_path: Path) -> None:
    """Sixteen visitors and two servers: no error, no answer lost, none scored twice."""
    assert command("sample").returncode == 0
    with serving("--workers", "2", env=unlimited(tmp_path)) as (address, _):
        crowd = Crowd(address, 16)
        crowd.answer(1000 if FULL else 8)
    assert sum(crowd.unknown) == 0
    assert len(attempts(site)) == sum(crowd.acknowledged)
    crowd.check(attempts(site))
    assert sound(site)
