"""On PostgreSQL: the same tests again, and two servers with one database and one cache behind a proxy."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from typing import TYPE_CHECKING

import psycopg
import pytest
from riddles_services import haproxy, postgresql, postgresql_binary, pytest_again, redis
from riddles_support import Crowd, Visitor, command, serving, unlimited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATH = f"{os.environ['PATH']}:/usr/sbin"
pytestmark = [
    pytest.mark.skipif(postgresql_binary("initdb") is None, reason="postgresql is not installed"),
    pytest.mark.xdist_group("postgresql"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A PostgreSQL for the tests of this file."""
    with postgresql() as found:
        yield found


@pytest.mark.long
def test_the_game_on_postgresql(url: str) -> None:
    """Every test of pages, answers, admin, secrecy, kept pages and counters holds on PostgreSQL too."""
    files = [f"tests/test_{name}.py" for name in ("admin", "errata", "kept", "playing", "secrecy")]
    done = pytest_again(url, *files)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout


@pytest.mark.once
@pytest.mark.skipif(not all(shutil.which(name, path=PATH) for name in ("haproxy", "redis-server")), reason="not there")
def test_one_of_two_servers_is_killed(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two servers agree at once on what an author changed; under load one dies, and nothing acknowledged is lost.

    The limit of answers counts both together. Every attempt that scored did so once.
    """
    answers, limit = 16 * 12, 16 * 12 + 40
    with contextlib.ExitStack() as stack:
        shared = unlimited(tmp_path, f"{limit}/d") | {"DATABASE_URL": url, "CB_RIDDLES_SECRET_KEY": "k" * 50}
        shared["CACHE_URL"] = stack.enter_context(redis(tmp_path))
        assert command("sample", env=shared).returncode == 0
        servers = []
        for name in "ab":
            (tmp_path / name).mkdir()
            own = shared | {"CB_RIDDLES_DATA": str(tmp_path / name)}
            servers.append(stack.enter_context(serving(env=own)))
        addresses = [address for address, _ in servers]
        proxy = stack.enter_context(haproxy(tmp_path, [int(address.rpartition(":")[2]) for address in addresses]))

        for text in ("What has keys", "Changed by hand"):
            seen = [Visitor(address).ask("GET", "/riddles/1/")[1] for address in addresses for _ in range(2)]
            assert [text in page for page in seen] == [True] * 4
            with psycopg.connect(url) as database:
                database.execute("UPDATE riddles_riddle SET riddle_text = 'Changed by hand' WHERE id = 1")

        crowd, (_, victim) = Crowd(proxy, 16), servers[0]

        def watch(acknowledged: int) -> None:
            if acknowledged >= answers // 3 and not crowd.stop.is_set():
                crowd.stop.set()
                os.killpg(victim.pid, signal.SIGKILL)

        crowd.answer(12, watch)
        victim.wait(30)
        crowd.stop.clear()
        before = sum(crowd.acknowledged)
        crowd.answer(4)
        assert sum(crowd.acknowledged) > before  # the other one goes on

        other = Visitor(addresses[1])
        while other.answer(1, "A map")[0].status == 303:
            pass
        assert other.answer(1, "A map")[0].status == 429

        with psycopg.connect(url) as database:
            kept = database.execute("SELECT player, correct::int, scored::int FROM riddles_attempt").fetchall()
            counted = database.execute("SELECT answers FROM riddles_tally WHERE riddle_id = 1").fetchone()
    crowd.check(kept)
    assert counted == (len(kept),)
    assert limit - 16 <= len(kept) <= limit  # some were counted, and killed before they were kept
