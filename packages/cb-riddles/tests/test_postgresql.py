"""On PostgreSQL: the same tests again, and two servers behind a proxy, of which one is killed."""

from __future__ import annotations

import pytest
from riddles_services import postgresql, postgresql_binary, pytest_again

pytestmark = [
    pytest.mark.skipif(postgresql_binary("initdb") is None, reason="postgresql is not installed"),
    pytest.mark.xdist_group("postgresql"),
]


def test_the_game_on_postgresql() -> None:
    """Every test of pages, answers, admin, secrecy, kept pages and counters holds on PostgreSQL too."""
    files = [f"tests/test_{name}.py" for name in ("admin", "errata", "kept", "playing", "secrecy")]
    with postgresql() as url:
        done = pytest_again(url, *files)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout
