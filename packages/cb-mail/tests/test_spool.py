"""The spool: what was acknowledged is not lost, what may have been delivered is named, whatever is killed when."""

from __future__ import annotations

import queue
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cb_mail import Address, Client, ConnectError, Message, RawMessage, Spool, SpoolError, Template, TemplateError
from cb_mail.merge import Pace, deliver, merge_key, outcomes, write_results
from cb_mail.testing import Server
from mail_support import FULL, until

WORKER = Path(__file__).parent / "spool_worker.py"
TEMPLATE = Template(
    "shop@example.com", "{{ name }} <{{ mail }}>", "Order {{ id }}", "Dear {{ name }}\n", "<p>{{ name }}"
)


def rows(count: int) -> list[dict[str, Any]]:
    """Make rows."""
    return [{"name": f"Ann {n}", "mail": f"r{n}@example.org", "id": n} for n in range(count)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a spool may be."""
    return tmp_path / "spool.sqlite"


def test_put_and_sent(path: Path) -> None:
    """A message that was put is there after the file was closed, is sent, and its results are kept."""
    message = Message("a@example.com", ["b@example.org", "bad@example.org"], "Hello", "text", bcc="c@example.org")
    with Spool(path) as spool:
        number = spool.put(message)
    assert path.stat().st_mode & 0o777 == 0o600
    with Server(faults=["RCPT:550:bad@*"]) as server, Spool(path) as spool:
        (entry,) = spool.entries()
        assert (entry.id, entry.state, entry.subject, entry.message_id) == (
            number,
            "queued",
            "Hello",
            message.message_id,
        )
        assert spool.content(number) == message.as_bytes()
        with Client(server.url) as client:
            totals = spool.run(client)
        assert (totals.accepted, totals.refused) == (2, 1)
        (caught,) = server.wait(1)
        assert caught.recipients == ("b@example.org", "c@example.org")
        assert caught.data == message.as_bytes()
        entry = spool.entry(number)  # type: ignore[assignment]
        assert entry.state == "done"
        assert {one.recipient: one.state for one in entry.results}["bad@example.org"] == "refused"


def test_deferred_is_tried_later_for_those_alone(path: Path) -> None:
    """Who was accepted does not get it again; who was deferred gets it when it is due."""
    message = Message("a@example.com", ["b@example.org", "later@example.org"], "Hello", "text")
    with Server(faults=["RCPT:451:later@*"]) as server, Spool(path) as spool, Client(server.url) as client:
        number = spool.put(message)
        assert spool.run(client).deferred == 1
        entry = spool.entry(number)
        assert entry
        assert (entry.state, entry.recipients, entry.attempts) == ("queued", ("later@example.org",), 1)
        assert entry.due > entry.made
        assert spool.run(client).deferred == 0  # not due yet
        assert spool.retry() == 1
    with Server() as server, Spool(path) as spool, Client(server.url) as client:
        assert spool.run(client).accepted == 1
        assert server.wait(1)[0].recipients == ("later@example.org",)
        assert [one.recipient for one in spool.entry(number).results] == ["b@example.org", "later@example.org"]  # type: ignore[union-attr]


def test_given_up_after_five_days(path: Path) -> None:
    """What is deferred for so long is refused at last."""
    with Server(faults=["RCPT:451"]) as server, Spool(path) as spool, Client(server.url) as client:
        number = spool.put(Message("a@example.com", "b@example.org", "s", "t"))
        spool._db.execute("UPDATE messages SET made = made - 6 * 86400")
        spool.run(client)
        (result,) = spool.entry(number).results  # type: ignore[union-attr]
        assert (result.state, result.code) == ("refused", 451)
        assert "given up after 5 days" in result.text


def test_a_merge_is_all_or_nothing(path: Path) -> None:
    """A row that makes no message: nothing is kept."""
    with Spool(path) as spool:
        with pytest.raises(TemplateError, match="row 3: there is no column 'mail'"):
            spool.put_merge(TEMPLATE, [*rows(2), {"name": "x", "id": 1}], key="k")
        assert list(spool.entries()) == []
        assert spool.find_merge("k") is None


def test_a_merge_keeps_what_it_is_made_of(path: Path, tmp_path: Path) -> None:
    """Template and files may be gone: what was put is sent as it was."""
    file = tmp_path / "terms.txt"
    file.write_text("terms")
    template = Template("a@b.c", "{{ mail }}", "s {{ id }}", "t", attachments=["terms.txt"], folder=tmp_path)
    with Spool(path) as spool:
        merge = spool.put_merge(template, rows(3), key=merge_key(template, rows(3)))
        expected = [spool.content(entry.id) for entry in spool.entries(merge=merge)]
    file.unlink()
    with Server() as server, Spool(path) as spool, Client(server.url) as client:
        assert spool.run(client, merge=merge).accepted == 3
        without = [[line for line in one.data.split(b"\r\n") if b"=_" not in line] for one in server.wait(3)]
    assert without == [[line for line in one.split(b"\r\n") if b"=_" not in line] for one in expected]


def test_a_file_of_a_row_that_has_gone(path: Path, tmp_path: Path) -> None:
    """That row is refused with the reason; the others go."""
    for number in range(3):
        (tmp_path / f"bill-{number}.txt").write_text("bill")
    template = Template("a@b.c", "{{ mail }}", "s", "t", attachments=["bill-{{ id }}.txt"], folder=tmp_path)
    with Server() as server, Spool(path) as spool, Client(server.url) as client:
        spool.put_merge(template, rows(3), key="k")
        (tmp_path / "bill-1.txt").unlink()
        assert spool.run(client).accepted == 2
        found = {one["recipient"]: one for one in outcomes(spool.entries())}
        assert "bill-1.txt" in found["r1@example.org"]["text"]


@pytest.mark.parametrize("window", [1, 2, 16] if FULL else [1, 16])
@pytest.mark.parametrize("hide", [(), ("CHUNKING",)], ids=["chunking", "pipelining"])
@pytest.mark.faults
def test_killed_at_any_moment(path: Path, window: int, hide: tuple[str, ...]) -> None:
    """Kill -9 again and again: nothing lost, nothing twice but what was named as unknown, at most a window of it."""
    most = FULL and window == 16 and not hide
    count = 10_000 if most else 1000 if FULL else 80
    kills, left, seen, target = 0, count, 0, 0
    unknown: set[str] = set()
    victims: queue.Queue[subprocess.Popen[bytes]] = queue.Queue()

    def kill_at_the_target() -> None:
        nonlocal seen
        seen += 1
        if seen == target:
            victims.get(timeout=60).kill()  # the message is kept, and its answer not yet sent

    with Server(hide=hide) as server:
        server.store.changed = kill_at_the_target
        with Spool(path) as spool:
            spool.put_merge(TEMPLATE, rows(count), key="k")
        while True:
            target = seen + min(left, random.randrange(1, 50 if FULL else 40))
            worker = subprocess.Popen([sys.executable, WORKER, path, server.url, str(window)])
            victims.put(worker)
            assert worker.wait(60) == -signal.SIGKILL
            until(lambda: server.connections == 0)  # what the kernel still had of it is taken
            kills += 1
            with Spool(path) as spool:
                spool.recover()
                held = {entry.message_id for entry in spool.entries(state="unknown")}
                left = sum(1 for _ in spool.entries(state="queued"))
            assert len(held - unknown) <= window
            unknown |= held
            if not left:
                break
        ids = Counter(
            line.partition(b": ")[2].decode()
            for one in server.messages
            for line in one.data.split(b"\r\n")
            if line.startswith(b"Message-ID: ")
        )
        with Spool(path) as spool:
            done = {entry.message_id for entry in spool.entries(state="done")}
            everything = {entry.message_id for entry in spool.entries()}
    assert kills >= (200 if most else 2)
    assert max(ids.values()) == 1
    assert done | unknown == everything
    assert done <= set(ids)


def test_unknown_is_held_until_somebody_decides(path: Path) -> None:
    """Held by default, released by hand, or sent again where that is said."""
    message = Message("a@example.com", "b@example.org", "s", "t")
    with Server(faults=["EOM:cut:first=2"]) as server, Spool(path) as spool, Client(server.url) as client:
        number = spool.put(message)
        assert spool.run(client).unknown == 1
        assert spool.run(client).accepted == 0
        assert spool.entry(number).state == "unknown"  # type: ignore[union-attr]
        assert spool.release(number) == 1
        assert spool.run(client).unknown == 1
        assert spool.run(client, on_unknown="resend").accepted == 1
        assert spool.remove() == 1
        assert list(spool.entries()) == []


def test_a_server_that_goes_away(path: Path) -> None:
    """What was not sent stays queued, and does not count as an attempt."""
    with Spool(path) as spool:
        for number in range(3):
            spool.put(Message("a@example.com", "b@example.org", f"{number}", "t"))
        with Server() as server:
            url = server.url
        with pytest.raises(ConnectError), Client(url) as client:
            spool.run(client)
        assert [(entry.state, entry.attempts, entry.due) for entry in spool.entries()] == [("queued", 0, 0.0)] * 3


def test_several_senders_share_it(path: Path, tmp_path: Path) -> None:
    """Four connections at once: each message once, and a results file that has all of them."""
    with Server() as server:
        with Spool(path) as spool:
            merge = spool.put_merge(TEMPLATE, rows(200), key="k")
        told: list[object] = []
        totals = deliver(path, lambda: Client(server.url, window=8), connections=4, progress=told.append)
        assert (totals.accepted, len(told)) == (200, 200)
        receivers = [one for message in server.messages for one in message.recipients]
        assert sorted(receivers) == sorted(f"r{n}@example.org" for n in range(200))
    with Spool(path) as spool:
        for name in ("r.csv", "r.jsonl"):
            assert write_results(spool.entries(merge=merge), tmp_path / name) == 200
            lines = (tmp_path / name).read_text().splitlines()
            assert len(lines) == 200 + (name == "r.csv")
            assert "accepted" in lines[-1]


def test_several_senders_keep_a_limit(path: Path) -> None:
    """Seven over three connections are seven, not three times three."""
    with Server() as server:
        with Spool(path) as spool:
            spool.put_merge(TEMPLATE, rows(20), key="k")
        assert deliver(path, lambda: Client(server.url), connections=3, limit=7).accepted == 7
        assert len(server.messages) == 7


def test_processes_at_once(path: Path) -> None:
    """Two processes send from one spool: nothing twice, and none takes what the other one has under way."""
    with Server() as server:
        with Spool(path) as spool:
            spool.put_merge(TEMPLATE, rows(300), key="k")
        line = [sys.executable, WORKER, path, server.url, "8"]
        workers = [subprocess.Popen(line, stdout=subprocess.DEVNULL) for _ in range(2)]
        assert [worker.wait(60) for worker in workers] == [0, 0]
        receivers = Counter(one for message in server.messages for one in message.recipients)
    assert len(receivers) == 300
    assert set(receivers.values()) == {1}


def test_limits_and_pace(path: Path) -> None:
    """So many at most; at a rate, evenly, also between threads."""
    with Server() as server, Spool(path) as spool, Client(server.url, window=4) as client:
        spool.put_merge(TEMPLATE, rows(10), key="k")
        assert spool.run(client, limit=3).accepted == 3
        waits: list[float] = []

        def pace() -> float:
            waits.append(0.001 if len(waits) % 2 == 0 else 0.0)
            return waits[-1]

        assert spool.run(client, pace=pace).accepted == 7
        assert len(waits) == 14
    now = [100.0]
    steps = Pace(60, 60, clock=lambda: now[0])
    assert [steps(), steps()] == [0.0, 1.0]
    now[0] += 1.0
    assert [steps(), steps()] == [0.0, 1.0]


def test_what_is_no_spool(tmp_path: Path) -> None:
    """Another program's file is not touched; a folder is one line."""
    foreign = tmp_path / "foreign"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    before = foreign.read_bytes()
    with pytest.raises(SpoolError, match="of another program"):
        Spool(foreign)
    assert foreign.read_bytes() == before
    (tmp_path / "text").write_text("no database, " * 100)
    with pytest.raises(SpoolError, match="not a database"):
        Spool(tmp_path / "text")
    with pytest.raises(SpoolError, match="Is a directory"):
        Spool(tmp_path)
    with Spool(tmp_path / "new") as spool, pytest.raises(SpoolError, match="no message 7"):
        spool.content(7)


def test_a_full_disk(path: Path) -> None:
    """No room: an error, and what was there is there."""
    with Spool(path) as spool:
        spool.put(Message("a@example.com", "b@example.org", "first", "t"))
        pages = spool._db.execute("PRAGMA page_count").fetchone()[0]
        spool._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(SpoolError, match="full"):
            spool.put(Message("a@example.com", "b@example.org", "second", "t" * 1_000_000))
        assert [entry.subject for entry in spool.entries()] == ["first"]


def test_raw_messages_are_kept_as_they_are(path: Path) -> None:
    """Byte for byte, with nobody as the sender."""
    data = b"From: x@example.com\r\nTo: y@example.org\r\nMessage-ID: <1@x>\r\n\r\nbody \xc3\xa4\r\n"
    with Server() as server, Spool(path) as spool, Client(server.url) as client:
        spool.put(RawMessage(data, None, (Address("b@example.org"),)))
        assert spool.run(client).accepted == 1
        assert (server.wait(1)[0].data, server.messages[0].sender) == (data, "")


def test_a_runner_that_lives_keeps_what_it_has(path: Path) -> None:
    """Recovery by another process takes nothing from one that is still at work."""
    with Server(faults=["EOM:delay=0.5:first=1"]) as server:
        with Spool(path) as spool:
            spool.put(Message("a@example.com", "b@example.org", "s", "t"))

        def work() -> None:
            with Spool(path) as mine, Client(server.url) as client:
                mine.run(client)

        thread = threading.Thread(target=work)
        thread.start()
        with Spool(path) as other:
            until(lambda: list(other.entries(state="in_flight")))
            assert other.recover() == 0
            thread.join()
            assert [entry.state for entry in other.entries()] == ["done"]


def test_interrupted_between_two_statements(path: Path) -> None:
    """A transaction that Ctrl-C has left open does not stop the next one, and comes to nothing."""
    with Spool(path) as spool:
        number = spool.put(Message("a@b.c", "b@b.c", "s", "t"))
        spool._db.execute("BEGIN IMMEDIATE")
        spool._db.execute("DELETE FROM messages")
        assert spool.retry() == 0
        assert spool.entry(number) is not None


def test_a_server_without_8bitmime(path: Path) -> None:
    """What was made for 8 bits is made anew for a server that takes 7."""
    with Server(hide=["8BITMIME", "SMTPUTF8"]) as server, Spool(path) as spool, Client(server.url) as client:
        spool.put_merge(
            Template("a@b.c", "{{ mail }}", "s", "Grüße aus der Ferne, lange nicht gesehen"), rows(2), key="k"
        )
        assert spool.run(client).accepted == 2
        assert all(one.data.isascii() and b"Gr=C3=BC=C3=9Fe" in one.data for one in server.wait(2))


def test_what_was_said_of_those_who_wait(path: Path) -> None:
    """The results name the server's words for a receiver who was deferred, too."""
    with Server(faults=["RCPT:451"]) as server, Spool(path) as spool, Client(server.url) as client:
        spool.put(Message("a@b.c", "b@b.c", "s", "t"))
        assert spool.run(client).deferred == 1
        (row,) = outcomes(spool.entries())
        assert (row["state"], row["code"], row["enhanced"]) == ("deferred", 451, "4.0.0")
        assert row["text"] == "As you wished: RCPT"
