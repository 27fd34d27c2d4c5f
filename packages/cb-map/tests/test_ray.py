"""Ray, with real workers in processes of their own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import work
from cb_map import ItemError, pmap

pytestmark = [
    pytest.mark.faults,
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore"),  # theirs, of which there are many
    pytest.mark.xdist_group("ray"),  # one cluster is enough
]


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Ray on this machine, with two workers."""
    cluster: Any = pytest.importorskip("ray", reason="no wheel of Ray for this Python")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for more in (2, 1, 0):  # it waits for its own processes for 30 s, which no setting changes
            try:
                cluster.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
                break
            except Exception as error:
                cluster.shutdown()
                if not more or "timed out during startup" not in str(error):
                    raise
    yield cluster
    cluster.shutdown()


def test_ray_gives_every_result(ray: Any) -> None:
    """In order and not, with errors in their places."""
    assert list(pmap(work.add_one, range(3000), backend="ray")) == list(range(1, 3001))
    assert sorted(pmap(work.add_one, range(300), backend="ray", ordered=False)) == list(range(1, 301))
    found: list[Any] = list(pmap(work.raises, range(200), backend="ray", errors="return"))
    assert isinstance(found[50], ItemError)
    assert found[:50] + found[51:] == [x for x in range(200) if x != 50]


def test_a_ray_worker_that_is_killed_costs_nothing(ray: Any, tmp_path: Path) -> None:
    """In mid-run."""
    flag = str(tmp_path / "flag")
    assert list(pmap(work.dies_here_once, range(100), [flag] * 100, backend="ray")) == list(range(100))


def test_a_ray_item_that_hangs_is_given_up(ray: Any) -> None:
    """Its worker is killed."""
    found: list[Any] = list(pmap(work.hangs, range(49, 52), backend="ray", timeout=5, errors="return"))
    assert [one for one in found if not isinstance(one, ItemError)] == [49, 51]
