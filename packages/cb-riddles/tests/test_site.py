"""The site as it is served: a real process on a real port."""

from __future__ import annotations

import concurrent.futures
import os
import re
import signal
import sqlite3
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from riddles_support import Visitor, command, serving


def attempts(data: Path) -> list[tuple[str, int, int]]:
    """What is kept, read past the site."""
    with closing(sqlite3.connect(data / "riddles.sqlite3")) as database:
        return database.execute("select player, correct, scored from riddles_attempt order by id").fetchall()


def test_a_visitor_plays(data: Path) -> None:
    """List, riddle, wrong, right over HTTP; hashed style sheets that are kept for long; a policy on every page."""
    with serving("--sample") as (address, process):
        visitor = Visitor(address)
        response, page = visitor.ask("GET", "/riddles/")
        assert response.headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert "<script" not in page
        assert " style=" not in page
        sheet = re.search(r'href="(/static/riddles/main\.[0-9a-f]+\.css)"', page)
        assert sheet
        response, _ = visitor.ask("GET", sheet[1])
        assert "immutable" in response.headers["Cache-Control"]

        response, _ = visitor.answer(1, "A map")
        assert (response.status, response.headers["Location"]) == (303, "/riddles/1/")
        assert "Wrong Answer!" in visitor.ask("GET", "/riddles/1/")[1]
        response, _ = visitor.answer(1, "A piano")
        assert response.headers["Location"] == "/riddles/"
        assert "Nice! Choose another one!" in visitor.ask("GET", "/riddles/")[1]
        assert visitor.ask("GET", "/riddles/99/")[0].status == 404

        visitor.host, real = "evil.example", visitor.host
        with closing(HTTPConnection(real, timeout=60)) as connection:
            connection.request("GET", "/riddles/", headers={"Host": "evil.example"})
            assert connection.getresponse().status == 400

        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0
    assert [(correct, scored) for _, correct, scored in attempts(data)] == [(0, 0), (1, 1)]


def test_the_same_answer_at_once_scores_once(site: Path) -> None:
    """Eight sendings of one right answer at one time: all are kept, one scores, none fails."""
    assert command("sample").returncode == 0
    with serving("--workers", "2") as (address, _):
        visitor = Visitor(address)
        visitor.answer(1, "A map")

        def again(_: int) -> int:
            twin = Visitor(address)
            twin.cookies = dict(visitor.cookies)
            return twin.answer(1, "A piano")[0].status

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert list(pool.map(again, range(8))) == [303] * 8
    kept = attempts(site)
    assert len(kept) == 9
    assert sum(scored for _, _, scored in kept) == 1
    assert len({player for player, _, _ in kept}) == 1


def test_what_was_answered_survives_a_kill(site: Path) -> None:
    """``kill -9`` of all processes right after an answer loses nothing that was acknowledged."""
    assert command("sample").returncode == 0
    with serving() as (address, process):
        statuses = [Visitor(address).answer(1, "A piano")[0].status for _ in range(5)]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
    assert statuses == [303] * 5
    assert [scored for _, _, scored in attempts(site)] == [1] * 5


def test_a_port_that_is_taken_is_said() -> None:
    """One line and the machine's status."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = command("serve", "--port", str(taken.getsockname()[1]))
    assert said.returncode == 3
    assert "Address already in use" in said.stderr
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_the_server(number: int, status: int) -> None:
    """Ctrl-C is interrupted, 130, as in every command; SIGTERM is how a server ends, 0."""
    with serving() as (_, process):
        process.send_signal(number)
        assert process.wait(60) == status


@pytest.mark.usefixtures("site")
def test_a_worker_that_does_not_end_is_killed() -> None:
    """One that is stopped hears no SIGTERM: the server ends all the same, and well."""
    program = "from cb_riddles import __main__; from cb_riddles.site import server; server.STOP_WITHIN = 0.5;"
    with serving(start=("-c", f"{program} __main__.main()")) as (_, process):
        (worker,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(worker), signal.SIGSTOP)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0
    assert not Path(f"/proc/{worker}").exists()


def test_a_developers_server_shows_a_changed_template(site: Path) -> None:
    """``serve --dev`` answers with Django's own server, on this machine alone."""
    assert command("sample").returncode == 0
    with serving("--dev") as (address, _):
        response, page = Visitor(address).ask("GET", "/riddles/")
        assert response.headers["Server"].startswith("WSGIServer")
        assert "<h1>Available Riddles</h1>" in page
        assert "Page not found at" not in page
