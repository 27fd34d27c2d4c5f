"""What is wrong with a list is found before the first request, with file, line and column."""

from __future__ import annotations

import sys
from pathlib import PurePosixPath

import pytest
from cb_threading import BadInput, Collision, Job
from cb_threading.names import Names, destination, normalised, redirected
from cb_threading.plan import plan, read_list
from hypothesis import given
from hypothesis import strategies as st


def paths(*urls: str | Job, names: Names = "path") -> list[str]:
    """The files that URLs become."""
    return [job.path for job in plan(urls, names=names)]


def test_names_after_the_path() -> None:
    """index.html for a folder, the query as part of the name, escapes undone."""
    assert paths(
        "http://a.example/x/y.html", "http://a.example", "http://a.example/x/?q=1&r=/2", "http://a.example/caf%C3%A9"
    ) == ["x/y.html", "index.html", "x/index.html?q=1&r=%2F2", "café"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("path", "x/y.html"),
        ("host", "a.example:8080/x/y.html"),
        ("flat", "y.html"),
        ("hash", "3e5dc07ffcd1ad8ae1f1a8ff3f0d0a4f.html"),
    ],
)
def test_other_names(names: Names, expected: str) -> None:
    """With the host, the last part only, or a hash."""
    (found,) = paths("http://a.example:8080/x/y.html", names=names)
    assert found == expected or (names == "hash" and len(found) == len(expected) and found.endswith(".html"))


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://a/../../etc/passwd", "etc/passwd"),
        ("http://a/x/./../y/..", "index.html"),
        ("http://a/%2e%2e/%2E%2E/etc", "%2E%2E/%2E%2E/etc"),
        ("http://a/%2e", "%2E"),
        ("http://a/x%2Fy", "x%2Fy"),
        ("http://a/nul%00byte", "nul%00byte"),
        ("http://a/new%0Aline", "new%0Aline"),
        ("http://a/.cb-threading/journal.jsonl", "%2Ecb-threading/journal.jsonl"),
        ("http://a//x///y", "x/y"),
        ("http://a/%ff", "�"),
    ],
)
def test_no_name_leaves_the_folder(url: str, path: str) -> None:
    """``..``, NUL, slashes and our own folder, written in all ways."""
    assert paths(url) == [path]


def test_a_long_name_is_cut() -> None:
    """With a hash, so that two long names stay two."""
    one, two = paths("http://a/" + "x" * 400 + "1", "http://a/" + "x" * 400 + "2")
    assert one != two
    assert len(one.encode()) < 255


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="#"), min_size=1), max_size=5),
    st.sampled_from(["path", "host", "flat", "hash"]),
)
def test_names_are_always_below_the_folder(segments: list[str], names: Names) -> None:
    """Whatever the URL: relative, no ``..``, no NUL, no part too long."""
    try:
        url = normalised("http://a.example/" + "/".join(segments))
    except ValueError:
        return
    assert url.isascii()
    assert normalised(url) == url
    name = destination(url, names)
    parts = PurePosixPath(name).parts
    assert parts
    assert not name.startswith("/")
    assert ".." not in parts
    assert "\0" not in name
    assert all(len(part.encode()) <= 255 for part in parts)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://A.Example:80/X#top", "http://a.example:80/X"),
        ("http://bücher.example/ü?ä", "http://xn--bcher-kva.example/%C3%BC?%C3%A4"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        ("http://a/%7Euser/'x'", "http://a/%7Euser/'x'"),
    ],
)
def test_what_is_requested(url: str, expected: str) -> None:
    """ASCII, without the fragment."""
    assert normalised(url) == expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://a/", "must begin with http"),
        ("example.com/x", "must begin with http"),
        ("http:///x", "not the name of a host"),
        ("http://a b/", "cannot hold ' '"),
        ("http://a/nul\0byte", r"cannot hold '\\x00' \(write it as %00\)"),
        ("http://a/\r\nX: y", "cannot hold"),
        ("http://a:99999/", "[Pp]ort"),
        ("http://a:x/", "[Pp]ort"),
        ("http://me:secret@a/", r"http://...@a holds a password \(give it as a header\)"),
        (f"http://{'a' * 64}.example/", "not the name of a host"),
        ("http://" + "ü" * 70 + "/", "not the name of a host"),
        ("http://a..b/", "not the name of a host"),
        ("http://[::1/", "Invalid IPv6"),
    ],
)
def test_what_is_not_a_url(url: str, words: str) -> None:
    """One line with the place and what to do."""
    with pytest.raises(BadInput, match=words) as caught:
        plan([Job(url, source="list.txt:3:1")])
    assert str(caught.value).startswith("list.txt:3:1: ")
    assert "secret" not in str(caught.value)
    with pytest.raises(BadInput, match=r"^URL 2: "):
        plan(["http://a/", url])


def test_two_urls_for_one_file() -> None:
    """As in the book's sample session, where .ar and .br go to the same file and one page is lost."""
    jobs = [Job("http://a/", "out.html", source="l:1:1"), Job("http://b/", "out.html", source="l:2:1")]
    with pytest.raises(Collision, match=r"^l:2:1: http://b/ would overwrite out.html of http://a/, l:1:1 \(.*--names"):
        plan(jobs)
    with pytest.raises(Collision):
        plan(["http://a/x", "http://b/x"])
    assert paths("http://a/x", "http://b/x", names="host") == ["a/x", "b/x"]


def test_a_file_where_a_folder_should_be() -> None:
    """One page cannot be a file and the folder of another one."""
    with pytest.raises(Collision, match=r"URL 2: a/b/c needs a folder where http://h/a, URL 1, is a file"):
        plan(["http://h/a", "http://h/a/b/c"])


def test_a_url_that_comes_twice_is_one_job() -> None:
    """For the same file, nothing is lost by it."""
    assert paths("http://a/x", "http://a/x", "http://a/x#part") == ["x"]


@pytest.mark.skipif(sys.platform != "linux", reason="a file system that tells case apart")
def test_case_is_told_apart() -> None:
    """Where the system does."""
    assert paths("http://a/X", "http://a/x") == ["X", "x"]


def test_case_is_not_told_apart_on_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two names are one file, they collide."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(Collision):
        plan(["http://a/X", "http://a/x"])


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", ".cb-threading/x", "a\0b", "a\nb", "x/", "."])
def test_a_path_of_ones_own_stays_below_the_folder(path: str) -> None:
    """From CSV or JSON Lines."""
    with pytest.raises(BadInput, match=r"not a file below|cannot be a file's name"):
        plan([Job("http://a/", path)])
    with pytest.raises(BadInput, match="not a SHA-256"):
        plan([Job("http://a/", "x", "12")])


def jobs(text: bytes, form: str) -> list[tuple[str, str, str, str]]:
    """What a list of that form says."""
    found = read_list(text.splitlines(keepends=True), "list", form)  # type: ignore[arg-type]
    return [(job.url, job.path, job.sha256, job.source) for job in found]


def test_lists() -> None:
    """Text, CSV and JSON Lines, with where each job stands."""
    assert jobs(b"\xef\xbb\xbfhttp://a/\n\n# words\n  http://b/  \r\nhttp://c/", "text") == [
        ("http://a/", "", "", "list:1:1"),
        ("http://b/", "", "", "list:4:3"),
        ("http://c/", "", "", "list:5:1"),
    ]
    assert jobs(b'path,url,note\n"a,b",http://a/,x\n,http://b/,\n', "csv") == [
        ("http://a/", "a,b", "", "list:2:1"),
        ("http://b/", "", "", "list:3:1"),
    ]
    assert jobs(b'{"url": "http://a/", "sha256": "ab", "x": 1}\n\n"http://b/"\n', "jsonl") == [
        ("http://a/", "", "ab", "list:1:1"),
        ("http://b/", "", "", "list:3:1"),
    ]


@pytest.mark.parametrize(
    ("text", "form", "words"),
    [
        (b"http://a/\nhttp://\xe4/\n", "text", r"^list:2:8: not UTF-8 \(convert the list"),
        (b"a,b\n1,2\n", "csv", r"^list:1:1: no column named url"),
        (b"", "csv", r"^list:1:1: no column named url"),
        (b"url\nhttp://a/,x\n", "csv", r"^list:2:1: more fields than columns"),
        (b"url,path\n,x\n", "csv", r"^list:2:1: no URL"),
        (b'url\n"http://a/"x\n', "csv", r"^list:2:1: "),
        (b'{"url": }\n', "jsonl", r"^list:1:9: "),
        (b'{"url": 1}\n', "jsonl", r'^list:1:1: neither a string nor an object with "url"'),
        (b'{"url": "http://a/", "path": 1}\n', "jsonl", r'^list:1:1: "path" and "sha256"'),
        (b"[" * 100_000 + b"\n", "jsonl", r"^list:1:"),
    ],
)
def test_bad_lists(text: bytes, form: str, words: str) -> None:
    """One line with the place."""
    with pytest.raises(BadInput, match=words):
        jobs(text, form)


def test_where_redirects_lead() -> None:
    """Relative ones are joined, spaces are mended; from https to http nobody follows."""
    assert redirected("http://a/x/y", "../z w?q=1") == "http://a/z%20w?q=1"
    assert redirected("http://a/x", "//b/%41") == "http://b/%41"
    with pytest.raises(ValueError, match="from https to http://a/"):
        redirected("https://a/x", "http://a/")
