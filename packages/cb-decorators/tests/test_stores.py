"""Stores, one process: the same behaviour of SQLite and a real Redis, and what they do when they cannot."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import sys
import threading
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis
from cb_decorators import DecoratorError, StoreError, StoreUnavailable, UnhashableArgument, cached
from cb_decorators.codec import codec_of
from cb_decorators.policy import Policy
from cb_decorators.shared import Shared, call_of, function_of
from cb_decorators.stores import Claim
from cb_decorators.stores.redis import RedisStore
from cb_decorators.stores.sqlite import SQLiteStore, _close
from decorators_support import Clock, Server, in_threads, join, open_store, until

RUNS: list[object] = []


def note(x: Any, y: int = 2) -> Any:
    """Return what it got, and remember that it ran."""
    RUNS.append(x)
    return [x, y]


async def anote(x: Any) -> Any:
    """Do the same."""
    RUNS.append(x)
    await asyncio.sleep(0)
    return x


@pytest.fixture(autouse=True)
def _no_runs() -> None:
    RUNS.clear()


def test_two_processes_worth_of_caches_share_results(place: str) -> None:
    """What one `cached` made, another finds: every spelling, one run; counted on both sides and in the store."""
    with open_store(place) as store, open_store(place) as other:
        ours, theirs = cached(store=store, ttl=60)(note), cached(store=other, ttl=60)(note)
        assert [ours("a"), theirs(x="a"), theirs("a", y=2), ours("a")] == [["a", 2]] * 4
        assert RUNS == ["a"]
        assert (ours.cache_info()[:2], theirs.cache_info()[:2]) == ((1, 1), (2, 0))
        (stats,) = store.stats()
        assert (stats.entries, stats.bytes, stats.hits, stats.misses) == (1, 7, 3, 1)
        assert stats.function.endswith(".note")


def test_operations(place: str) -> None:
    """contains, put, invalidate, refresh and clear work on what all see."""
    with open_store(place) as store:
        ours, theirs = cached(store=store)(note), cached(store=store)(note)
        ours.put("put", "a")
        assert (theirs.contains("a"), theirs("a")) == (True, "put")
        assert theirs.refresh("a") == ours("a") == ["a", 2]
        assert (theirs.invalidate("a"), ours.invalidate("a"), ours.contains("a")) == (True, False, False)
        ours("b")
        ours("c")
        theirs.cache_clear()
        assert (store.stats(), ours.contains("b")) == ([], False)
        ours("d")
        assert store.clear() == 1


def test_results_expire(place: str) -> None:
    """After their ttl they are made anew; a ttl of 0 for a result keeps nothing."""
    lifetimes: dict[str, float | None] = {"short": 0.001, "never": None, "not": 0}
    with open_store(place) as store:
        ours = cached(store=store, ttl=lambda result: lifetimes[result])(_same)
        for name in lifetimes:
            ours(name)
        until(lambda: not ours.contains("short"))
        assert [ours.contains(name) for name in lifetimes] == [False, True, False]
        ours("short")
        assert ours.cache_info().misses == 4


def _same(x: Any) -> Any:
    return x


def test_a_local_tier(place: str) -> None:
    """With `local_ttl` a process answers from its own memory, for so long at most, never beyond the result's ttl."""
    clock = Clock()
    with open_store(place, local_ttl=5) as store:
        ours = cached(store=store, ttl=60, clock=clock)(note)
        other = cached(store=store, ttl=60, clock=clock)(note)
        for _ in range(3):
            ours("a")
        other("a")
        (stats,) = store.stats()
        assert (stats.hits, stats.misses) == (1, 1)
        ours.put(["new"], "a")
        assert (ours("a"), other("a")) == (["new"], ["a", 2])
        clock.now += 5
        assert other("a") == ["new"]
        ours.put(["newest"], "a")
        short = cached(store=store, ttl=0.5, clock=clock)(_same)
        short("b")
        clock.now += 0.5
        table = short.refresh.__self__._cache.table  # type: ignore[attr-defined]
        assert table.data["b"].expires <= clock.now


def test_coroutine_functions(place: str) -> None:
    """100 tasks, one run; found by another cache; refreshed and failed."""
    with open_store(place) as store:
        ours, theirs = cached(store=store)(anote), cached(store=store)(anote)

        async def main() -> None:
            assert await asyncio.gather(*(ours(1) for _ in range(100))) == [1] * 100
            assert await theirs(1) == 1
            assert await theirs.refresh(1) == 1
            with pytest.raises(StoreError, match="json cannot keep a tuple"):
                await ours((1, 2))

        asyncio.run(main())
        assert RUNS == [1, 1, (1, 2)]


async def afailing(x: int) -> int:
    """Fail."""
    raise ValueError(x)


def test_a_coroutine_function_that_fails(place: str) -> None:
    """Its exception comes through, and the claim is given back; closed in the middle of a run, the lease is let go."""
    with open_store(place, lock_ttl=3600) as store:
        ours = cached(store=store)(afailing)
        for _ in range(2):
            with pytest.raises(ValueError, match="1"):
                asyncio.run(ours(1))
        shared = Shared(store, "f", Policy())
        steps = shared._steps(1, fresh=False)
        next(steps)
        steps.send(Claim("claimed"))
        assert shared._leases._held
        steps.close()
        assert not shared._leases._held


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_uses_the_store_itself(place: str) -> None:
    """With a connection, and renewals, of its own; the parent's go on."""
    with open_store(place) as store:
        ours = cached(store=store)(note)
        ours(1)
        child = os.fork()
        if child == 0:  # pragma: no cover # a child that leaves by os._exit
            os._exit(0 if (ours(1), ours(2)) == ([1, 2], [2, 2]) else 1)
        assert os.waitpid(child, 0) == (child, 0)
        RUNS.clear()
        assert (ours(2), RUNS) == ([2, 2], [])


def test_a_store_that_nobody_closed(tmp_path: Path) -> None:
    """It closes its connection when it goes, but never one that belongs to another process (white box)."""
    store = SQLiteStore(tmp_path / "x")
    store.stats()
    db = store._connection
    assert db is not None
    _close(db, os.getpid() + 1)
    assert db.execute("select 1").fetchone() == (1,)
    del store
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        db.execute("select 1")


def test_a_file_that_others_are_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite calls it locked without waiting: it is tried again; what stays locked is out of order."""
    prepared, says = SQLiteStore._prepared, [sqlite3.OperationalError("database is locked")]

    def slowly_prepared(store: SQLiteStore) -> sqlite3.Connection:
        if says:
            raise says.pop()
        return prepared(store)

    monkeypatch.setattr(SQLiteStore, "_prepared", slowly_prepared)
    with SQLiteStore(tmp_path / "x") as store:
        store.put("gone", "c", b"1", 0)
        assert store.stats() == []
    monkeypatch.setattr("cb_decorators.stores.sqlite._PATIENCE", -1)
    says.append(sqlite3.OperationalError("database is locked"))
    with pytest.raises(StoreUnavailable, match="database is locked"):
        store.stats()


def test_an_exception_gives_the_claim_back(place: str) -> None:
    """The next call runs at once."""
    errors = [ValueError("once")]

    with open_store(place, lock_ttl=3600) as store:
        ours = cached(store=store)(_failing)
        _failing.errors = errors  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match="once"):
            ours(1)
        assert ours(1) == 1


def _failing(x: int) -> int:
    if _failing.errors:  # type: ignore[attr-defined]
        raise _failing.errors.pop()  # type: ignore[attr-defined]
    return x


GO = threading.Event()


def slowly(x: int) -> int:
    """Run until let go."""
    RUNS.append(x)
    assert GO.wait(20)
    return x


def test_one_waits_for_the_other(place: str) -> None:
    """A second cache, as in a second process, waits for the first one's run; renewal keeps the claim meanwhile."""
    GO.clear()
    with open_store(place, lock_ttl=1.5) as one, open_store(place, lock_ttl=1.5) as two:
        caches = iter([cached(store=one)(slowly), cached(store=two)(slowly)])
        results: list[int] = []
        renewed = threading.Event()
        renew = one.renew
        one.renew = lambda *given: (renew(*given), renewed.set())[0]  # type: ignore[method-assign]
        threads = in_threads(1, lambda: results.append(next(caches)(1)))
        until(lambda: RUNS == [1])
        threads += in_threads(1, lambda: results.append(next(caches)(1)))
        assert renewed.wait(20)
        renewed.clear()
        assert renewed.wait(20)
        assert results == []
        GO.set()
        join(threads)
        assert (results, RUNS) == ([1, 1], [1])


def test_a_run_overtaken_publishes_nothing(place: str) -> None:
    """Invalidated, put or cleared by anybody while it runs: the late result is dropped."""
    for overtake in ("delete", "put", "clear"):
        GO.clear()
        RUNS.clear()
        with open_store(place) as store:
            ours = cached(store=store)(slowly)
            threads = in_threads(1, lambda ours=ours: ours(1))
            until(lambda: RUNS == [1])
            function = function_of(slowly)
            if overtake == "put":
                store.put(function, call_of(1), b"5")
            elif overtake == "clear":
                store.clear(function)
            else:
                store.delete(function, call_of(1))
            GO.set()
            join(threads)
            assert ours.contains(1) == (overtake == "put")
            assert ours(1) == (5 if overtake == "put" else 1)
            store.clear()


def test_a_claim_is_a_lease(place: str) -> None:
    """Its owner gone, it ends by itself, and the late owner can neither renew nor publish."""
    with open_store(place, lock_ttl=0.05) as store:
        assert store.claim("f", "c", "gone").state == "claimed"
        until(lambda: store.claim("f", "c", "next").state == "claimed")
        assert not store.renew("f", "c", "gone")
        assert not store.publish("f", "c", "gone", b"late")
        assert not store.contains("f", "c")


def test_runs_that_wait_for_each_other_across_stores_are_found(place: str) -> None:
    """A waits for b, b for c; who is inside of c's run and wants a is told to go on alone."""
    with open_store(place) as store:
        for token in "abc":
            assert store.claim("f", token, token).state == "claimed"
        assert store.claim("f", "b", "x", ["a"]).state == "busy"
        assert store.claim("f", "c", "x", ["b"]).state == "busy"
        assert store.claim("f", "a", "x", ["c"]).state == "alone"
        assert store.claim("f", "a", "x", ["unrelated"]).state == "busy"
        assert store.publish("f", "c", "c", b"1")
        assert store.claim("f", "c", "x", ["b"]).state == "found"
        assert store.claim("f", "a", "x", ["c"]).state == "busy"


def test_crossing_keys_between_two_caches_finish(place: str) -> None:
    """As two processes would: each runs what the other one needs."""
    both = threading.Barrier(2, timeout=20)
    inside = threading.local()

    def body(needs: Any, mine: str, other: str) -> str:
        if not hasattr(inside, "on"):
            inside.on = True
            both.wait()
            needs(other, mine)
        return mine

    with open_store(place) as one, open_store(place) as two:
        caches: list[Any] = []
        for store in (one, two):
            decorated = cached(store=store, key=lambda number, mine, other: mine)(_crossing)
            caches.append(decorated)
        _crossing.body, _crossing.caches = body, caches  # type: ignore[attr-defined]
        calls = iter([(0, "a", "b"), (1, "b", "a")])

        results: list[str] = []

        def start() -> None:
            number, mine, other = next(calls)
            results.append(caches[number](number, mine, other))

        join(in_threads(2, start))
        assert sorted(results) == ["a", "b"]


def _crossing(number: int, mine: str, other: str) -> str:
    needs = _crossing.caches[number]  # type: ignore[attr-defined]
    return _crossing.body(lambda a, b: needs(number, a, b), mine, other)  # type: ignore[attr-defined,no-any-return]


def test_bytes_that_are_no_result_are_replaced(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is under the key: it is computed, said once, and replaced."""
    with open_store(place) as store:
        store.put(function_of(note), call_of((1, 2)), b"\xff garbage")
        ours = cached(store=store)(note)
        assert [ours(1), ours(1)] == [[1, 2]] * 2
    assert RUNS == [1]
    assert [one for one in caplog.messages if "cannot be read and is replaced" in one] == caplog.messages
    assert len(caplog.messages) == 1


def test_a_server_that_is_down_stops_nobody(own_server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Computed here with one warning; `strict` raises; back again, it is used again."""
    caplog.set_level(logging.INFO, "cb_decorators")
    with RedisStore(own_server.url) as store, RedisStore(own_server.url, strict=True) as strict_store:
        ours, strict = cached(store=store)(note), cached(store=strict_store)(note)
        ours(1)
        own_server.stop()
        assert [ours(1), ours(1), ours(2)] == [[1, 2], [1, 2], [2, 2]]
        assert (ours.contains(1), ours.invalidate(1), ours.put([9], 1)) == (False, False, None)
        ours.cache_clear()
        again = cached(store=store)(_same)
        assert not again.invalidate(1)
        again.invalidate.__self__._cache.backing._down_until = 0  # type: ignore[attr-defined]
        assert again(1) == 1
        assert len(caplog.messages) == 2
        assert "note: computing here, the store cannot be used: Redis: " in caplog.messages[0]
        with pytest.raises(StoreUnavailable, match="Redis: "):
            strict(1)
        own_server.start()
        until(lambda: (ours(3), ours.contains(3))[1])
        assert caplog.messages[2].endswith("note: the store answers again")


def test_a_server_that_goes_in_the_middle_of_a_run(own_server: Server) -> None:
    """The caller has its result all the same; a strict one an error, and a failing function its own."""
    GO.clear()
    results: list[object] = []
    with RedisStore(own_server.url) as store, RedisStore(own_server.url, strict=True) as strict_store:
        ours, strict = cached(store=store)(slowly), cached(store=strict_store)(slowly)

        def call_strictly() -> None:
            try:
                strict(2)
            except StoreUnavailable as error:
                results.append(type(error))

        threads = [*in_threads(1, lambda: results.append(ours(1))), *in_threads(1, call_strictly)]
        until(lambda: len(RUNS) == 2)
        own_server.stop()
        GO.set()
        join(threads)
        assert sorted(map(str, results)) == sorted(["1", str(StoreUnavailable)])


def test_a_file_that_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Garbage, or another program's database, is never touched; a folder that is not there stops nobody."""
    garbage, foreign = tmp_path / "garbage", tmp_path / "foreign"
    garbage.write_bytes(b"not a database" * 100)
    with sqlite3.connect(foreign) as db:
        db.execute("create table mine (x)")
    db.close()
    before = foreign.read_bytes()
    with pytest.raises(StoreError, match=r"garbage: file is not a database \(remove the file, or choose another"):
        cached(store=SQLiteStore(garbage))(note)(1)
    with pytest.raises(StoreError, match="a SQLite file of another program"):
        cached(store=SQLiteStore(foreign))(note)(1)
    assert foreign.read_bytes() == before
    assert cached(store=SQLiteStore(tmp_path / "no" / "folder"))(note)(1) == [1, 2]
    assert "unable to open database file" in caplog.text


def test_a_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What does not fit is undone as a whole and stops nobody; what was kept stays."""
    with SQLiteStore(tmp_path / "x") as store:
        ours = cached(store=store)(_same)
        ours("small")
        assert store._connection is not None
        (pages,) = store._connection.execute("pragma page_count").fetchone()
        store._connection.execute(f"pragma max_page_count = {pages}")
        assert ours("x" * 100_000) == "x" * 100_000
        assert "database or disk is full" in caplog.text
        assert store.contains(function_of(_same), call_of("small"))


def test_a_clock_that_is_set_back(tmp_path: Path, clock: Clock) -> None:
    """A result made in what is now the future is not valid."""
    with SQLiteStore(tmp_path / "x", clock=clock) as store:
        store.put("f", "c", b"1", 60)
        assert store.contains("f", "c")
        clock.now -= 1
        assert not store.contains("f", "c")
        assert store.claim("f", "c", "t").state == "claimed"
        clock.now += 62
        store.put("f", "other", b"1")
        assert [one.entries for one in store.stats()] == [1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("json", {"a": [1, 1.5, True, None, "é\ud800"]}),
        ("msgpack", {"a": [1, b"\x00", None, "é"]}),
        ("pickle", ({1: (2, 3)}, {4})),
    ],
)
def test_codecs_give_back_what_they_got(name: str, value: Any) -> None:
    """Exactly, types too."""
    codec = codec_of(name)
    back = codec.loads(codec.dumps(value))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("json", [(1, 2)], "json cannot keep a tuple"),
        ("json", {1: 2}, "json cannot keep a dict with keys that are not strings"),
        ("json", b"x", "json cannot keep a bytes"),
        ("msgpack", {"a": {1}}, "msgpack cannot keep a set"),
        ("pickle", lambda: 1, "pickle cannot keep a function"),
    ],
)
def test_codecs_refuse_what_would_come_back_as_something_else(name: str, value: Any, message: str) -> None:
    """Instead of giving another caller something else than the first had."""
    with pytest.raises(StoreError, match=message):
        codec_of(name).dumps(value)


def test_codecs_that_cannot_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Unknown, or not installed; said when the store is made."""
    with pytest.raises(DecoratorError, match="no codec 'xml'"):
        SQLiteStore(tmp_path / "x", codec="xml")
    monkeypatch.setitem(sys.modules, "msgpack", None)
    with pytest.raises(DecoratorError, match=r"pip install 'cb-decorators\[msgpack\]'"):
        SQLiteStore(tmp_path / "x", codec="msgpack")
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(DecoratorError, match=r"pip install 'cb-decorators\[redis\]'"):
        RedisStore("redis://x")


def test_clients_that_cannot_be() -> None:
    """A URL that is none, a client that decodes."""
    with pytest.raises(DecoratorError, match="nothing://x: "):
        RedisStore("nothing://x")
    with pytest.raises(DecoratorError, match="without decode_responses=True"):
        RedisStore(redis.Redis(decode_responses=True))


def test_keys_are_the_same_in_every_process() -> None:
    """Plain values only, each type by itself; order of a set does not matter."""
    keys = [1, 1.0, True, "1", b"1", None, (1,), ((1,),), (1, "1"), Decimal(1), UUID(int=1), frozenset({1, 2})]
    assert len({call_of(key) for key in keys}) == len(keys)
    assert call_of(frozenset({"b", "a", "c"})) == call_of(frozenset({"c", "b", "a"}))
    assert call_of("\ud800")
    with pytest.raises(UnhashableArgument, match="a object has no form that all processes share"):
        call_of((1, object()))


class Loader:
    """A class with a method."""

    @staticmethod
    def plain(x: int) -> int:
        """Return it."""
        return x

    def load(self, x: int) -> int:
        """Return it."""
        return x


def test_functions_without_a_name_of_their_own(tmp_path: Path) -> None:
    """Lambdas, closures and methods are refused when decorating; with `key` a method is not."""
    around = 5

    def closure(x: int) -> int:
        return x + around

    shared = cached(store=SQLiteStore(tmp_path / "x"))
    with pytest.raises(DecoratorError, match="lambda> has no name that other processes know it by"):
        shared(lambda x: x)
    with pytest.raises(DecoratorError, match=r"closure.. depends on around around it"):
        shared(closure)
    with pytest.raises(DecoratorError, match="instances are not the same in other processes"):
        shared(Loader.load)
    assert shared(Loader.plain)(1) == 1
    assert cached(store=SQLiteStore(tmp_path / "x"), key=lambda self, x: x)(Loader.load)(Loader(), 2) == 2


def test_sizes_and_patterns(server: Server) -> None:
    """Many results of functions whose names are patterns: only those asked for go."""
    store = RedisStore(server.client, prefix="p*")
    for number in range(600):
        store.put("f[a]*", str(number), b"x")
    store.put("fa", "1", b"x")
    store.put("gone", "1", b"x", 0)
    assert [(one.function, one.entries, one.bytes) for one in store.stats()] == [("f[a]*", 600, 600), ("fa", 1, 1)]
    assert store.clear("f[a]*") == 600
    assert store.clear("nothing") == 0
    assert [one.function for one in store.stats()] == ["fa"]
    store.close()
    assert store.contains("fa", "1")
    assert store.publish("f", "c", "nobody", None, inf) is False


def test_a_closed_store_stays_closed(server: Server) -> None:
    """A store that was closed, before or in the middle of a call, opens no connection again."""
    store = RedisStore(server.url)
    renew = store._renew

    def closed_meanwhile(*given: Any) -> Any:
        store.close()
        return renew(*given)

    store._renew = closed_meanwhile
    assert store.renew("f", "c", "t") is False
    with pytest.raises(StoreUnavailable, match="the store is closed"):
        store.contains("f", "c")
    ours = f"addr={server.client.client_info()['addr']} "
    until(lambda: all(f"addr={one['addr']} " == ours for one in server.client.client_list()))


def test_waiting_has_an_end(place: str) -> None:
    """A claim that is not given back is waited for until the time-out; one that is not there not at all."""
    with open_store(place, lock_ttl=60) as store:
        store.wait("f", "c", 60)
        store.claim("f", "c", "t")
        store.wait("f", "c", 0.02)
        assert store.claim("f", "c", "other").state == "busy"
