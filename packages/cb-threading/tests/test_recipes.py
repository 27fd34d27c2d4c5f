"""The chapter's recipes, in its order, each with what the book's listing gets wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cb_threading import (
    Limiter,
    Product,
    Repository,
    ThreadContext,
    TimerService,
    Worker,
    WorkerGroup,
    race,
    run_market,
    spawn,
    thread_info,
)
from site_on_loopback import Site, page, status

ANIMALS = ["rabbit", "turtle", "cheetah", "monkey", "cow", "horse", "tiger", "lion"]


def test_low_level_thread_all_ten_lines() -> None:
    """3.1 _thread.

    Five lines of each thread, ten in all; the book's program leaves after three. No exception is hidden.
    """
    lines: Repository[str] = Repository()

    def print_time(name: str) -> int:
        for _ in range(5):
            lines.add(name)
        return 5

    workers = [spawn(print_time, name) for name in ("Thread-1", "Thread-2")]
    assert sum(worker.result() for worker in workers) == 10
    assert sorted(lines.snapshot().values()) == ["Thread-1"] * 5 + ["Thread-2"] * 5


def test_thread_subclass_is_named_once() -> None:
    """3.2.1 extending Thread.

    Thread-1 to Thread-3; the book calls ``Thread.__init__`` twice and gets Thread-2, -4, -6.
    """
    program = (
        "from cb_threading import Worker, thread_info\n"
        "workers = [Worker(lambda: thread_info().name) for _ in range(3)]\n"
        "[worker.start() for worker in workers]\n"
        "print(*[worker.result().split()[0] for worker in workers])\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "Thread-1 Thread-2 Thread-3\n"


def test_current_thread_information() -> None:
    """3.2.2 current thread.

    Name, numbers and flags as values; none of the calls that Python has been warning of since 3.10.
    """
    worker = Worker(thread_info, name="asked", daemon=True)
    worker.start()
    info = worker.result()
    assert (info.name, info.alive, info.daemon, info.main) == ("asked", True, True, False)
    assert info.ident == worker.ident
    assert thread_info(worker).alive is False
    assert thread_info(threading.main_thread()).main is True


def test_daemon_does_not_keep_the_program() -> None:
    """3.2.3 daemon: the program ends although the daemon would run for ever; its "end" is never printed."""
    program = (
        "import threading\nfrom cb_threading import Worker\n"
        "started = threading.Event()\n"
        "def run():\n    print('start', flush=True); started.set(); threading.Event().wait(); print('end')\n"
        "Worker(run, daemon=True).start()\nstarted.wait()\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "start\n"


def test_site_crawler(site: Site, cb: Callable[..., Any], tmp_path: Path) -> None:
    """3.2.3 site crawler: four sites of one name but for their ends are four files, and one that fails is said."""
    site.routes["/gone"] = status(404)
    addresses = [site.url(f"/{end}/index.html") for end in ("ar", "br", "co", "cl")]
    ran = cb("fetch", *addresses, site.url("/gone"), "-o", tmp_path, "--no-robots", "-q")
    assert ran.status == 1
    results = {result["path"]: result["state"] for result in map(json.loads, ran.out.splitlines())}
    assert results == {**{f"{end}/index.html": "saved" for end in ("ar", "br", "co", "cl")}, "gone": "failed"}
    assert (tmp_path / "ar" / "index.html").read_bytes() == page("/ar/index.html")


def test_join() -> None:
    """3.2.4 join: all is done when the block is left, daemon threads or not; foreign threads are not joined."""
    done: list[int] = []
    with WorkerGroup() as group:
        for number in range(4):
            group.start(done.append, number)
    assert sorted(done) == [0, 1, 2, 3]


def test_timers_with_cancel() -> None:
    """3.2.5 Timer: t1 runs once, t2 was cancelled and does not; ``cancel`` says so."""
    ran: list[str] = []
    over = threading.Event()
    with TimerService() as timers:
        timers.call_later(0.01, ran.append, "t1")
        t2 = timers.call_later(3600, ran.append, "t2")
        assert t2.cancel() is True
        timers.call_later(0.02, over.set)
        assert over.wait(30)
    assert ran == ["t1"]


def test_race_on_an_event() -> None:
    """3.2.6 Event race: eight finish, each once, with place and time; it can be run again."""
    for _ in range(2):
        finishes = race(dict.fromkeys(ANIMALS, threading.get_ident))
        assert sorted(finish.name for finish in finishes) == sorted(ANIMALS)
        assert [finish.place for finish in finishes] == list(range(1, 9))
        assert [finish.seconds for finish in finishes] == sorted(finish.seconds for finish in finishes)
        assert all(finish.error is None for finish in finishes)


def test_race_starts_together() -> None:
    """3.2.6 Event race.

    No one starts before all are there; the book's signal may come before its runners wait for it.
    """
    there = threading.Barrier(len(ANIMALS))
    assert len(race({name: lambda: there.wait(30) for name in ANIMALS})) == 8


def test_race_keeps_what_a_runner_raised() -> None:
    """3.2.6 Event race: who fell comes in, too."""
    (finish,) = race({"cow": lambda: int("moo")})
    assert isinstance(finish.error, ValueError)
    assert finish.result is None


def goods(number: int) -> list[Product]:
    """Products a, b, c, ... at 1, 2, 3, ..."""
    return [Product(chr(97 + index), Decimal(index + 1)) for index in range(number)]


def test_market_keeps_every_purchase() -> None:
    """3.2.7 Lock, with, RLock.

    4 buyers x 1,000: all 4,000 are kept, where the book drops one in ten; the audits add up to them.
    """
    said: list[str] = []
    report = run_market(goods(9), seed=1, log=said.append)
    assert report.purchases == 4000
    assert len(report.sales) == 9
    assert report.balanced
    assert sum(sale.quantity for sale in report.sales) == report.quantity > 0
    assert report.total == sum((Decimal(sale.product + 1) * sale.quantity for sale in report.sales), Decimal())
    assert report.most_auditors <= 5
    assert report.sales == run_market(goods(9), seed=1).sales != run_market(goods(9), seed=2).sales
    assert any(line.startswith("(Auditor-product_id=8)") for line in said)
    with pytest.raises(ValueError, match="needs a product"):
        run_market([])


def test_with_lock_and_rlock() -> None:
    """3.2.7 Lock, with, RLock: what the thread holds it may take again; a second thread waits meanwhile."""
    rows: Repository[int] = Repository()
    number = rows.add(1)
    with rows.transaction(), rows.transaction():
        rows.update(number, lambda value: value + 1)
        other = spawn(rows.update, number, lambda value: value * 10)
        with pytest.raises(TimeoutError):
            other.result(timeout=0.05)
    other.result()
    assert rows.get(number) == 20


def test_all_is_a_snapshot() -> None:
    """3.2.7 Lock, with, RLock: the book hands its live dict out of the lock; here the caller's copy stays as it is."""
    rows: Repository[str] = Repository()
    rows.add("a")
    before = rows.snapshot()
    rows.add("b")
    assert before == {0: "a"}


def test_buyers_buy_at_the_same_time() -> None:
    """3.2.7 Lock, with, RLock: started together, joined together; the book joins each before it starts the next."""
    meet = threading.Barrier(4)
    with WorkerGroup() as group:
        workers = [group.start(meet.wait, 30) for _ in range(4)]
    assert sorted(worker.result() for worker in workers) == [0, 1, 2, 3]


def test_semaphore_limits() -> None:
    """3.2.8 semaphore.

    Nine auditors, five at once at most, and five are reached; the book's semaphore is one for each.
    """
    limiter, five, four_left = Limiter(5), threading.Barrier(5), threading.Barrier(4)
    order: list[int] = []
    lock = threading.Lock()

    def audit(number: int) -> None:
        with limiter:
            with lock:
                order.append(number)
                place = len(order)
            (five if place <= 5 else four_left).wait(30)

    with WorkerGroup() as group:
        for number in range(9):
            group.start(audit, number)
    assert limiter.statistics().peak == 5
    assert run_market(goods(9), purchases=50, max_auditors=2).most_auditors <= 2


def test_thread_specific_data(eventually: Callable[..., None]) -> None:
    """3.2.9 thread-local.

    No value yet, then its own, never another's; the book makes a new ``local`` in every thread.
    """
    shared: ThreadContext[int] = ThreadContext()
    meet = threading.Barrier(4)

    def run(number: int) -> tuple[object, int]:
        before = shared.get("data does not have a value yet")
        shared.value = number
        meet.wait(30)  # all have set theirs
        return before, shared.value

    with WorkerGroup() as group:
        workers = [group.start(run, number) for number in range(4)]
    assert [worker.result() for worker in workers] == [("data does not have a value yet", n) for n in range(4)]
