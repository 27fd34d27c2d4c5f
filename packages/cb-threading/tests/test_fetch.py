"""What a fetch does with a site that behaves, through both engines."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cb_threading import Fetch, Job, Policy, Report, Result, Retry, StoreError, fetch, verify
from site_on_loopback import Site, body, chunked, compressed, first, head, page, ranged, raw, redirect, status

QUICK = Retry(attempts=3, base=0.001)


def policy(engine: str, **options: Any) -> Policy:
    """Quick retries, no robots unless asked for."""
    return Policy(**{"engine": engine, "retry": QUICK, "robots": False, **options})


def only(report: Report) -> Result:
    """The one result."""
    (result,) = report.results
    return result


def files(folder: Path) -> dict[str, bytes]:
    """All files under a final name."""
    found = (path for path in folder.rglob("*") if path.is_file() and ".cb-threading" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def parts(folder: Path) -> list[str]:
    """What is in the folder of parts."""
    return [path.name for path in (folder / ".cb-threading" / "parts").iterdir()]


def test_site_crawler(site: Site, engine: str, tmp_path: Path) -> None:
    """Every file is byte for byte what the server has; the result says size, hash and status."""
    paths = [f"/{name}.html" for name in ("ar", "br", "co", "cl")]
    report = fetch(map(site.url, paths), tmp_path, policy=policy(engine))
    assert report.ok
    assert files(tmp_path) == {path[1:]: page(path) for path in paths}
    found = next(result for result in report.results if result.path == "br.html")
    assert (found.url, found.state, found.status, found.attempts) == (site.url("/br.html"), "saved", 200, 1)
    assert (found.size, found.sha256) == (3000, hashlib.sha256(page("/br.html")).hexdigest())
    assert found.seconds > 0
    assert report.seconds > 0
    assert parts(tmp_path) == []


def test_several_engine_threads(site: Site, tmp_path: Path) -> None:
    """They share one schedule: the cap of a host holds for all of them together."""
    urls = [site.url(f"/{n}") for n in range(60)]
    report = fetch(urls, tmp_path, policy=policy("curl", threads=3, jobs=12, per_host=2))
    assert report.count("saved") == 60
    assert site.most <= 2
    assert [check.state for check in verify(tmp_path)] == ["ok"] * 60


def test_connections_are_used_again(site: Site, engine: str, tmp_path: Path) -> None:
    """Keep-alive: 40 pages through one connection; the book opens one for each and closes none."""
    report = fetch([site.url(f"/{n}") for n in range(40)], tmp_path, policy=policy(engine, jobs=1))
    assert report.count("saved") == 40
    assert len(site._threads) == 1


def test_an_error_is_a_failure(site: Site, engine: str, tmp_path: Path) -> None:
    """A page that is not there is no file; the book saves the words of the error as the page, and ends with 0."""
    site.routes["/gone"] = status(404)
    report = fetch([site.url("/gone"), site.url("/there")], tmp_path, policy=policy(engine))
    assert not report.ok
    assert files(tmp_path) == {"there": page("/there")}
    bad = next(result for result in report.results if result.state == "failed")
    assert (bad.status, bad.error, bad.attempts) == (404, "status: 404", 1)
    assert json.loads(bad.json())["error"] == "status: 404"


def test_redirects_are_followed(site: Site, engine: str, tmp_path: Path) -> None:
    """The file is named after the URL that was asked for; the result says where it came from."""
    site.routes["/old"] = redirect("/new?x=1")
    site.routes["/new?x=1"] = redirect(site.url("/newest"), 308)
    result = only(fetch([site.url("/old")], tmp_path, policy=policy(engine)))
    assert files(tmp_path) == {"old": page("/newest")}
    assert result.final_url == site.url("/newest")


def test_bodies_are_decoded(site: Site, engine: str, tmp_path: Path) -> None:
    """Gzip and chunks; the file and its hash are of the page itself."""
    site.routes |= {"/packed": compressed(page("/packed", 200_000)), "/chunked": chunked(page("/chunked"))}
    site.routes["/empty"] = body(b"")
    report = fetch([site.url(path) for path in ("/packed", "/chunked", "/empty")], tmp_path, policy=policy(engine))
    assert report.ok
    assert files(tmp_path) == {"packed": page("/packed", 200_000), "chunked": page("/chunked"), "empty": b""}
    assert "gzip" in site.header("/packed")["accept-encoding"]
    fetch([site.url("/plain")], tmp_path, policy=policy(engine, compressed=False))
    assert "gzip" not in site.header("/plain").get("accept-encoding", "")


def test_hints_before_and_trailers_after(site: Site, engine: str, tmp_path: Path) -> None:
    """An answer of 103, or of two, is not the answer; what comes after the last chunk is not its header."""
    hints = 2 * b"HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n"
    chunks = b'4\r\npage\r\n0\r\nContent-Length: 7\r\nETag: "t"\r\n\r\n'
    site.routes["/page"] = raw(hints + head(Transfer_Encoding="chunked") + chunks)
    site.routes["/empty"] = raw(hints + head(Transfer_Encoding="chunked") + chunks[9:])
    report = fetch([site.url("/page"), site.url("/empty")], tmp_path, policy=policy(engine, jobs=1))
    assert report.ok, report
    assert files(tmp_path) == {"page": b"page", "empty": b""}
    assert {result.status for result in report.results} == {200}


def test_long_bodies_go_to_disk_as_they_come(site: Site, engine: str, tmp_path: Path) -> None:
    """2 MB, with and without a length, with and without a hash."""
    data = page("/long", 2_000_000)
    site.routes |= {"/long": body(data), "/chunks": chunked(data)}
    for hashed in (True, False):
        report = fetch(
            [site.url("/long"), site.url("/chunks")], tmp_path / str(hashed), policy=policy(engine, hash=hashed)
        )
        expected = hashlib.sha256(data).hexdigest() if hashed else ""
        assert {result.sha256 for result in report.results} == {expected}
        assert files(tmp_path / str(hashed)) == {"long": data, "chunks": data}


def test_headers_and_name(site: Site, engine: str, tmp_path: Path) -> None:
    """Ours are sent; what is secret goes to no other host."""
    other = Site()
    try:
        site.routes["/away"] = redirect(other.url("/here"))
        secret = (("Authorization", "Basic eDp5"), ("X-Note", "a"), ("User-Agent", "robot/1"))
        assert fetch([site.url("/away")], tmp_path, policy=policy(engine, headers=secret)).ok
        asked = site.header("/away")
        assert (asked["authorization"], asked["x-note"], asked["user-agent"]) == ("Basic eDp5", "a", "robot/1")
        assert "authorization" not in other.header("/here")
        assert other.header("/here")["x-note"] == "a"
        fetch([site.url("/named")], tmp_path, policy=policy(engine, agent="me/2"))
        assert site.header("/named")["user-agent"] == "me/2"
    finally:
        other.end()


def test_the_cap_a_host_holds_and_other_hosts_do_not_wait(site: Site, engine: str, tmp_path: Path) -> None:
    """Two at a time at most with one host, while another one's pages all come."""
    gate = threading.Event()

    def slow(site: Site, connection: Any, asked: Any) -> None:
        site.stalled.release()
        gate.wait(60)
        body(page(asked.path))(site, connection, asked)

    other = Site()
    try:
        site.routes |= {f"/{n}": slow for n in range(6)}
        jobs = [Job(site.url(f"/{n}"), f"slow{n}") for n in range(6)] + [Job(other.url(f"/{n}")) for n in range(20)]
        with Fetch(jobs, tmp_path, policy=policy(engine, per_host=2)) as running:
            results = iter(running)
            quick = [next(results) for _ in range(20)]
            assert {result.url.startswith(other.host) for result in quick} == {True}
            assert site.stalled.acquire(timeout=30)
            assert site.stalled.acquire(timeout=30)
            assert not site.stalled.acquire(timeout=0.05)
            gate.set()
            assert [result.state for result in results] == ["saved"] * 6
        assert site.most == 2
    finally:
        gate.set()
        other.end()


def test_the_delay_a_host_holds(site: Site, engine: str, tmp_path: Path) -> None:
    """Five requests have four delays between them, however many might be under way."""
    report = fetch([site.url(f"/{n}") for n in range(5)], tmp_path, policy=policy(engine, delay=0.06, per_host=5))
    assert report.ok
    assert report.seconds >= 4 * 0.06


def test_robots(site: Site, engine: str, tmp_path: Path) -> None:
    """RFC 9309: asked for once a host, before its pages; what it does not want is not requested."""
    site.routes["/robots.txt"] = body(b"User-agent: *\nDisallow: /private/\nAllow: /private/but$\nCrawl-delay: 0.02\n")
    urls = [site.url(path) for path in ("/private/a", "/private/but", "/public")]
    report = fetch(urls, tmp_path, policy=policy(engine, robots=True))
    assert sorted(result.state for result in report.results) == ["failed", "saved", "saved"]
    bad = next(result for result in report.results if result.state == "failed")
    assert (bad.url, bad.attempts) == (urls[0], 0)
    assert bad.error.startswith("robots: ")
    assert site.asked[0].path == "/robots.txt"
    assert site.paths() == {"/robots.txt": 1, "/private/but": 1, "/public": 1}


def test_robots_of_a_server_in_trouble(site: Site, engine: str, tmp_path: Path) -> None:
    """RFC 9309, 2.3.1.4: a server that cannot tell its rules is left alone; after it has been asked again."""
    site.routes["/robots.txt"] = status(503)
    result = only(fetch([site.url("/page")], tmp_path, policy=policy(engine, robots=True)))
    assert result.error == f"status: 503 (asking for {site.url('/robots.txt')})"
    assert site.paths() == {"/robots.txt": 3}


def test_robots_may_be_elsewhere_and_long(site: Site, engine: str, tmp_path: Path) -> None:
    """Redirects are followed, one that leads nowhere is no rule, and after 500 kB nobody reads on."""
    other = Site()
    try:
        site.routes["/robots.txt"] = redirect("/rules")
        site.routes["/rules"] = body(b"User-agent: *\nDisallow: /a\n" + b"# words\n" * 100_000 + b"Disallow: /b\n")
        other.routes["/robots.txt"] = redirect("ftp://example.com/robots.txt")
        urls = [site.url("/a"), site.url("/b"), other.url("/c")]
        report = fetch(urls, tmp_path, policy=policy(engine, robots=True))
        assert {result.path: result.state for result in report.results} == {"a": "failed", "b": "saved", "c": "saved"}
    finally:
        other.end()


def test_a_second_try_may_succeed(site: Site, engine: str, tmp_path: Path) -> None:
    """Statuses that pass are tried again, with a count of the attempts."""
    site.routes["/flaky"] = first(status(503), status(500), body(b"at last"))
    result = only(fetch([site.url("/flaky")], tmp_path, policy=policy(engine)))
    assert (result.state, result.attempts) == ("saved", 3)
    site.routes["/down"] = status(503)
    result = only(fetch([site.url("/down")], tmp_path, policy=policy(engine)))
    assert (result.state, result.attempts, result.error) == ("failed", 3, "status: 503")


def test_resume_fetches_nothing_twice(site: Site, engine: str, tmp_path: Path) -> None:
    """What an earlier run saved is kept; what was removed, changed or failed is fetched."""
    urls = [site.url(f"/{n}") for n in range(6)]
    site.routes["/5"] = first(status(404), body(b"five"))
    assert fetch(urls, tmp_path, policy=policy(engine)).count("saved") == 5
    (tmp_path / "0").unlink()
    (tmp_path / "1").write_bytes(b"changed")
    os.utime(tmp_path / "2", ns=(1, 1))  # copied, say: another time, the same bytes
    site.asked.clear()
    report = fetch(urls, tmp_path, policy=policy(engine), resume=True)
    assert (report.count("kept"), report.count("saved")) == (3, 3)
    assert set(site.paths()) == {"/0", "/1", "/5"}
    assert [check.state for check in verify(tmp_path)] == ["ok"] * 6
    site.asked.clear()
    assert fetch(urls, tmp_path, policy=policy(engine), resume=True).count("kept") == 6
    assert not site.asked


def test_an_expected_hash_is_kept_to(site: Site, engine: str, tmp_path: Path) -> None:
    """A page that is not the one that the list names is no file."""
    right = hashlib.sha256(page("/a")).hexdigest()
    jobs = [Job(site.url("/a"), sha256=right.upper()), Job(site.url("/b"), sha256=right)]
    site.routes["/b"] = body(page("/b", 400_000))
    report = fetch(jobs, tmp_path, policy=policy(engine))
    assert {result.path: result.state for result in report.results} == {"a": "saved", "b": "failed"}
    assert set(files(tmp_path)) == {"a"}
    assert parts(tmp_path) == []
    bad = next(result for result in report.results if result.state == "failed")
    assert bad.error.startswith("sha256: ")


def test_one_fetch_a_folder(site: Site, engine: str, tmp_path: Path) -> None:
    """A second one is refused while the first is at work, and may come afterwards."""
    with Fetch([site.url("/a")], tmp_path, policy=policy(engine)) as running:
        with pytest.raises(StoreError, match="another fetch is at work"):
            fetch([site.url("/b")], tmp_path, policy=policy(engine))
        assert [result.state for result in running] == ["saved"]
    assert fetch([site.url("/b")], tmp_path, policy=policy(engine)).ok


def test_progress_counts(site: Site, engine: str, tmp_path: Path) -> None:
    """Of all states, with the slowest hosts."""
    site.routes["/2"] = status(404)
    fetch([site.url("/0")], tmp_path, policy=policy(engine))
    with Fetch([site.url(f"/{n}") for n in range(3)], tmp_path, policy=policy(engine), resume=True) as running:
        assert len(list(running)) == 3
        seen = running.progress()
    assert (seen.total, seen.saved, seen.kept, seen.failed, seen.size, seen.active) == (3, 1, 1, 1, 3000, 0)
    assert [host for host, _ in seen.slowest] == [site.host]


def test_stop_from_another_thread(site: Site, engine: str, tmp_path: Path, eventually: Callable[..., None]) -> None:
    """The event ends it as Ctrl-C does; no thread is left, no file is half-written."""
    from site_on_loopback import stall

    site.routes |= {f"/{n}": stall(page(f"/{n}", 50_000), 20_000) for n in range(8)}
    stop = threading.Event()
    before = set(threading.enumerate())

    def press() -> None:
        for _ in range(4):
            site.stalled.acquire(timeout=30)
        stop.set()

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        fetch([site.url(f"/{n}") for n in range(8)], tmp_path, policy=policy(engine, jobs=4), stop=stop)
    presser.join()
    assert files(tmp_path) == {}
    assert parts(tmp_path) == []
    mine = {"fetch", "http"}
    eventually(
        lambda: not [one for one in threading.enumerate() if one not in before and one.name.split("-")[0] in mine],
        "the threads to end",
    )


def test_a_part_is_gone_on_with(site: Site, engine: str, tmp_path: Path) -> None:
    """A long page with a strong validator: the next try asks for the rest only."""
    from site_on_loopback import cut

    data = page("/long", 600_000)
    site.routes["/long"] = first(cut(data, 400_000, ETag='"v1"'), ranged(data))
    result = only(fetch([site.url("/long")], tmp_path, policy=policy(engine)))
    assert (result.state, result.attempts, result.status) == ("saved", 2, 206)
    assert result.sha256 == hashlib.sha256(data).hexdigest()
    asked = site.header("/long")
    assert asked["if-range"] == '"v1"'
    assert asked["accept-encoding"] == "identity"
    start = int(asked["range"].removeprefix("bytes=").removesuffix("-"))
    assert 256 * 1024 < start <= 400_000
    assert files(tmp_path) == {"long": data}
    assert parts(tmp_path) == []


def test_a_part_of_an_earlier_run_is_gone_on_with(site: Site, engine: str, tmp_path: Path) -> None:
    """Also by another engine, and after the page has become another one, when all of it is fetched."""
    from site_on_loopback import cut

    data, other = page("/long", 600_000), page("/other", 600_000)
    for name, answer, expected in (("same", ranged(data), data), ("changed", ranged(other, '"v2"'), other)):
        folder = tmp_path / name
        once = policy("curl" if engine == "http" else "http", retry=Retry(attempts=1))
        site.routes["/long"] = cut(data, 500_000, ETag='"v1"')
        assert only(fetch([site.url("/long")], folder, policy=once)).state == "failed"
        assert len(parts(folder)) == 1
        assert files(folder) == {}
        site.routes["/long"] = answer
        result = only(fetch([site.url("/long")], folder, policy=policy(engine), resume=True))
        assert (result.state, result.status) == ("saved", 206 if name == "same" else 200)
        assert "range" in site.header("/long")
        assert files(folder) == {"long": expected}
        assert parts(folder) == []


def test_a_part_without_resume_is_swept(site: Site, engine: str, tmp_path: Path) -> None:
    """And a weak validator, or none, or a compressed body, leaves none."""
    from site_on_loopback import cut

    data = page("/long", 600_000)
    once = policy(engine, retry=Retry(attempts=1))
    for fields in ({"ETag": 'W/"v1"'}, {}):
        site.routes["/long"] = cut(data, 500_000, **fields)
        fetch([site.url("/long")], tmp_path, policy=once)
        assert parts(tmp_path) == []
    site.routes["/long"] = first(cut(data, 500_000, ETag='"v1"'), body(data))
    fetch([site.url("/long")], tmp_path, policy=once)
    assert len(parts(tmp_path)) == 1
    result = only(fetch([site.url("/long")], tmp_path, policy=once))
    assert result.status == 200
    assert "range" not in site.header("/long")
    assert parts(tmp_path) == []


@pytest.mark.parametrize(
    "answer", ["complete", "nonsense", "other"], ids=["416", "another part", "a part of another page"]
)
def test_a_server_that_is_bad_at_parts(site: Site, engine: str, tmp_path: Path, answer: str) -> None:
    """It is asked for the whole page."""
    from site_on_loopback import cut

    data = page("/long", 600_000)
    wrong = {
        "complete": status(416),
        "nonsense": raw(head(206, Content_Length=5, Content_Range="bytes 7-11/600000") + b"wrong"),
        "other": raw(head(206, Content_Length=5, Content_Range="bytes 500000-500004/600000", ETag='"v2"') + b"wrong"),
    }[answer]
    site.routes["/long"] = first(cut(data, 500_000, ETag='"v1"'), wrong, body(data))
    result = only(fetch([site.url("/long")], tmp_path, policy=policy(engine)))
    assert (result.state, result.status) == ("saved", 200)
    assert files(tmp_path) == {"long": data}
