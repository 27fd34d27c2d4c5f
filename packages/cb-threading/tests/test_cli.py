"""The command, in this process; and what only a process of its own can show."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cb_threading
import pytest
from site_on_loopback import Site, page, status
from test_fetch import files

Cb = Callable[..., Any]


def rows(text: str) -> list[dict[str, Any]]:
    """JSON Lines."""
    return [json.loads(line) for line in text.splitlines()]


def test_version() -> None:
    """``--version`` prints the package's version and nothing else."""
    command = [sys.executable, "-m", "cb_threading", "--version"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == f"cb-threading, version {cb_threading.__version__}\n"


def test_help_names_every_command_and_each_has_an_example(cb: Cb) -> None:
    """One that works when pasted."""
    ran = cb("--help")
    assert ran.status == 0
    for command in ("fetch", "verify", "race", "market", "after", "every", "recipe", "doctor", "export scrapy"):
        assert command.split()[0] in ran.out
        assert "cb-threading " in cb(*command.split(), "--help").out.partition("Example")[2]
    assert cb().status == 2
    assert cb("recipe").err.count("\n") == 1
    assert cb("fetch", "", "-o", "x").err == "cb-threading: argument 1 is empty (a list, or a URL with http://)\n"
    assert cb("nonsense").err == "cb-threading: No such command 'nonsense' (see cb-threading --help)\n"


def test_fetch_from_everywhere(cb: Cb, site: Site, tmp_path: Path) -> None:
    """URLs as words, a text file, CSV, JSON Lines and stdin, in one run; results as JSON Lines."""
    (tmp_path / "a.txt").write_text(f"{site.url('/text')}\n")
    (tmp_path / "a.csv").write_text(f"url,path\n{site.url('/csv')},own/name\n")
    (tmp_path / "a.jsonl").write_text(json.dumps({"url": site.url("/jsonl")}))
    out = tmp_path / "out"
    sources = [site.url("/word"), tmp_path / "a.txt", tmp_path / "a.csv", tmp_path / "a.jsonl", "-"]
    ran = cb("fetch", *sources, "-o", out, stdin=f"{site.url('/stdin')}\n")
    assert ran.status == 0
    assert {row["path"] for row in rows(ran.out)} == {"word", "text", "own/name", "jsonl", "stdin"}
    assert files(out)["own/name"] == page("/csv")
    assert ran.err.startswith("cb-threading: 5 saved, 0 failed, ")
    ran = cb("fetch", site.url("/word"), "-o", out, "--resume", "--format", "text", "--quiet")
    assert (ran.out, ran.err) == ("kept    word  3000\n", "")


def test_fetch_tells_the_truth(cb: Cb, site: Site, tmp_path: Path) -> None:
    """1 if something failed, 2 for a bad list, before the first request; 3 for the disk; one line each."""
    site.routes["/gone"] = status(404)
    ran = cb("fetch", site.url("/gone"), site.url("/ok"), "-o", tmp_path / "o", "--format", "text")
    assert ran.status == 1
    assert f"failed  {site.url('/gone')}  status: 404\n" in ran.out
    site.asked.clear()
    (tmp_path / "bad.txt").write_bytes(b"http://a/\nhttp://b/\xff\n")
    (tmp_path / "twice.txt").write_text(f"{site.url('/x')}\n{site.url('/x?')}\nhttp://127.0.0.1/x\n")
    (tmp_path / "file").write_text("")
    for words, code, message in (
        ([tmp_path / "bad.txt", "-o", tmp_path / "o"], 2, f"{tmp_path}/bad.txt:2:10: not UTF-8"),
        ([tmp_path / "twice.txt", "-o", tmp_path / "o"], 2, f"{tmp_path}/twice.txt:3:1: http://127.0.0.1/x would over"),
        ([tmp_path / "none.txt", "-o", tmp_path / "o"], 2, f"{tmp_path}/none.txt: No such file"),
        (["http://a/", "-o", tmp_path / "file"], 3, f"{tmp_path}/file"),
        (["http://a/", "-o", tmp_path / "o", "--ca", tmp_path / "file"], 2, f"{tmp_path}/file: no certificate in it ("),
        (["http://a/"], 2, "Missing option '-o'"),
        ([], 2, "Nothing to fetch"),
        (["http://a/", "-o", "x", "--delay", "soon"], 2, "Invalid value for '--delay': 'soon' is not a duration"),
        (["http://a/", "-o", "x", "--max-bytes", "much"], 2, "Invalid value for '--max-bytes': 'much' is not a size"),
        (["http://a/", "-o", "x", "--header", "nonsense"], 2, "Invalid value for --header: 'nonsense' is not NAME"),
    ):
        ran = cb("fetch", *words)
        assert (ran.status, ran.out) == (code, ""), words
        assert ran.err.startswith(f"cb-threading: {message}"), ran.err
        assert len(ran.err.splitlines()) == 1
    assert not site.asked


def test_a_file_that_is_not_ours_is_not_replaced(cb: Cb, site: Site, tmp_path: Path) -> None:
    """Unless told to."""
    (tmp_path / "a").write_text("precious")
    ran = cb("fetch", site.url("/a"), "-o", tmp_path)
    assert ran.status == 2
    assert ran.err == f"cb-threading: {tmp_path}/a is there, and not from here (--force replaces it)\n"
    assert (tmp_path / "a").read_text() == "precious"
    assert cb("fetch", site.url("/a"), "-o", tmp_path, "--force", "--fsync").status == 0
    assert files(tmp_path) == {"a": page("/a")}


def test_fetch_options_reach_the_request(cb: Cb, site: Site, tmp_path: Path) -> None:
    """Header, name, limits, engine."""
    words = ["-H", "X-A: b", "--agent", "me/1", "--no-compressed", "--engine", "http", "--max-bytes", "1k"]
    ran = cb("fetch", site.url("/a"), "-o", tmp_path, *words, "--hash", "none", "--delay", "1ms", "--names", "host")
    (row,) = rows(ran.out)
    assert row["error"] == "too-large: 3000 bytes"
    asked = site.header("/a")
    assert (asked["x-a"], asked["user-agent"], asked["accept-encoding"]) == ("b", "me/1", "identity")
    assert site.paths()["/robots.txt"] == 1


def test_interactive_is_the_books_dialogue(cb: Cb, site: Site, tmp_path: Path) -> None:
    """Host, file, another? The questions go to stderr, so that the results can be piped on."""
    answers = f"{site.url('/x')}\n{tmp_path}/a/x.html\ny\n{site.host.removeprefix('http://')}\n{tmp_path}/b.html\nN\n"
    ran = cb("fetch", "--interactive", stdin=answers)
    assert ran.status == 0, ran.err
    assert files(tmp_path) == {"a/x.html": page("/x"), "b.html": page("/")}
    assert {row["path"] for row in rows(ran.out)} == {"a/x.html", "b.html"}
    assert ran.err.count("output file absolute path: ") == 2
    both = f"{site.host}/1\n{tmp_path}/same\ny\n{site.host}/2\n{tmp_path}/same\n\n"
    ran = cb("fetch", "--interactive", stdin=both)
    assert ran.status == 2
    assert "would overwrite" in ran.err
    ran = cb("fetch", "--interactive")
    assert ran.err == "host: \ncb-threading: stdin: no answer to 'host' (it has ended)\n"


def test_progress_is_drawn_and_wiped(cb: Cb, site: Site, tmp_path: Path) -> None:
    """On stderr, if asked for or on a terminal."""
    ran = cb("fetch", site.url("/a"), "-o", tmp_path, "--progress", "always")
    assert "\r\x1b[K" in ran.err
    assert "\x1b" not in cb("fetch", site.url("/a"), "-o", tmp_path, "--resume").err


def test_progress_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Pages a second, megabytes a second, the slowest hosts; of the time since the line before."""
    from cb_threading import Progress
    from cb_threading.progress import ProgressLine

    states = iter(
        [
            Progress(100, 10, 5, 0, 1_000_000, 4, 1.0, ()),
            Progress(100, 30, 5, 2, 5_000_000, 4, 3.0, (("http://a", 0.5), ("http://b", 0.25))),
        ]
    )
    drawn = ProgressLine(lambda: next(states))
    drawn.draw()
    drawn.draw()
    lines = capsys.readouterr().err.split("\r\x1b[K")
    assert lines[1] == "15/100 pages, 10 pages/s, 1.0 MB/s, 4 active"
    assert lines[2].startswith("37/100 pages, 2 failed, 11 pages/s, 2.0 MB/s, 4 active, slowest: http://a")


def test_verify(cb: Cb, site: Site, tmp_path: Path) -> None:
    """Names what is missing and changed, with 1; JSON names all; a folder of nothing is 2."""
    for name in "abc":
        assert cb("fetch", site.url(f"/{name}"), "-o", tmp_path).status == 0
    assert cb("fetch", site.url("/d"), "-o", tmp_path, "--hash", "none").status == 0
    ran = cb("verify", tmp_path)
    assert (ran.status, ran.out, ran.err) == (0, "", "cb-threading: 4 as they were, 0 not\n")
    (tmp_path / "a").unlink()
    (tmp_path / "b").write_bytes(bytes(3000))
    ran = cb("verify", tmp_path)
    assert (ran.status, ran.out) == (1, "missing  a\nchanged  b\n")
    assert ran.err == "cb-threading: 2 as they were, 2 not (fetch --resume)\n"
    found = {row["path"]: row["state"] for row in rows(cb("verify", tmp_path, "--format", "json").out)}
    assert found == {"a": "missing", "b": "changed", "c": "ok", "d": "unhashed"}
    ran = cb("verify", tmp_path / "none")
    assert ran.status == 2
    assert "nothing was fetched there" in ran.err


def test_race(cb: Cb) -> None:
    """Eight animals, or those that are named; each once."""
    ran = cb("race")
    assert len(ran.out.splitlines()) == 8
    assert ran.out.startswith("1. I, ")
    found = rows(cb("race", "rabbit", "turtle", "--laps", "1", "--format", "json").out)
    assert [row["place"] for row in found] == [1, 2]
    assert {row["name"] for row in found} == {"rabbit", "turtle"}
    assert cb("race", "cow", "cow").status == 2


def test_market(cb: Cb, tmp_path: Path) -> None:
    """The sums agree; the same seed, the same purchases; the log says who did what."""
    log = tmp_path / "locking.log"
    words = ["--products", "30", "--buyers", "6", "--purchases", "50", "--seed", "1", "--max-auditors", "5"]
    ran = cb("market", *words, "--log", log)
    assert ran.status == 0
    assert "the audits agree" in ran.out
    report = json.loads(cb("market", *words, "--format", "json").out)
    assert report["purchases"] == 300
    assert report["most_auditors"] <= 5
    assert sum(sale["quantity"] for sale in report["sales"]) == report["quantity"]
    assert report == json.loads(cb("market", *words, "--format", "json").out) | {
        "most_auditors": report["most_auditors"]
    }
    text = log.read_text()
    assert text.count("(Auditor-product_id=") == 90
    assert "(Buyer-buyer-6) 50 purchases" in text


def test_market_asks_for_products(cb: Cb) -> None:
    """As the book's program does; a price that is none is refused."""
    answers = "a\n1\ny\nb\n2.50\nN\n"
    report = json.loads(cb("market", "--interactive", "--seed", "1", "--format", "json", stdin=answers).out)
    assert len(report["sales"]) == 2
    ran = cb("market", "--interactive", stdin="a\ncheap\n")
    assert ran.status == 2
    assert "product 1: 'cheap' is not a price" in ran.err
    ran = cb("market", "--interactive", stdin="a\n\n")
    assert ran.status == 2
    assert ran.err.endswith("\ncb-threading: stdin: no answer to 'product price' (it has ended)\n")


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("lowlevel", 11),
        ("workers", 6),
        ("info", 2),
        ("daemon", 5),
        ("timers", 4),
        ("rlock", 3),
        ("local", 8),
    ],
)
def test_recipes(cb: Cb, name: str, lines: int) -> None:
    """Each of the chapter's small programs says what it should, each line whole."""
    ran = cb("recipe", name)
    assert ran.status == 0
    assert len(ran.out.splitlines()) == lines


def test_recipe_lowlevel_says_ten_lines(cb: Cb) -> None:
    """Five of each thread, whatever the delays; where the book's program says three."""
    out = cb("recipe", "lowlevel", "--delay", "1ms", "--delay", "2ms").out.splitlines()
    assert sorted(out[:-1]) == [f"Thread-{thread}: {number}" for thread in (1, 2) for number in range(1, 6)]
    assert out[-1] == "10 lines"


def test_after_and_every(cb: Cb) -> None:
    """The command's own output and status; what cannot be run is said."""
    assert cb("after", "1ms", "--", "echo", "worker running").out == "worker running\n"
    assert cb("after", "1ms", "sh", "-c", "exit 7").status == 7
    assert cb("every", "--count", "3", "5ms", "--", "echo", "tick").out == "tick\n" * 3
    assert cb("every", "--count", "1", "1ms", "sh", "-c", "kill -9 $$").status == 137
    ran = cb("after", "0", "no-such-program")
    assert ran.status == 2
    assert ran.err.startswith("cb-threading: no-such-program: No such file or directory (")
    assert cb("after", "0", "a\0b").status == 2
    assert cb("after", "0", "--").err.startswith("cb-threading: Missing argument 'COMMAND...' (")
    assert cb("every", "0", "true").status == 2


def test_doctor(cb: Cb, monkeypatch: pytest.MonkeyPatch) -> None:
    """Facts, and advice where something is missing."""
    facts = json.loads(cb("doctor", "--format", "json").out)
    assert facts["engine"] == "curl"
    assert facts["http2"] is True
    monkeypatch.setitem(sys.modules, "pycurl", None)
    monkeypatch.setattr("cb_threading.doctor.certificates", lambda: None)
    monkeypatch.setattr("cb_threading.doctor.resource.getrlimit", lambda which: (64, 64))
    ran = cb("doctor")
    assert ran.status == 1
    assert sum(line.startswith("! ") for line in ran.out.splitlines()) == 3


def test_without_pycurl(cb: Cb, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library fetches; the curl engine is refused if asked for."""
    monkeypatch.setitem(sys.modules, "pycurl", None)
    monkeypatch.delitem(sys.modules, "cb_threading.engine_curl", raising=False)
    assert cb("fetch", site.url("/a"), "-o", tmp_path).status == 0
    ran = cb("fetch", site.url("/b"), "-o", tmp_path, "--engine", "curl")
    assert ran.status == 2
    assert "no pycurl here" in ran.err


def test_a_reader_that_has_enough_ends_it_quietly(site: Site, tmp_path: Path) -> None:
    """``cb-threading ... | head -1``."""
    (tmp_path / "urls").write_text("".join(f"{site.url(f'/{n}')}\n" for n in range(600)))
    command = f"{sys.executable} -m cb_threading fetch {tmp_path}/urls -o {tmp_path}/out | head -1"
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert len(ran.stdout.splitlines()) == 1
    assert "Traceback" not in ran.stderr


def test_debug_shows_the_traceback(cb: Cb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CB_DEBUG=1, for who wants to know."""
    from cb_threading.__main__ import main

    monkeypatch.setenv("CB_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["cb-threading", "verify", str(tmp_path)])
    with pytest.raises(cb_threading.BadInput):
        main()


def test_a_name_that_is_not_there() -> None:
    """The package has what it says, and says so where it has not."""
    assert [name for name in cb_threading.__all__ if not hasattr(cb_threading, name)] == []
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = cb_threading.nonsense


@pytest.mark.parametrize(
    "words",
    [
        ["every", "1h", "true"],
        ["race", "a", "b", "--laps", "1000000000"],
        ["market", "--purchases", "1000000000", "--log", "/dev/null"],
        ["recipe", "lowlevel", "--delay", "1h"],
        ["recipe", "daemon", "--delay", "1h"],
    ],
    ids=" ".join,
)
def test_ctrl_c_ends_every_command(words: list[str]) -> None:
    """With 130 and a word, whatever its threads are about, long before they are done."""
    # A thread of the child's own presses Ctrl-C, when its command has had the time to start threads.
    program = (
        "import os, signal, sys, threading; from cb_threading.__main__ import main;"
        "threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start(); main()"
    )
    command = [sys.executable, "-c", program, *words]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr.strip()) == (130, "cb-threading: interrupted")


def test_every_ends_when_nobody_reads() -> None:
    """``cb-threading every 1s -- date | head -2``."""
    command = [sys.executable, "-m", "cb_threading", "every", "10ms", "--", "echo", "tick"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "tick\n"
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == ("", 0)
