"""The catching server: what it takes and refuses, where it keeps it, and its inbox in a browser."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import smtplib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from cb_mail import Attachment, Message, send
from cb_mail.faults import Fault, Faults
from cb_mail.receiving import Received, Receiver, ReceiverOptions
from cb_mail.store import MaildirStore, MemoryStore
from cb_mail.testing import Server
from cb_mail.web import Inbox
from hypothesis import given
from hypothesis import strategies as st
from mail_support import until

SESSION = (
    b'EHLO me\r\nMAIL FROM:<a@b.c> BODY=8BITMIME\r\nRCPT TO:<d@e.f>\r\nRCPT TO:<"x y"@e.f>\r\nDATA\r\n'
    b"Subject: one\r\n\r\n..dot\r\nbody\r\n.\r\n"
    b"MAIL FROM:<>\r\nRCPT TO:<d@e.f>\r\nBDAT 10\r\n0123456789BDAT 6 LAST\r\n.\r\n.\r\n"
    b"NOOP\r\nRSET\r\nVRFY x\r\nQUIT\r\n"
)


def talk(data: bytes, cuts: list[int], **options: Any) -> tuple[bytes, list[Received], Receiver]:
    """Give a receiver *data* in pieces; returns what it answered and what it took."""
    taken: list[Received] = []
    receiver = Receiver(ReceiverOptions(**options), taken.append)
    receiver.begin()
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        if not receiver.next:
            receiver.feed(data[start:end])
    return receiver.take(), taken, receiver


@given(st.lists(st.integers(0, len(SESSION)), max_size=12))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    """Cut anywhere, the same answers and the same messages."""
    answers, taken, receiver = talk(SESSION, sorted(cuts))
    codes = [line[:3] for line in answers.split(b"\r\n") if line[3:4] == b" "]
    assert codes == [b"220", b"250", *[b"250"] * 3, b"354", b"250", *[b"250"] * 4, *[b"250"] * 2, b"252", b"221"]
    assert [(one.sender, one.recipients, one.data) for one in taken] == [
        ("a@b.c", ("d@e.f", '"x y"@e.f'), b"Subject: one\r\n\r\n.dot\r\nbody\r\n"),
        ("", ("d@e.f",), b"0123456789.\r\n.\r\n"),
    ]
    assert receiver.next == "close"


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        ("MAIL FROM:<a@b.c>", "503"),
        ("EHLO x|RCPT TO:<a@b.c>", "250 503"),
        ("EHLO x|DATA", "250 503"),
        ("EHLO x|MAIL FROM:<a@b.c>|DATA", "250 250 503"),
        ("EHLO x|MAIL FROM:<a@b.c>|MAIL FROM:<a@b.c>", "250 250 503"),
        ("EHLO x|MAIL FROM:a@b.c", "250 501"),
        ("EHLO x|MAIL FROM:<a@b.c>|RCPT TO:<>", "250 250 501"),
        ("EHLO x|MAIL FROM:<ä@b.c>", "250 553"),
        ("EHLO x|MAIL FROM:<ä@b.c> SMTPUTF8|RCPT TO:<ö@b.c>", "250 250 250"),
        ("EHLO x|MAIL FROM:<a@b.c> SIZE=999999999999", "250 552"),
        ("EHLO x|STARTTLS", "250 502"),
        ("HELO x|MAIL FROM:<a@b.c>", "250 250"),
        ("AUTH GSSAPI", "504"),
        ("AUTH PLAIN|!!", "334 501"),
        ("AUTH LOGIN|dQ==|cA==", "334 334 235"),
        ("AUTH PLAIN AHUAcA==", "235"),
        ("NONSENSE|DO IT|", "500 500 500"),
        ("BDAT x", "501"),
        ("__CLASS__ x", "500"),
    ],
)
def test_answers(lines: str, codes: str) -> None:
    """Commands in the wrong order, or wrong: each has its answer."""
    answers, _, _ = talk(lines.replace("|", "\r\n").encode() + b"\r\n", [])
    assert " ".join(line[:3] for line in answers.decode().split("\r\n") if line[3:4] == " ") == f"220 {codes}"


def test_no_message_hides_in_another() -> None:
    """Only CRLF.CRLF ends a message: the ways of SMTP smuggling are part of its text."""
    for end in (b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r"):
        hidden = b"MAIL FROM:<evil@x.y>\r\n"
        data = b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\ntext" + end + hidden + b"\r\n.\r\n"
        _, taken, _ = talk(data, [])
        assert [one.sender for one in taken] == ["a@b.c"]
        assert b"evil" in taken[0].data


def test_bounds() -> None:
    """A line without an end, a message that is too large: refused, and not kept in memory."""
    answers, _, receiver = talk(b"x" * 20_000, [10_000])
    assert answers.endswith(b"500 5.5.2 Line too long\r\n")
    assert receiver.next == "close"
    begin = b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n"
    large = begin + b"x" * 200_000 + b"\r\n.\r\n"
    answers, taken, _ = talk(large, list(range(len(begin), len(large), 5000)), size=10_000)
    assert answers.endswith(b"552 5.3.4 Too large\r\n")
    assert taken == []
    bdat = b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nBDAT 20000 LAST\r\n" + b"x" * 20_000 + b"NOOP\r\n"
    answers, taken, _ = talk(bdat, [], size=10_000)
    assert answers.endswith(b"552 5.3.4 Too large\r\n250 2.0.0 Ok\r\n")


def test_the_standard_librarys_client() -> None:
    """Of smtplib gets along with it."""
    with Server(users={"u": "p"}) as server, smtplib.SMTP(server.host, server.port, timeout=20) as client:
        client.login("u", "p")
        client.sendmail("a@b.c", ["d@e.f"], "Subject: s\r\n\r\n.dot\r\n")
        assert server.wait(1)[0].data == b"Subject: s\r\n\r\n.dot\r\n"


@pytest.mark.parametrize(
    "text", ["", "RCPT", "RCPT:", "NOWHERE:451", "RCPT:250", "RCPT:451x", "EOM:delay=", "EOM:explode", "RCPT:451:30%%x"]
)
def test_faults_that_are_none(text: str) -> None:
    """Said, with an example; a WHEN that is neither a share nor a number is a pattern."""
    if text == "RCPT:451:30%%x":
        assert Fault.parse(text).pattern == "30%%x"
        return
    with pytest.raises(ValueError, match="not POINT:ACTION"):
        Fault.parse(text)


def test_faults_by_chance() -> None:
    """The same seed, the same faults; about as many as were asked for."""
    runs = [[bool(Faults((Fault.parse("RCPT:451:30%"),), seed=7).at("RCPT")) for _ in range(1)] for _ in range(2)]
    assert runs[0] == runs[1]
    faults = Faults((Fault.parse("RCPT:451:30%"),), seed=7)
    assert 200 < sum(bool(faults.at("RCPT")) for _ in range(1000)) < 400


def test_a_maildir(tmp_path: Path) -> None:
    """Each message is a file, whole, with its envelope; another server finds it there."""
    store = MaildirStore(tmp_path / "mail")
    number = store.add(Received("a@b.c", ("d@e.f", "g@h.i"), b"Subject: s\r\n\r\nx\r\n"))
    (path,) = (tmp_path / "mail" / "new").iterdir()
    assert path.read_bytes().endswith(b"\r\n\r\nx\r\n")
    again = MaildirStore(tmp_path / "mail")
    ((_, message),) = again.items()
    assert (message.sender, message.recipients, message.data) == (
        "a@b.c",
        ("d@e.f", "g@h.i"),
        b"Subject: s\r\n\r\nx\r\n",
    )
    assert store.remove(number)
    assert not store.remove(number)
    assert list((tmp_path / "mail" / "new").iterdir()) == []


def test_a_store_that_cannot_keep_it(tmp_path: Path) -> None:
    """452, and the client has not been told otherwise."""
    store = MaildirStore(tmp_path / "mail")
    shutil.rmtree(tmp_path / "mail")
    receiver = Receiver(ReceiverOptions(), store.add)  # type: ignore[arg-type]
    receiver.feed(b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\nx\r\n.\r\n")
    assert receiver.take().endswith(b"452 4.3.1 Not kept: No such file or directory\r\n")


def test_memory_is_bounded() -> None:
    """The oldest go."""
    store = MemoryStore(most=3, octets=10)
    for number in range(5):
        store.add(Received(f"{number}@b.c", ("d@e.f",), b"x"))
    assert [message.sender for _, message in store.items()] == ["2@b.c", "3@b.c", "4@b.c"]
    store.add(Received("5@b.c", ("d@e.f",), b"x" * 9))
    assert [message.sender for _, message in store.items()] == ["4@b.c", "5@b.c"]
    store.add(Received("6@b.c", ("d@e.f",), b"x" * 100))
    assert [message.sender for _, message in store.items()] == ["6@b.c"]
    for number in range(7, 9):
        store.add(Received(f"{number}@b.c", ("d@e.f",), b"x"))
    store.add(Received("9@b.c", ("d@e.f",), b"x"))
    assert store.remove(store.items()[0][0])
    store.add(Received("10@b.c", ("d@e.f",), b"x"))
    assert store.clear() == 3
    with pytest.raises(TimeoutError, match="0 messages of 1"):
        store.wait(1, timeout=0.01)


class Web:
    """An inbox in a thread, on a free port."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.port = 0
        self._inbox = Inbox(self.store)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        _, self.port = self._loop.run_until_complete(self._inbox.start("127.0.0.1", 0))
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._inbox.stop())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
        """Return status, body and headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        given_headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=given_headers)
        response = connection.getresponse()
        found = (
            response.status,
            response.read().decode("utf-8", "replace"),
            {k.lower(): v for k, v in response.getheaders()},
        )
        connection.close()
        return found

    def add(self, **given_: Any) -> str:
        """Put a message in; returns its id."""
        fields = {"sender": "Me <me@example.com>", "to": "bob@example.org", "subject": "Hello", "text": "At noon?\n"}
        message = Message(**(fields | given_))
        to = tuple(one.addr for one in message.envelope().recipients)
        return self.store.add(Received(message.sender.addr, to, message.as_bytes()))


@pytest.fixture
def web() -> Iterator[Web]:
    """An inbox."""
    with Web() as running:
        yield running


EVIL = "<script>document.title = 'owned'</script><img src=x onerror=alert(1)>"


def test_pages(web: Web) -> None:
    """List, message in its versions, source, files."""
    assert "Nothing has come yet" in web.ask("/")[1]
    number = web.add(
        subject="Grüße <b>",
        html='<p>Hi <img src="cid:c">',
        inline={"c": Attachment(b"\x89PNG", "c.png")},
        attachments=[Attachment(b"data", "ü.txt")],
    )
    assert "Grüße &lt;b&gt;" in web.ask("/")[1]
    for path in ("", "/html", "/text", "/source"):
        status, body, _ = web.ask(f"/message/{number}{path}")
        assert (status, "Grüße &lt;b&gt;" in body) == (200, True)
    status, body, headers = web.ask(f"/message/{number}/frame")
    assert (status, f'src="/message/{number}/part/' in body) == (200, True)
    assert "sandbox" in headers["content-security-policy"]
    parts = json.loads(web.ask(f"/api/messages/{number}")[1])["attachments"]
    assert [part["name"] for part in parts] == ["c.png", "ü.txt"]
    status, body, headers = web.ask(f"/message/{number}/part/{parts[1]['part']}")
    assert (body, headers["content-disposition"]) == ("data", "attachment; filename*=utf-8''%C3%BC.txt")
    assert web.ask(f"/message/{number}/raw")[2]["content-type"] == "message/rfc822"
    for path in ("/message/99", f"/message/{number}/part/99", "/nothing", "/message/1/nothing", "/api/nothing"):
        assert web.ask(path)[0] == 404


def test_api(web: Web) -> None:
    """List, one, remove one, remove all."""
    first, second = web.add(subject="one"), web.add(subject="two")
    assert [one["subject"] for one in json.loads(web.ask("/api/messages")[1])] == ["two", "one"]
    one = json.loads(web.ask(f"/api/messages/{first}")[1])
    assert (one["text"], one["recipients"], one["headers"]["From"]) == (
        "At noon?\n",
        ["bob@example.org"],
        "Me <me@example.com>",
    )
    assert web.ask(f"/api/messages/{first}", "DELETE")[0] == 200
    assert web.ask(f"/api/messages/{first}", "DELETE")[0] == 404
    assert json.loads(web.ask("/api/messages", "DELETE")[1]) == {"removed": 1}
    assert web.store.get(second) is None


def test_only_this_machine_and_only_this_site(web: Web) -> None:
    """Another host's name, or another site's form, has no answer: mail is nobody else's."""
    web.add()
    assert web.ask("/", Host="evil.example")[0] == 421
    assert web.ask("/", Host=f"localhost:{web.port}")[0] == 200
    assert web.ask("/clear", "POST", Origin="https://evil.example")[0] == 403
    assert web.ask("/clear", "POST", Sec_Fetch_Site="cross-site")[0] == 403
    assert len(web.store.items()) == 1
    assert web.ask("/clear", "POST", Origin=f"http://127.0.0.1:{web.port}")[0] == 303
    assert web.ask("/", "PUT")[0] == 405
    for raw in (b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"GET /" + b"x" * 70_000 + b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", web.port), 20) as connection:
            connection.sendall(raw)
            assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_broken_messages_are_shown(web: Web) -> None:
    """Whatever came, it has a page."""
    for data in (
        b"",
        b"\xff\xfe\x00",
        b"Subject: =?x?q?=ff?=\r\nFrom: @@\r\nContent-Type: multipart/mixed\r\n\r\n--",
        b"no header",
    ):
        number = web.store.add(Received("", (), data))
        assert web.ask(f"/message/{number}")[0] == 200
    assert web.ask("/")[0] == 200


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real browser, without a window."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (apt install chromium)")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=program, args=[*flags, "--disable-component-update", "--disable-sync"]
        )
        yield running
        running.close()


@pytest.mark.once
@pytest.mark.xdist_group("browser")
def test_in_a_browser(web: Web, browser: Any) -> None:
    """What comes appears by itself; HTML of a message runs nothing, and fetches nothing from elsewhere."""
    page = browser.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(f"http://127.0.0.1:{web.port}/")
    until(lambda: web._inbox._listeners)
    web.add(subject="First", html=f"<p>Hello {EVIL}<img src='https://track.example/x.png'>")
    page.get_by_text("First").wait_for(timeout=20_000)
    page.get_by_text("First").click()
    frame = page.frame_locator("iframe")
    frame.get_by_text("Hello").wait_for(timeout=20_000)
    assert page.title() == "First · cb-mail"
    assert said == []
    assert [url for url in asked if "track.example" in url and "127.0.0.1" in url] == []
    page.get_by_role("link", name="Source").click()
    page.get_by_text("MIME-Version: 1.0").wait_for(timeout=20_000)
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("Nothing has come yet").wait_for(timeout=20_000)
    page.close()


@pytest.mark.once
@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_scripts_and_on_a_telephone(web: Web, browser: Any, scheme: str) -> None:
    """All of it works with JavaScript off, and nothing is wider than a small screen."""
    web.add(
        subject="A subject that is long enough to be broken " * 4,
        html="<p>Hello",
        attachments=[Attachment(b"x", "f.txt")],
    )
    context = browser.new_context(
        java_script_enabled=False, viewport={"width": 360, "height": 740}, color_scheme=scheme
    )
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{web.port}/")
    page.locator(".list a").first.click()
    page.get_by_role("link", name="Text").click()
    page.get_by_text("At noon?").wait_for(timeout=20_000)
    boxes = [page.locator(selector).bounding_box() for selector in ("main", "pre", ".fields", "h1")]
    assert all(box["x"] + box["width"] <= 360 for box in boxes if box)
    context.close()


def test_catching_while_the_inbox_looks(web: Web) -> None:
    """Messages that come by SMTP are told to who looks."""
    with socket.create_connection(("127.0.0.1", web.port), 20) as looking:
        looking.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        seen = b""
        while b": hello" not in seen:
            seen += looking.recv(1000)
        with Server() as server:
            server.store.changed = web._inbox._changed
            assert send(Message("a@b.c", "d@e.f", "s", "t"), server.url).ok
            while b"data: changed" not in seen:
                seen += looking.recv(1000)
    assert b"text/event-stream" in seen
