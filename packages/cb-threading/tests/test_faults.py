"""Everything goes wrong, with real sockets and processes: no wrong file under a final name, no wrong status."""

from __future__ import annotations

import errno
import gzip
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cb_threading import BadInput, Fetch, Policy, Result, Retry, StoreError, Timeout, fetch, verify
from site_on_loopback import (
    Answer,
    Asked,
    Site,
    body,
    chunked,
    compressed,
    cut,
    drip,
    first,
    head,
    page,
    ranged,
    raw,
    redirect,
    stall,
    status,
)
from test_fetch import files, only, parts, policy

pytestmark = pytest.mark.faults

ONCE = Retry(attempts=1)
PAGE = page("/page", 50_000)


def fails(site: Site, engine: str, folder: Path, answer: Answer, **options: Any) -> Result:
    """Fetch a page that cannot be had; no file, no part is left, and the next page comes all the same."""
    site.routes["/page"] = answer
    report = fetch(
        [site.url("/page"), site.url("/next")], folder, policy=policy(engine, **{"retry": ONCE, "jobs": 1, **options})
    )
    by_path = {result.path: result for result in report.results}
    assert by_path["next"].state == "saved", by_path["next"]
    assert files(folder) == {"next": page("/next")}
    assert parts(folder) == []
    assert by_path["page"].state == "failed"
    return by_path["page"]


@pytest.mark.parametrize("size", [3_000, 600_000], ids=["in memory", "on disk"])
def test_short_body(site: Site, engine: str, tmp_path: Path, size: int) -> None:
    """The connection ends before the promised length: where curl, wget and aria2c leave half a file."""
    result = fails(site, engine, tmp_path, cut(page("/page", size), size - 1000))
    assert result.error.startswith("truncated: ")


def test_short_chunks(site: Site, engine: str, tmp_path: Path) -> None:
    """The last chunk does not come."""
    assert fails(site, engine, tmp_path, chunked(PAGE, end=False)).error.split(":")[0] in ("truncated", "reset")


def test_reset(site: Site, engine: str, tmp_path: Path) -> None:
    """The peer's RST in the middle of the body, or in place of an answer."""
    assert fails(site, engine, tmp_path, cut(PAGE, 20_000, reset=True)).error.split(":")[0] in ("reset", "truncated")
    folder = tmp_path / "second"
    assert fails(site, engine, folder, lambda site, connection, asked: site.close(connection)).error.startswith("reset")


def test_a_fault_that_passes_is_tried_again(site: Site, engine: str, tmp_path: Path) -> None:
    """Short, reset, nonsense, then the page."""
    nonsense = raw(b"SSH-2.0\r\n\r\n", close=True)
    site.routes["/page"] = first(cut(PAGE, 100), cut(PAGE, 9, reset=True), nonsense, body(PAGE))
    result = only(fetch([site.url("/page")], tmp_path, policy=policy(engine, retry=Retry(attempts=4, base=0.001))))
    assert (result.state, result.attempts) == ("saved", 4)
    assert files(tmp_path) == {"page": PAGE}


def test_stall(site: Site, engine: str, tmp_path: Path) -> None:
    """Nothing comes any more."""
    short = Timeout(stall=0.8)
    result = fails(site, engine, tmp_path, stall(PAGE, 20_000), timeout=short, jobs=2)
    assert result.error.split(":")[0] == "stall"
    site.routes["/silent"] = lambda site, connection, asked: site.released.wait(60)
    result = only(fetch([site.url("/silent")], tmp_path, policy=policy(engine, timeout=short, retry=ONCE)))
    assert result.error.split(":")[0] in ("stall", "timeout")


def test_slow_loris(site: Site, engine: str, tmp_path: Path) -> None:
    """A byte now and then is a stall, too, in the body and in the header."""
    short = Timeout(stall=0.8)
    assert fails(site, engine, tmp_path, drip(PAGE), timeout=short, jobs=2).error.startswith("stall: ")
    site.routes["/head"] = drip(PAGE, header_too=True)
    result = only(fetch([site.url("/head")], tmp_path, policy=policy(engine, timeout=short, retry=ONCE)))
    assert result.error.split(":")[0] in ("stall", "timeout")


def test_total_time(site: Site, engine: str, tmp_path: Path) -> None:
    """A try has an end, even if bytes come."""
    result = fails(site, engine, tmp_path, drip(PAGE), timeout=Timeout(total=0.8, floor=0), jobs=2)
    assert result.error.startswith("timeout: ")


def test_429_with_retry_after(site: Site, engine: str, tmp_path: Path) -> None:
    """The host is left alone for as long as it says, its other pages too; more than our patience is a failure."""
    site.routes["/page"] = first(status(429, Retry_After=1), body(PAGE))
    urls = [site.url("/page"), site.url("/other")]
    report = fetch(urls, tmp_path, policy=policy(engine, jobs=1, per_host=1))
    assert report.ok
    refused, *later = [asked.when for asked in site.asked]
    assert min(later) - refused >= 1.0
    site.routes["/busy"] = status(503, Retry_After="Fri, 01 Jan 2999 00:00:00 GMT")
    result = only(fetch([site.url("/busy")], tmp_path, policy=policy(engine)))
    assert result.attempts == 1
    assert "asks to come back in" in result.error


def test_redirect_loop(site: Site, engine: str, tmp_path: Path) -> None:
    """Has an end."""
    assert fails(site, engine, tmp_path, redirect("/page")).error == "redirect: more than 10 redirects"
    assert site.paths()["/page"] == 11


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://user:secret@127.0.0.1/", "http://", "//:x"])
def test_redirect_to_where_nobody_goes(site: Site, engine: str, tmp_path: Path, location: str) -> None:
    """Other schemes, passwords, nonsense."""
    assert fails(site, engine, tmp_path, redirect(location)).error.startswith("redirect: ")


def test_wrong_length(site: Site, engine: str, tmp_path: Path) -> None:
    """More bytes than promised: the promised ones are the page, the rest is not the next page's beginning."""
    more = head(Content_Length=5) + b"12345" + head(Content_Length=4) + b"evil"
    site.routes["/page"] = raw(more)
    urls = [site.url("/page"), site.url("/next")]
    assert fetch(urls, tmp_path, policy=policy(engine, jobs=1)).ok
    assert files(tmp_path) == {"page": b"12345", "next": page("/next")}


def test_nonsense(site: Site, engine: str, tmp_path: Path) -> None:
    """Not HTTP; an endless header; a body that is not what its encoding says."""
    for number, answer in enumerate(
        (
            raw(b"SSH-2.0-OpenSSH_9.2\r\n", close=True),
            raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, close=True),
            body(b"not gzip at all", Content_Encoding="gzip"),
            body(gzip.compress(random.Random(1).randbytes(5000))[:-500], Content_Encoding="gzip"),
            body(PAGE, Content_Encoding="br"),
        )
    ):
        result = fails(site, engine, tmp_path / str(number), answer)
        assert result.error.split(":")[0] in ("protocol", "encoding", "reset", "truncated")


def test_gzip_bomb(site: Site, engine: str, tmp_path: Path) -> None:
    """50 MB of zeros in 200 kB: given up at max_bytes, of the decoded body; a long plain one before it is read."""
    bomb = gzip.compress(bytes(50_000_000), compresslevel=1)
    result = fails(site, engine, tmp_path, body(bomb, Content_Encoding="gzip"), max_bytes=1_000_000, retry=Retry())
    assert (result.error, result.attempts) == ("too-large: more than 1000000 bytes", 1)
    result = fails(site, engine, tmp_path, body(PAGE), max_bytes=10_000)
    assert result.error == "too-large: 50000 bytes"
    site.routes["/fits"] = compressed(PAGE)
    assert fetch([site.url("/fits")], tmp_path / "fits", policy=policy(engine, max_bytes=50_000)).ok


def test_dead_dns_and_refused_connections(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page fails, in words; the list goes on. No name server is asked: curl refuses .onion by itself."""

    def nobody(*arguments: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        refused = f"http://127.0.0.1:{listener.getsockname()[1]}/b"
    result = only(fetch([refused], tmp_path, policy=policy(engine)))
    assert result.error.startswith("connect: ")
    assert result.attempts == 3
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    result = only(fetch(["http://nosuch.onion/a"], tmp_path, policy=policy(engine)))
    assert result.error.startswith("dns: ")
    assert result.attempts == 3


@pytest.mark.parametrize("size", [3_000, 600_000], ids=["in memory", "on disk"])
def test_full_disk(
    site: Site, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, eventually: Callable[..., None]
) -> None:
    """Ends the fetch, says so, leaves whole files only; and with room again the rest comes."""
    site.routes |= {f"/{n}": body(page(f"/{n}", size)) for n in range(20)}
    left = 5 * size

    def full(descriptor: int, data: memoryview) -> int:
        nonlocal left
        if left < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left -= len(data)
        return write(descriptor, data)

    write = os.write
    urls = [site.url(f"/{n}") for n in range(20)]
    with monkeypatch.context() as patched:
        patched.setattr("cb_threading.store.os.write", full)
        with pytest.raises(StoreError, match="No space left on device"):
            fetch(urls, tmp_path, policy=policy(engine, jobs=2))
    there = files(tmp_path)
    assert len(there) < 20
    assert all(data == page(f"/{name}", size) for name, data in there.items())
    site.asked.clear()
    assert fetch(urls, tmp_path, policy=policy(engine), resume=True).ok
    assert len(files(tmp_path)) == 20
    assert not {f"/{name}" for name in there} & set(site.paths())


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command, as a user runs it."""
    command = [sys.executable, "-m", "cb_threading", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, **options)


def test_a_limit_of_the_system(site: Site, tmp_path: Path) -> None:
    """A real process that may not write so much: status 3, one line, whole files only."""
    site.routes["/long"] = body(page("/long", 900_000))

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    ran = run("fetch", site.url("/long"), "-o", tmp_path, "--no-robots", preexec_fn=limit)
    assert ran.returncode == 3
    assert ran.stderr.startswith(f"cb-threading: {tmp_path}")
    assert ran.stderr.endswith(": File too large (no file is half-written)\n")
    assert len(ran.stderr.splitlines()) == 1
    assert files(tmp_path) == {}


def test_a_folder_that_cannot_be_written(site: Site, tmp_path: Path) -> None:
    """A file where the folder should be, a folder that is read-only: status 3 before the first request."""
    (tmp_path / "file").write_text("")
    (tmp_path / "closed").mkdir(mode=0o555)
    places = [tmp_path / "file" / "out", *([tmp_path / "closed" / "out"] if os.geteuid() else [])]
    for place in places:
        ran = run("fetch", site.url("/a"), "-o", place)
        assert ran.returncode == 3
        assert ran.stderr.startswith("cb-threading: ")
        assert len(ran.stderr.splitlines()) == 1
    assert not site.asked


@pytest.mark.long
def test_kill_9_at_any_moment(site: Site, tmp_path: Path, count: Callable[[int, int], int]) -> None:
    """Every file under a final name is whole, and ``--resume`` fetches none of them again, and all the rest."""
    sizes = {f"/{n}": 300_000 if n % 10 == 0 else 5_000 + 300 * n for n in range(60)}
    site.routes |= {path: ranged(page(path, size)) for path, size in sizes.items()}
    expected = {path[1:]: page(path, size) for path, size in sizes.items()}
    (tmp_path / "urls.txt").write_text("".join(f"{site.url(path)}\n" for path in sizes))
    chance = random.Random()
    for number in range(count(6, 200)):
        folder = tmp_path / f"run-{number}"
        words = ["fetch", str(tmp_path / "urls.txt"), "-o", str(folder), "--no-robots", "--per-host", "4", "--resume"]
        words += ["--engine", ("curl", "http")[number % 2]]
        for _ in range(2):
            with subprocess.Popen(
                [sys.executable, "-m", "cb_threading", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
            ) as process:
                assert process.stdout is not None
                threading.Event().wait(chance.uniform(0.1, 0.4))  # the moment
                process.kill()
                process.communicate()
            there = files(folder) if folder.exists() else {}
            assert {name: data == expected[name] for name, data in there.items()} == dict.fromkeys(there, True)
        site.asked.clear()
        ran = run(*words)
        assert ran.returncode == 0, ran.stderr
        assert files(folder) == expected
        assert not {f"/{name}" for name in there} & set(site.paths())
        assert all(check.state == "ok" for check in verify(folder))
        assert parts(folder) == []


def test_ctrl_c(site: Site, engine: str, tmp_path: Path) -> None:
    """With 64 transfers under way: status 130, one line, and nothing half-written."""
    site.routes |= {f"/{n}": stall(page(f"/{n}"), 1500) for n in range(64)}
    (tmp_path / "urls").write_text("".join(f"{site.url(f'/{n}')}\n" for n in range(64)))
    words = ["fetch", tmp_path / "urls", "-o", tmp_path / "out", "--no-robots", "--per-host", "64", "--engine", engine]
    with subprocess.Popen(
        [sys.executable, "-m", "cb_threading", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for _ in range(64):
            assert site.stalled.acquire(timeout=30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert err == "cb-threading: interrupted: 0 of 64 are there, complete (--resume goes on with the rest)\n"
    assert files(tmp_path / "out") == {}
    assert parts(tmp_path / "out") == []


def test_sigterm_is_as_clean(site: Site, tmp_path: Path) -> None:
    """As Ctrl-C."""
    site.routes["/a"] = stall(PAGE, 1500)
    command = [sys.executable, "-m", "cb_threading", "fetch", site.url("/a"), "-o", str(tmp_path), "--no-robots"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert site.stalled.acquire(timeout=30)
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in err


def test_a_torn_journal(site: Site, engine: str, tmp_path: Path) -> None:
    """Half a line at its end, nonsense within: what it would have said is found out again."""
    urls = [site.url(f"/{n}") for n in range(4)]
    fetch(urls, tmp_path, policy=policy(engine))
    journal = tmp_path / ".cb-threading" / "journal.jsonl"
    whole = journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    journal.write_bytes(
        b'[1]\n{"part": 1}\n{"state": "saved"}\n' + lines[0] + b"\xff\n" + lines[1] + lines[2] + lines[3][:30]
    )
    (tmp_path / "torn").write_bytes(b"")
    torn = {"0", "1", "2", "3"} - {name for name in "0123" if f'"path":"{name}"'.encode() in b"".join(lines[:3])}
    site.asked.clear()
    report = fetch(urls, tmp_path, policy=policy(engine), resume=True, force=True)
    assert report.count("kept") == 3
    assert set(site.paths()) == {f"/{name}" for name in torn}
    assert fetch(urls, tmp_path, policy=policy(engine), resume=True).count("kept") == 4


def test_tls_is_verified(nginx: Any, engine: str, tmp_path: Path) -> None:
    """A certificate that nobody vouches for is a failure, at once; with its authority given, the page comes."""
    (nginx.www / f"tls-{engine}.txt").write_bytes(PAGE)
    url = f"{nginx.tls}/tls-{engine}.txt"
    result = only(fetch([url], tmp_path, policy=policy(engine)))
    assert (result.state, result.attempts) == ("failed", 1)
    assert result.error.startswith("tls: ")
    assert fetch([url], tmp_path, policy=policy(engine, ca=nginx.ca)).ok
    assert files(tmp_path) == {f"tls-{engine}.txt": PAGE}
    wrong_name = url.replace("127.0.0.1", "127.0.0.2")
    assert (
        only(fetch([wrong_name], tmp_path / "wrong", policy=policy(engine, ca=nginx.ca, retry=ONCE))).state == "failed"
    )
    with pytest.raises(BadInput, match=r"none: No such file or directory \(the certificates to trust\)"):
        fetch([url], tmp_path, policy=policy(engine, ca=str(tmp_path / "none")))


def test_http_2(nginx: Any, tmp_path: Path) -> None:
    """Spoken by the curl engine, where the server does."""
    (nginx.www / "two.txt").write_bytes(PAGE)
    assert fetch([f"{nginx.tls}/two.txt"], tmp_path, policy=policy("curl", ca=nginx.ca)).ok
    assert "HTTP/2.0 /two.txt" in nginx.lines()


def test_nginx_resumes(nginx: Any, engine: str, tmp_path: Path, eventually: Callable[..., None]) -> None:
    """A real server's validators: 4 MB broken off in the middle, gone on with."""
    data = random.Random(1).randbytes(4_000_000)
    name = f"slow/big-{engine}.bin"
    (nginx.www / "slow").mkdir(exist_ok=True)
    (nginx.www / name).write_bytes(data)
    with Fetch([f"{nginx.plain}/{name}"], tmp_path, policy=policy(engine)):
        eventually(lambda: parts(tmp_path) or files(tmp_path), "the body's beginning")
    result = only(fetch([f"{nginx.plain}/{name}"], tmp_path, policy=policy(engine), resume=True))
    assert result.state in ("saved", "kept")  # kept: on a very busy machine it was complete when we looked
    assert files(tmp_path) == {name: data}


def test_a_proxy(site: Site, nginx: Any, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For http it is asked for the whole URL, for https it is a tunnel; given by hand or by the environment."""
    (nginx.www / f"tunnel-{engine}.txt").write_bytes(PAGE)
    secure = f"{nginx.tls}/tunnel-{engine}.txt"
    site.routes[nginx.tls.removeprefix("https://")] = tunnel
    site.routes["http://nosuch.example/page"] = body(b"by proxy")
    urls = ["http://nosuch.example/page", secure]
    report = fetch(urls, tmp_path, policy=policy(engine, proxy=site.host.replace("//", "//me:pw@"), ca=nginx.ca))
    assert report.ok, report
    assert files(tmp_path) == {"page": b"by proxy", f"tunnel-{engine}.txt": PAGE}
    assert site.header("http://nosuch.example/page")["proxy-authorization"] == "Basic bWU6cHc="
    monkeypatch.setenv("http_proxy", site.host)
    assert fetch(urls[:1], tmp_path / "second", policy=policy(engine)).ok
    monkeypatch.setenv("no_proxy", "nosuch.example")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(socket.gaierror("no")))
    if engine == "http":
        assert only(fetch(urls[:1], tmp_path / "third", policy=policy(engine, retry=ONCE))).error.startswith("dns: ")


def tunnel(site: Site, connection: socket.socket, asked: Asked) -> None:
    """CONNECT: bytes go through, in both directions."""
    name, _, port = asked.path.rpartition(":")
    with socket.create_connection((name, int(port)), timeout=60) as target:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

        def back() -> None:
            while data := target.recv(65536):
                connection.sendall(data)

        thread = threading.Thread(target=back)
        thread.start()
        while data := connection.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_policy_makes_sense(tmp_path: Path) -> None:
    """Nothing is not a number of transfers, and a hash that is asked for must be computed."""
    from cb_threading import Job

    with pytest.raises(BadInput, match="1 or more"):
        fetch(["http://127.0.0.1/"], tmp_path, policy=Policy(jobs=0))
    with pytest.raises(BadInput, match="501 jobs are too many"):
        fetch(["http://127.0.0.1/"], tmp_path, policy=Policy(jobs=501))
    with pytest.raises(BadInput, match="leave the hash on"):
        fetch([Job("http://127.0.0.1/", sha256="0" * 64)], tmp_path, policy=Policy(hash=False))
