"""What the chapter gets wrong, as it is right: the errors that no other test is about. README lists all of them."""

from __future__ import annotations

import _thread
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cb_threading import Fetch, Limiter, Policy, Product, Repository, TimerService, Worker, WorkerGroup, fetch, spawn
from cb_threading.market import run_market
from site_on_loopback import Site, page

README = Path(__file__).parent.parent / "README.md"
GOODS = [Product(name, Decimal(price)) for price, name in enumerate("abcdefghi", 1)]


def test_readme_names_a_test_for_each_error() -> None:
    """26 of them, and every test that is named is there."""
    rows = re.findall(r"^\| (\d+) \|.*\| (`test_.*) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 27))
    there = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    named = {name for _, cell in rows for name in re.findall(r"`(\w+)`", cell)}
    assert not {name for name in named if f"def {name}(" not in there}


def test_waiting_takes_no_processor() -> None:
    """3.1: the book waits in ``while ...: pass``, which keeps a core busy. Here the thread sleeps meanwhile."""
    go = threading.Event()
    worker = spawn(go.wait)
    with TimerService() as timers:
        timers.call_later(0.3, go.set)
        before = time.thread_time()
        assert worker.result() is True
        assert time.thread_time() - before < 0.1  # of this thread alone, whatever else the machine does


def test_a_counter_of_all_threads_is_right() -> None:
    """3.1: the book's ``executed_count += 1`` in two threads can lose one; an update of a record cannot."""
    switch = sys.getswitchinterval()
    rows: Repository[int] = Repository()
    counter = rows.add(0)
    sys.setswitchinterval(1e-6)
    try:
        with WorkerGroup() as group:
            group.map(lambda _: rows.update(counter, lambda count: count + 1), range(2000), jobs=4)
    finally:
        sys.setswitchinterval(switch)
    assert rows.get(counter) == 2000


def test_a_thread_that_cannot_be_started_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """3.1: the book's bare ``except`` prints a line for whatever happens. And `_thread` is what `threading` is of."""
    assert threading.get_ident is _thread.get_ident

    def refused(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        spawn(int)


def test_threads_share_memory_and_are_no_processes() -> None:
    """Introduction: one process, one memory. Objects in four groups are a pool of four over one list."""
    objects = list(range(4000))
    groups = [objects[start::4] for start in range(4)]

    def work(group: list[int]) -> tuple[int, int]:
        seen.extend(group)
        return os.getpid(), sum(group)

    seen: list[int] = []
    with WorkerGroup() as workers:
        found = workers.map(work, groups, jobs=4)
    assert {pid for pid, _ in found} == {os.getpid()}
    assert sum(total for _, total in found) == sum(objects)
    assert sorted(seen) == objects


def test_nothing_that_python_warns_of() -> None:
    """3.2.2 to 3.2.5: getName, setName, isDaemon, setDaemon and currentThread go; attributes have come."""
    command = [sys.executable, "-W", "error", "-m", "cb_threading", "recipe"]
    for name in ("info", "workers", "daemon"):
        ran = subprocess.run([*command, name], capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, "")


def test_daemon_is_said_before_the_start() -> None:
    """3.2.3: afterwards it is an error, as the book does not say."""
    go = threading.Event()
    worker = Worker(go.wait, daemon=True)
    assert worker.daemon is True
    worker.start()
    with pytest.raises(RuntimeError):
        worker.daemon = False
    go.set()
    worker.result()


def test_a_fetch_says_how_long_it_took(site: Site, tmp_path: Path) -> None:
    """3.2.3: the book says that its crawler measures the time, and it does not."""
    report = fetch([site.url("/page")], tmp_path / "out", policy=Policy(robots=False))
    assert report.seconds >= report.results[0].seconds > 0


def test_a_long_list_does_not_mean_many_threads(site: Site, engine: str, tmp_path: Path) -> None:
    """3.2.3: the book starts a thread for each URL, and joins it before the next: too many, and one by one."""
    urls = [site.url(f"/{number}") for number in range(60)]
    before = set(threading.enumerate())
    policy = Policy(robots=False, engine=engine, jobs=3, per_host=3)  # type: ignore[arg-type] # a parameter
    with Fetch(urls, tmp_path / "out", policy=policy) as running:
        for result in running:
            assert result.state == "saved"
            names = [thread.name for thread in set(threading.enumerate()) - before]
            ours = [name for name in names if name.startswith(("fetch-", "http-"))]  # the others are the site's
            assert len(ours) <= 4  # for 60 URLs: the engine's, and for http one a transfer
    assert 1 <= site.most <= 3
    assert (tmp_path / "out" / "59").read_bytes() == page("/59")


def test_a_log_line_names_its_thread(tmp_path: Path, cb: Callable[..., Any]) -> None:
    """3.2.3, 3.2.7: the book's formats print another line than it shows, or are an error since Python 3.8."""
    record = logging.LogRecord("market", logging.INFO, "", 0, "in", None, None)
    record.threadName = "Auditor-1"
    assert logging.Formatter("%(threadName)-10s %(message)s").format(record) == "Auditor-1  in"  # as it is printed
    with pytest.raises(ValueError, match="Invalid format"):
        logging.Formatter("[% (levelname)s] (% (threadName)s) % (message)s")
    log = tmp_path / "locking.log"
    assert cb("market", "--purchases", "10", "--log", log).status == 0
    lines = log.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4 + 3 * 9  # a line of each buyer, three of each of the nine auditors
    assert all(re.fullmatch(r"\((Buyer|Auditor)-[\w=]+\) \S.*", line) for line in lines)


def test_ten_thousand_timers_are_one_thread() -> None:
    """3.2.5: a `threading.Timer` is a thread each; and a cancel that comes too late says so."""
    with TimerService(name="ten thousand") as timers:
        for _ in range(10_000):
            handle = timers.call_later(3600, print)
        assert [thread.name for thread in threading.enumerate()].count("ten thousand") == 1
        assert (handle.cancel(), handle.cancel()) == (True, False)


def test_buyers_of_the_market_are_there_together() -> None:
    """3.2.7: the book joins each before the next one starts, so that its lock never had to do anything."""
    meet = threading.Barrier(4)

    def log(line: str) -> None:
        if line.startswith("(Buyer"):
            meet.wait(30)  # broken if the others come only afterwards

    assert run_market(GOODS, purchases=5, log=log).purchases == 20


def test_products_that_are_not_there_are_an_error() -> None:
    """3.2.7: the book picks a number that is none once in ten times, and drops the purchase without a word."""
    shelf: Repository[Product] = Repository()
    numbers = [shelf.add(product) for product in GOODS]
    with pytest.raises(KeyError):
        shelf.get(numbers[-1] + 1)
    with pytest.raises(KeyError):
        shelf.update(numbers[-1] + 1, lambda product: product)


def test_money_is_exact() -> None:
    """3.2.7: 0.1 a piece, in decimals; a float would be 0.30000000000000004 for three."""
    report = run_market([Product("a", Decimal("0.1"))], buyers=["ann"], purchases=100, seed=1)
    assert report.total == Decimal("0.1") * report.quantity == report.sales[0].total


def test_a_step_of_two_is_not_one_step() -> None:
    """3.2.7: a dict is safe for single steps. Check, then act, is two; in a transaction it is one."""
    rows: Repository[int] = Repository()
    seat = rows.add(0)
    taken = Limiter(1)

    def take(me: int) -> bool:
        with rows.transaction() as change:
            if change.get(seat):
                return False
            change.put(seat, me)
            return taken.acquire(timeout=0)

    with WorkerGroup() as group:
        assert group.map(take, range(1, 101), jobs=8).count(True) == 1


def test_a_lock_is_not_re_entrant_and_an_rlock_is() -> None:
    """3.2.7: the book says so and shows nothing; with a Lock the second one would wait for ever."""
    lock, rlock = threading.Lock(), threading.RLock()
    with lock:
        assert lock.acquire(timeout=0.01) is False
    with rlock, rlock:
        assert spawn(rlock.acquire, timeout=0.01).result() is False
