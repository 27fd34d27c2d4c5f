"""The chapter's recipes, in its order, each through the API and the command."""

from __future__ import annotations

import email
import email.policy
import json
import re
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from cb_mail import Address, Client, ConnectError, Credentials, MailError, Message, ServerError, send
from cb_mail.testing import Server
from mail_support import command

LOREM = "Lorem ipsum dolor sit amet, consectetur adipiscing elit.\n\nMorbi cursus ex ut orci semper viverra.\n"
DATE = r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"


def parsed(raw: bytes) -> Any:
    """Read a message with the standard library."""
    return email.message_from_bytes(raw, policy=email.policy.default)


def test_the_format_of_a_message() -> None:
    """10.1 the format of a message.

    From, To, Subject, a blank line, the body; with the Date and the Message-ID that a message has to have.
    """
    message = Message(
        "Example Sender <sender@example.com>",
        "Example Receiver <receiver@example.com>",
        "Example Message",
        "This is an example message. Sorry if you receive this by mistake.",
    )
    expected = (
        "From: Example Sender <sender@example.com>\r\nTo: Example Receiver <receiver@example.com>\r\n"
        f"Subject: Example Message\r\nDate: {DATE}\r\nMessage-ID: <[^>]+@example.com>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        "This is an example message. Sorry if you receive this by mistake.\r\n"
    )
    assert re.fullmatch(expected, message.as_bytes().decode())
    done = command(
        *("send", "--dry-run", "--from", "Example Sender <sender@example.com>", "--subject", "Example Message"),
        *("--to", "Example Receiver <receiver@example.com>"),
        text="This is an example message. Sorry if you receive this by mistake.",
    )
    assert re.fullmatch(expected, done.stdout)


def test_a_name_with_an_address() -> None:
    """10.1 a name with an address: what the book's `format_mail` is for."""
    assert str(Address("sender@example.com").with_name()) == "sender <sender@example.com>"


def test_simple() -> None:
    """10.1 simple.py, two receivers: one transaction, no login."""
    sender = Address("sender@example.com").with_name()
    receivers = [Address(f"receiver{number}@example.com").with_name() for number in (1, 2)]
    message = Message(sender, receivers, "Example Subject", "This is a test mail example\n")
    with Server() as server:
        assert send(message, server=server.url).ok
        done = command(
            *("send", "--from", str(sender), "--to", ", ".join(map(str, receivers)), "--subject", "Example Subject"),
            *("--server", server.url),
            text="This is a test mail example\n",
        )
        assert (done.returncode, done.stderr) == (0, "cb-mail: message sent\n")
        caught = server.wait(2)
    for one in caught:
        assert (one.sender, one.recipients) == (
            "sender@example.com",
            ("receiver1@example.com", "receiver2@example.com"),
        )
        lines = one.data.decode().split("\r\n")
        assert lines[:3] == [
            "From: sender <sender@example.com>",
            "To: receiver1 <receiver1@example.com>, receiver2 <receiver2@example.com>",
            "Subject: Example Subject",
        ]
        assert one.data.endswith(b"\r\n\r\nThis is a test mail example\r\n")


def test_the_session_and_its_options() -> None:
    """10.1 a session and its options.

    Host, port, our own name, a time-out, what to connect from; QUIT when the block ends.
    """
    with Server() as server:
        url = f"smtp://{server.host}:{server.port}"
        with Client(url, helo="me.example.com", timeout=5, source_address=("127.0.0.1", 0)) as session:
            for number in range(3):
                assert session.send(Message("a@example.com", "b@example.com", f"{number}", "text")).ok
            assert server.connections == 1
        assert len(server.wait(3)) == 3
        done = command(
            *("send", "--from", "a@example.com", "--to", "b@example.com", "--server", url),
            *("--helo", "me.example.com", "--timeout", "5", "--bind", "127.0.0.1"),
            text="x",
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture
def secure(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 with its key, and the authority to trust."""
    authority = trustme.CA()
    certificate, root = tmp_path / "server.pem", tmp_path / "ca.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(root))
    return certificate, root


def test_login_ssl(secure: tuple[Path, Path]) -> None:
    """10.2 login_ssl.py: TLS from the start, verified, and a login."""
    certificate, root = secure
    context = ssl.create_default_context(cafile=str(root))
    message = Message("sender@example.com", "receiver@example.com", "Example Subject", "This is a test mail example\n")
    users = {"sender@example.com": "sender_password"}
    with Server(certificate=certificate, implicit=True, users=users) as server:
        login = Credentials("sender@example.com", "sender_password")
        with Client(server.url, context=context, credentials=login) as session:
            assert session.send(message).ok
        url = server.url.replace("//", "//sender%40example.com@")
        line = (
            "send",
            "--from",
            "sender@example.com",
            "--to",
            "receiver@example.com",
            "--server",
            url,
            "--ca",
            str(root),
        )
        assert command(*line, text="x", CB_MAIL_PASSWORD="sender_password").returncode == 0
        assert [(one.user, one.tls) for one in server.wait(2)] == [("sender@example.com", True)] * 2
        assert command(*line, text="x", CB_MAIL_PASSWORD="wrong").returncode == 77


def test_html_mail(tmp_path: Path) -> None:
    """10.3 html_mail.py: HTML in UTF-8, with a text version beside it."""
    html = "\n<h1>This is a title</h1>\n<h2>This is a sub title</h2>\n"
    html += "This is a paragraph <strong>with some bold text</strong>.\n"
    message = parsed(Message("sender@example.com", "receiver@example.com", "Example Subject", html=html).as_bytes())
    text, shown = message.iter_parts()
    assert message.get_content_type() == "multipart/alternative"
    assert shown.get_content_type() == "text/html"
    assert shown.get_content_charset() == "utf-8"
    assert shown.get_content().replace("\r\n", "\n") == html
    assert text.get_content().replace("\r\n", "\n") == (
        "This is a title\n\nThis is a sub title\n\nThis is a paragraph with some bold text.\n"
    )
    (tmp_path / "x.html").write_text(html)
    line = ("send", "--dry-run", "--from", "a@example.com", "--to", "b@example.com", "--html", tmp_path / "x.html")
    shown = parsed(command(*line).stdout.encode()).get_body(["html"])
    assert shown.get_content().replace("\r\n", "\n") == html


def test_attachment_html_mail(tmp_path: Path) -> None:
    """10.4 attachment_html_mail.py.

    HTML and a text file, which arrives byte for byte under its name.
    """
    path = tmp_path / "attachment.txt"
    path.write_text(LOREM)
    html = "<h1>Hello there!</h1>\nYou will find <strong>attachment.txt</strong> attached to this mail.\n"
    subject = "Test Mail with Attachment and HTML"
    with Server() as server:
        message = Message("sender@example.com", "receiver@example.com", subject, html=html, attachments=[path])
        assert send(message, server.url).ok
        (tmp_path / "x.html").write_text(html)
        line = ("send", "--from", "sender@example.com", "--to", "receiver@example.com", "--subject", subject)
        done = command(*line, "--html", tmp_path / "x.html", "--attach", path, "--server", server.url)
        assert done.returncode == 0
        for one in server.wait(2):
            read = parsed(one.data)
            assert read.get_content_type() == "multipart/mixed"
            (file,) = read.iter_attachments()
            assert (file.get_content_type(), file.get_filename()) == ("text/plain", "attachment.txt")
            assert file.get_payload(decode=True) == LOREM.encode()
            assert read.get_body(["html"]).get_content().replace("\r\n", "\n") == html


def test_could_not_send_mail() -> None:
    """10.1 "could not send mail": what went wrong is said, with whether it is safe to try again."""
    with pytest.raises(MailError, match=r"127.0.0.1:1: connection refused"):
        send(Message("a@example.com", "b@example.com", "s", "t"), "smtp://127.0.0.1:1")


def test_a_task_of_somebody_elses_queue() -> None:
    """10.1 sending from a task queue.

    README's task: its arguments survive JSON; what is tried again is a ConnectError, what is refused is not.
    """

    def mail(url: str, *args: Any, **fields: Any) -> None:
        send(Message(*args, **fields), url).raise_for_refused()

    fields = json.loads(json.dumps({"subject": "s", "text": "t", "bcc": ["eve@example.net"]}))
    with Server(faults=["RCPT:550:bob@*"]) as server:
        mail(server.url, "a@example.com", "ann@example.org", **fields)
        assert server.wait(1)[0].recipients == ("ann@example.org", "eve@example.net")
        with pytest.raises(ServerError, match="bob"):
            mail(server.url, "a@example.com", "bob@example.org", **fields)
    with pytest.raises(ConnectError):
        mail(server.url, "a@example.com", "ann@example.org", **fields)
