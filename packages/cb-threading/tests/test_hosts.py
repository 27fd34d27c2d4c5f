"""The schedule: polite to each host, never idle where another one could be asked. With a clock of our own."""

from __future__ import annotations

import heapq
from collections import defaultdict
from itertools import pairwise

import pytest
from cb_threading import Retry
from cb_threading.hosts import Schedule
from hypothesis import given
from hypothesis import strategies as st


def run(
    schedule: Schedule[tuple[str, int]], *, jobs: int, seconds: float, now: float = 0.0
) -> tuple[list[tuple[float, str]], float]:
    """Simulate transfers of so many seconds, *jobs* at a time; return the starts and the end."""
    ends: list[tuple[float, str, float]] = []
    starts: list[tuple[float, str]] = []
    while len(schedule) or ends:
        while len(ends) < jobs and (item := schedule.take(now)) is not None:
            starts.append((now, item[0]))
            heapq.heappush(ends, (now + seconds, item[0], now))
        times = [ends[0][0]] if ends else []
        due = schedule.next_time(now) if len(ends) < jobs else None
        times += [due] if due is not None else []
        assert times, "something waits, and nothing will ever wake it"
        now = max(now, min(times))
        while ends and ends[0][0] <= now:
            _, host, started = heapq.heappop(ends)
            schedule.done(host, now, started=started, answered=started)
    return starts, now


def test_the_bound_is_reached() -> None:
    """20 hosts x 100 pages, sorted by host, 2 at a time and 50 ms apart: as quick as the politest can be."""
    schedule: Schedule[tuple[str, int]] = Schedule(per_host=2, delay=0.05)
    for host in range(20):
        for number in range(100):
            schedule.put((f"h{host}", number), f"h{host}", 0.0)
    starts, end = run(schedule, jobs=64, seconds=0.01)
    assert end == pytest.approx(99 * 0.05 + 0.01)
    assert len(starts) == 2000


def test_ten_thousand_hosts() -> None:
    """One slow step each would be noticed; no host is forgotten, none is asked too early."""
    schedule: Schedule[tuple[str, int]] = Schedule(per_host=1, delay=1.0)
    for number in range(3):
        for host in range(10_000):
            schedule.put((f"h{host}", number), f"h{host}", 0.0)
    starts, end = run(schedule, jobs=10_000, seconds=0.5)
    assert end == pytest.approx(2.5)
    seen: dict[str, list[float]] = defaultdict(list)
    for when, host in starts:
        seen[host].append(when)
    assert len(seen) == 10_000
    assert all(times == [0.0, 1.0, 2.0] for times in seen.values())


@given(
    st.lists(st.tuples(st.integers(0, 4), st.floats(0, 5)), min_size=1, max_size=60),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(1, 8),
    st.sampled_from([0.01, 0.4]),
)
def test_whatever_comes_all_is_started_politely(
    items: list[tuple[int, float]], per_host: int, delay: float, jobs: int, seconds: float
) -> None:
    """Each item once, not before its time; per host never too many, never too close."""
    schedule: Schedule[tuple[str, int]] = Schedule(per_host=per_host, delay=delay)
    for number, (host, after) in enumerate(items):
        schedule.put((f"h{host}", number), f"h{host}", 0.0, after=after)
    starts, _ = run(schedule, jobs=jobs, seconds=seconds)
    assert len(starts) == len(items)
    by_host: dict[str, list[float]] = defaultdict(list)
    for when, host in starts:
        by_host[host].append(when)
    for host, times in by_host.items():
        afters = sorted(after for number, after in items if f"h{number}" == host)
        assert all(when >= after for when, after in zip(times, afters, strict=True))
        assert all(later - before >= delay - 1e-9 for before, later in pairwise(times))
        for place, when in enumerate(times[per_host:]):
            assert when >= times[place] + seconds - 1e-9


def test_a_held_host_waits_alone() -> None:
    """Retry-After holds one host; the others go on."""
    schedule: Schedule[tuple[str, int]] = Schedule(per_host=4)
    for host in "ab":
        for number in range(4):
            schedule.put((host, number), host, 0.0)
    schedule.hold("a", 10.0, 0.0)
    starts, _ = run(schedule, jobs=2, seconds=1.0)
    assert [host for _, host in starts] == ["b"] * 4 + ["a"] * 4
    assert starts[4][0] == 10.0


def test_a_hold_can_be_lengthened_and_nothing_waits_for_a_full_host() -> None:
    """Stale entries of the heap do no harm."""
    schedule: Schedule[str] = Schedule(per_host=1)
    schedule.put("a1", "a", 0.0)
    schedule.hold("a", 1.0, 0.0)
    schedule.hold("a", 3.0, 0.0)
    assert schedule.take(1.0) is None
    assert schedule.next_time(1.0) == 3.0
    assert schedule.take(3.0) == "a1"
    schedule.put("a2", "a", 3.0)
    assert schedule.take(4.0) is None
    assert schedule.next_time(4.0) is None
    schedule.done("a", 5.0, started=3.0, answered=3.0)
    assert schedule.next_time(5.0) == 5.0
    schedule.hold("a", 2.0, 5.0)
    assert schedule.take(5.0) is None
    assert schedule.take(7.0) == "a2"


def test_a_crawl_delay_counts_for_its_host() -> None:
    """It is kept when the host was empty for a while; a shorter one than ours changes nothing."""
    schedule: Schedule[str] = Schedule(per_host=9, delay=0.5)
    schedule.slow("a", 2.0, 0.0)
    schedule.slow("b", 0.1, 0.0)
    for item in ("a1", "b1"):
        schedule.put(item, item[0], 0.0)
    assert schedule.take(0.0) == "b1"
    assert schedule.take(2.0) == "a1"
    schedule.done("a", 2.0, started=2.0, answered=2.0)
    schedule.done("b", 10.0, started=0.0, answered=0.0)
    schedule.put("a2", "a", 3.0)
    assert schedule.take(3.9) is None
    assert schedule.take(4.0) == "a2"


def test_the_delay_counts_from_when_the_host_has_seen_the_request() -> None:
    """From the answer's begin; if that takes long, from a while after the start; an older request changes nothing."""
    schedule: Schedule[str] = Schedule(per_host=9, delay=1.0)
    for item in ("a1", "a2", "a3", "a4"):
        schedule.put(item, "a", 0.0)
    assert schedule.take(0.0) == "a1"
    schedule.done("a", 0.5, started=0.0, answered=0.031)
    assert schedule.next_time(0.5) == pytest.approx(1.03)
    assert schedule.take(1.03) == "a2"  # on its way for ever
    assert schedule.take(2.0) is None
    assert schedule.next_time(2.0) == pytest.approx(2.13)
    assert schedule.take(2.14) == "a3"
    schedule.done("a", 2.2, started=1.03, answered=2.2)
    assert schedule.take(3.2) is None
    assert schedule.next_time(3.2) == pytest.approx(3.24)


def test_what_is_not_asked_for_costs_no_delay() -> None:
    """A page that robots.txt does not want, for one."""
    schedule: Schedule[str] = Schedule(per_host=9, delay=1.0)
    for item in ("a1", "a2", "a3"):
        schedule.put(item, "a", 0.0)
    assert schedule.take(0.0) == "a1"
    schedule.untake("a", 0.0)
    assert schedule.take(0.0) == "a2"
    assert schedule.take(0.5) is None


def test_hosts_that_are_done_are_forgotten() -> None:
    """Memory follows what waits."""
    schedule: Schedule[tuple[str, int]] = Schedule(per_host=1)
    for host in range(1000):
        schedule.put((f"h{host}", 0), f"h{host}", 0.0)
    run(schedule, jobs=10, seconds=0.1)
    assert not schedule._hosts  # white box


@given(st.integers(1, 9), st.floats(0, 1), st.one_of(st.none(), st.floats(0, 200)))
def test_retry_is_a_value(attempts: int, chance: float, wait: float | None) -> None:
    """It has so many attempts, remembers why, pauses within its bounds, and never changes."""
    first = retry = Retry(attempts=attempts)
    causes = []
    while (left := retry.after(f"cause {len(causes)}", retry_after=wait, chance=lambda: chance)) is not None:
        causes.append(f"cause {len(causes)}")
        retry, pause = left
        assert (wait or 0.0) <= pause <= max(30.0, wait or 0.0)
        assert pause <= max(0.5 * 2 ** (len(causes) - 1), wait or 0.0)
    assert len(causes) == attempts - 1
    assert retry.history == tuple(causes)
    assert first == Retry(attempts=attempts)


def test_patience_has_an_end() -> None:
    """A server that wants an hour gets none."""
    assert Retry().after("status: 429", retry_after=3600) is None
    assert 0 <= Retry().after("reset")[1] <= 0.5  # type: ignore[index]
