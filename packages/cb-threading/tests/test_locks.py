"""Limiter, RWLock, Repository, ThreadContext: what each of them promises, with real threads.

Made to be run by several threads at once, too: on a free-threaded Python, `pytest --parallel-threads 8` of
pytest-run-parallel.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from cb_threading import Limiter, Repository, RWLock, ThreadContext, UnknownRecord, WorkerGroup, WouldDeadlock, spawn


def test_a_limiter_lets_as_many_in_as_it_says() -> None:
    """All five places are used at once, and never a sixth."""
    limiter, together = Limiter(5), threading.Barrier(5)

    def visit() -> None:
        with limiter:
            together.wait(30)

    with WorkerGroup() as group:
        for _ in range(20):
            group.start(visit)
    statistics = limiter.statistics()
    assert (statistics.limit, statistics.inside, statistics.waiting) == (5, 0, 0)
    assert (statistics.entered, statistics.peak) == (20, 5)


def test_a_fair_limiter_is_first_come_first_served(eventually: Callable[..., None]) -> None:
    """The order in which threads asked is the order in which they get in."""
    limiter, order = Limiter(1), []
    limiter.acquire()

    def visit(number: int) -> None:
        with limiter:
            order.append(number)

    with WorkerGroup() as group:
        for number in range(10):
            group.start(visit, number)
            eventually(lambda n=number: limiter.statistics().waiting == n + 1, "the thread to wait")
        limiter.release()
    assert order == list(range(10))


@pytest.mark.parametrize("fair", [True, False])
def test_a_limiter_can_be_tried(fair: bool) -> None:
    """Not at all or for a time; who gave up does not get a place that nobody gives back."""
    limiter = Limiter(1, fair=fair)
    assert limiter.acquire(timeout=0) is True
    assert limiter.acquire(timeout=0) is False
    assert limiter.acquire(timeout=0.01) is False
    limiter.release()
    assert limiter.statistics().inside == 0
    assert limiter.acquire(timeout=0.01) is True


@pytest.mark.parametrize("fair", [True, False])
def test_a_limiter_is_bounded(fair: bool) -> None:
    """One release too many is an error, not a place too many; a limit of none is refused."""
    limiter = Limiter(2, fair=fair)
    with pytest.raises(ValueError, match="more often"):
        limiter.release()
    with pytest.raises(ValueError, match="nobody"):
        Limiter(0)


def test_an_unfair_limiter_lets_all_in() -> None:
    """Sooner or later, and never too many."""
    limiter, inside, most = Limiter(3, fair=False), [], []

    def visit() -> None:
        for _ in range(50):
            with limiter:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    with WorkerGroup() as group:
        for _ in range(8):
            group.start(visit)
    assert limiter.statistics().entered == 400
    assert max(most) <= 3


def test_ctrl_c_while_waiting_costs_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """White box: neither if nothing was handed over yet, nor if a place was at the same moment."""
    limiter = Limiter(1)
    limiter.acquire()

    class Interrupted:
        """A lock whose second acquire is hit by Ctrl-C, after a release from outside if asked for."""

        handed = False

        def __init__(self) -> None:
            self.taken = False

        def acquire(self, timeout: float = -1) -> bool:
            if not self.taken:
                self.taken = True
                return True
            if self.handed:
                limiter.release()
            raise KeyboardInterrupt

        def release(self) -> None:
            """The place is handed over."""

    monkeypatch.setattr("cb_threading.limiter.threading.Lock", Interrupted)
    for handed, inside in ((False, 1), (True, 0)):
        Interrupted.handed = handed
        with pytest.raises(KeyboardInterrupt):
            limiter.acquire()
        assert (limiter.statistics().inside, limiter.statistics().waiting) == (inside, 0)


def test_readers_read_together_and_a_writer_is_alone() -> None:
    """Five at once in `read`, which is proved by their meeting there; `write` waits for all of them."""
    lock, together, wrote = RWLock(), threading.Barrier(5), []

    def read() -> None:
        with lock.read():
            together.wait(30)
            assert not wrote

    with WorkerGroup() as group, lock.read():
        readers = [group.start(read) for _ in range(5)]
        for reader in readers:
            reader.result()
        with pytest.raises(TimeoutError, match="others held"):
            spawn(_write, lock, wrote, 0.01).result()
        assert wrote == []
    spawn(_write, lock, wrote, 30).result()
    assert wrote == [1]


def _write(lock: RWLock, wrote: list[int], timeout: float) -> None:
    with lock.write(timeout=timeout):
        assert lock.statistics().readers == 0
        wrote.append(1)


def _read(lock: RWLock, timeout: float) -> bool:
    try:
        with lock.read(timeout=timeout):
            return True
    except TimeoutError:
        return False


def test_a_writer_is_not_starved(eventually: Callable[..., None]) -> None:
    """Readers that come later wait behind it; with prefer="reader" they do not."""
    for prefer, may in (("writer", False), ("reader", True)):
        lock, wrote = RWLock(prefer=prefer), []
        with WorkerGroup() as group:
            with lock.read():
                writer = group.start(_write, lock, wrote, 30)
                eventually(lambda lock=lock: lock.statistics().waiting_writers == 1, "the writer to wait")
                assert spawn(_read, lock, 0.01).result() is may
                with lock.read():  # who is in may come in again, or it would wait for itself
                    assert lock.statistics().readers == 1
            writer.result()
        assert wrote == [1]
    with pytest.raises(ValueError, match="neither"):
        RWLock(prefer="nobody")


def test_readers_go_on_when_a_waiting_writer_gives_up() -> None:
    """It does not stand in their way for ever."""
    lock = RWLock()
    with lock.read():
        with pytest.raises(TimeoutError):
            spawn(_write, lock, [], 0.01).result()
        assert spawn(_read, lock, 30).result() is True


def test_a_writer_may_write_and_read_again_but_a_reader_may_not_write() -> None:
    """Re-entrant where it can be, an error at once where it would be a deadlock."""
    lock = RWLock()
    with lock.write(), lock.write(), lock.read():
        statistics = lock.statistics()
        assert (statistics.writer, statistics.reads, statistics.writes) == (True, 1, 2)
        assert spawn(_read, lock, 0.01).result() is False
    with lock.read(), pytest.raises(WouldDeadlock, match="take write"), lock.write():
        pass
    assert spawn(_read, lock, 30).result() is True


@dataclass(frozen=True)
class Row:
    """A record."""

    value: int = 0


def test_numbers_are_never_given_twice() -> None:
    """Not after a removal either, where ``len(repo)`` would."""
    rows: Repository[Row] = Repository()
    first, second = rows.add(Row(1)), rows.add(Row(2))
    assert rows.remove(second) == Row(2)
    assert rows.add(Row(3)) == 2
    assert (first in rows, second in rows, len(rows)) == (True, False, 2)
    with pytest.raises(UnknownRecord, match="no record 1 ") as caught:
        rows.get(second)
    assert isinstance(caught.value, KeyError)
    statistics = rows.statistics()
    assert (statistics.records, statistics.added, statistics.updated, statistics.removed) == (2, 3, 0, 1)


def test_no_update_is_lost() -> None:
    """8 threads add 1 to the same record 2,000 times each."""
    rows: Repository[Row] = Repository()
    number = rows.add(Row())

    def work() -> None:
        for _ in range(2000):
            rows.update(number, lambda row: replace(row, value=row.value + 1))

    with WorkerGroup() as group:
        for _ in range(8):
            group.start(work)
    assert rows.get(number) == Row(16_000)
    assert rows.statistics().updated == 16_000


def test_a_snapshot_is_all_records_at_one_moment() -> None:
    """Money goes from one record to another in transactions; in every snapshot the sum is the same."""
    rows: Repository[Row] = Repository()
    numbers = [rows.add(Row(100)) for _ in range(4)]
    stop = threading.Event()

    def move(start: int) -> None:
        step = start
        while not stop.is_set():
            step += 1
            with rows.transaction() as change:
                for number, sign in ((numbers[step % 4], -1), (numbers[(step + 1) % 4], 1)):
                    change.put(number, Row(change.get(number).value + sign))

    with WorkerGroup() as group:
        for start in range(4):
            group.start(move, start)
        try:
            sums = {sum(row.value for row in rows.snapshot().values()) for _ in range(500)}
        finally:
            stop.set()
    assert sums == {400}


def test_a_transaction_is_done_as_a_whole_or_not_at_all() -> None:
    """An exception leaves everything as it was; nobody saw what was to come."""
    rows: Repository[Row] = Repository()
    number = rows.add(Row(1))
    with pytest.raises(RuntimeError, match="no"), rows.transaction() as change:  # noqa: PT012 - the block is what is tested
        change.put(number, Row(2))
        added = change.add(Row(3))
        assert change.get(number) == Row(2)
        assert change.remove(added) == Row(3)
        with pytest.raises(UnknownRecord):
            change.get(added)
        assert spawn(rows.get, number).result() == Row(1)
        raise RuntimeError("no")
    assert rows.snapshot() == {number: Row(1)}
    with rows.transaction() as change:
        change.remove(number)
        change.remove(change.add(Row(4)))
    assert rows.snapshot() == {}
    assert rows.add(Row()) == 2


def test_a_transaction_is_re_entrant() -> None:
    """Whatever the same thread does with the repository inside belongs to it; another thread waits."""
    rows: Repository[Row] = Repository()
    number = rows.add(Row(1))
    entered = threading.Event()

    def foreign() -> None:
        entered.set()
        rows.update(number, lambda row: Row(row.value * 100))

    with WorkerGroup() as group, rows.transaction() as outer:
        group.start(foreign)
        assert entered.wait(30)
        with rows.transaction() as inner:
            assert inner is outer
            rows.update(number, lambda row: Row(row.value + 1))
            second = rows.add(Row(5))
            rows.remove(second)
        assert outer.get(number) == Row(2)
        assert rows.get(number) == Row(1)
    assert rows.snapshot() == {number: Row(200)}


def test_what_can_be_changed_behind_the_lock_is_refused() -> None:
    """A dict, a list, a set."""
    rows: Repository[object] = Repository()
    for record in ({}, [], set(), bytearray()):
        with pytest.raises(TypeError, match="frozen dataclass"):
            rows.add(record)
    assert len(rows) == 0


def test_a_thread_sees_its_own_value_only() -> None:
    """And is told if there is none."""
    context: ThreadContext[int] = ThreadContext()
    context.value = 1

    def work(number: int) -> tuple[int | None, int]:
        before = context.get(None)
        with pytest.raises(LookupError, match="does not have a value yet"):
            _ = context.value
        context.value = number
        return before, context.value

    workers = [spawn(work, number) for number in range(4)]
    assert [worker.result() for worker in workers] == [(None, number) for number in range(4)]
    assert context.value == 1
    context.clear()
    assert context.get("none") == "none"


def test_a_value_is_closed_when_its_thread_ends(eventually: Callable[..., None]) -> None:
    """Or is replaced, or cleared; once each."""
    closed: list[str] = []
    context = ThreadContext(lambda: threading.current_thread().name, close=closed.append)
    worker = spawn(lambda: context.value)
    assert worker.result() == worker.name
    eventually(lambda: closed, "the value to be closed")
    assert closed == [worker.name]
    context.value = "first"
    context.value = "second"
    context.clear()
    context.clear()
    assert closed[1:] == ["first", "second"]
