"""What the chapter gets wrong, or what time has overtaken: each point as it has to be."""

from __future__ import annotations

import email
import email.policy
import inspect
import smtplib
import ssl
from pathlib import Path
from typing import Any

import pytest
from cb_mail import Address, AddressError, Attachment, Client, ConnectError, HeaderError, Message, send
from cb_mail.client import Settings
from cb_mail.testing import Server


def mail(**given: Any) -> Message:
    """Make a message, some fields of which are given."""
    fields = {"sender": "sender@example.com", "to": "receiver@example.com", "subject": "s", "text": "t"}
    return Message(**(fields | given))


def parsed(message: Message) -> Any:
    """Read it with the standard library."""
    return email.message_from_bytes(message.as_bytes(), policy=email.policy.default)


def test_1_and_2_a_name_without_brackets_is_no_address() -> None:
    """`sender sender@example.com` is refused; what is written has brackets, and both name and domain."""
    with pytest.raises(AddressError):
        Address.parse("sender sender@example.com")
    field = parsed(mail(sender=Address("sender@example.com").with_name()))["From"]
    assert (str(field), field.addresses[0].addr_spec, field.defects) == (
        "sender <sender@example.com>",
        "sender@example.com",
        (),
    )


def test_3_to_5_the_multipart_is_whole() -> None:
    """The blank line before the first boundary, the closing one, and the type of the file."""
    message = parsed(mail(html="<p>", attachments=[Attachment(b"x", "attachment.txt")]))
    assert [defect for part in message.walk() for defect in part.defects] == []
    assert [part.get_content_type() for part in message.iter_attachments()] == ["text/plain"]


def test_6_base64_is_base64() -> None:
    """What is declared as base64 is: the reader has the file's bytes."""
    (file,) = parsed(mail(attachments=[Attachment(b"Lorem ipsum", "a.txt")])).iter_attachments()
    assert file["Content-Transfer-Encoding"] == "base64"
    assert file.get_payload(decode=True) == b"Lorem ipsum"


def test_7_any_file_can_be_attached(tmp_path: Path) -> None:
    """Bytes that are no text, and every handle is closed."""
    path = tmp_path / "photo.png"
    path.write_bytes(bytes(range(256)))
    (file,) = parsed(mail(attachments=[path])).iter_attachments()
    assert file.get_payload(decode=True) == bytes(range(256))


def test_8_boundaries_and_names() -> None:
    """A boundary stands in no part, not even in one that quotes an earlier mail's; any file name arrives."""
    one = str(parsed(mail(attachments=[Attachment(b"x", "n")])).get_boundary())
    quoting = parsed(mail(text=f"--{one}\n\n--{one}--\n", attachments=[Attachment(b"x", "n")]))
    assert quoting.get_boundary() != one
    text, file = quoting.iter_parts()
    assert (text.get_content().replace("\r", ""), file.get_content()) == (f"--{one}\n\n--{one}--\n", b"x")
    for name in ('with "quotes" and spaces.txt', "Zürich 東京.pdf", "x" * 200 + ".txt", "semi;colon=.txt"):
        (file,) = parsed(mail(attachments=[Attachment(b"x", name)])).iter_attachments()
        assert file.get_filename() == name


def test_9_any_letters_in_text_and_subject() -> None:
    """Text and subject in any language; the standard library's `sendmail(str)` would raise UnicodeEncodeError."""
    message = parsed(mail(subject="Grüße 東京", text="Grüße 東京\n"))
    assert (message["Subject"], message.get_content()) == ("Grüße 東京", "Grüße 東京\r\n")
    with pytest.raises(HeaderError, match="character 2 is half of a surrogate pair"):
        mail(text="x\ud800").as_bytes()


def test_10_html_has_a_charset_and_8_bit_is_only_sent_where_it_is_taken() -> None:
    """Declared UTF-8; 8bit with BODY=8BITMIME, or encoded."""
    for hide, coding in ((), b"8bit"), (("8BITMIME",), b"base64"):
        with Server(hide=hide) as server:
            assert send(mail(html="<p>Größe äöü ÄÖÜ"), server.url).ok
            (caught,) = server.wait(1)
            assert b"\r\nContent-Transfer-Encoding: " + coding in caught.data
            assert ("BODY=8BITMIME" in caught.parameters) == (coding == b"8bit")
            assert b"charset=utf-8" in caught.data


def test_11_date_and_message_id() -> None:
    """RFC 5322 wants From and Date; Message-ID is expected by all."""
    message = parsed(mail())
    assert message["Date"].datetime.tzinfo is not None
    assert message["Message-ID"].endswith("@example.com>")


def test_12_every_failure_has_a_name() -> None:
    """`except SMTPException` misses these two; here both are errors of this package that say what failed."""
    assert not issubclass(ConnectionRefusedError, smtplib.SMTPException)
    for url in ("smtp://127.0.0.1:1", "smtp://nowhere.invalid:25"):
        with pytest.raises(ConnectError, match=r"127.0.0.1:1: |nowhere.invalid:25: "):
            send(mail(), url)


def test_13_and_14_tls_is_verified() -> None:
    """SMTP_SSL without a context verifies nothing; the context here does, and files of keys are no argument."""
    context = Client("smtps://mail.example.com")._settings.context
    assert context
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert "keyfile" not in inspect.signature(Settings).parameters


def test_15_a_time_out_and_what_was_refused() -> None:
    """There is a time-out by default; who was refused is in the result, not in a dict that nobody looks at."""
    assert inspect.signature(Settings).parameters["timeout"].default == 60
    with Server(faults=["RCPT:550:bad@*"]) as server:
        result = send(mail(to=["good@example.com", "bad@example.com"]), server.url)
    assert not result.ok
    assert [one.state for one in result.recipients] == ["accepted", "refused"]


def test_16_our_own_name() -> None:
    """`local_hostname` is what we call ourselves: `helo`."""
    assert Client("smtp://mail.example.com", helo="me.example.com")._settings.plan.opening.helo == "me.example.com"
    with pytest.raises(ValueError, match="no host name"):
        Client("smtp://mail.example.com", helo="me\r\nMAIL")


def test_17_no_header_can_be_injected() -> None:
    """Text in a field ends no line."""
    with pytest.raises(HeaderError):
        mail(subject="x\nBcc: evil@example.net")


def test_18_receivers_need_not_see_each_other() -> None:
    """Bcc is in the envelope and in no byte of the message."""
    message = mail(bcc=["secret@example.net"])
    assert b"secret" not in message.as_bytes()
    assert [one.addr for one in message.envelope().recipients] == ["receiver@example.com", "secret@example.net"]


def test_19_submission_has_its_own_ports() -> None:
    """587 with STARTTLS, 465 with TLS; a server on this machine needs neither TLS nor a password."""
    assert (Client("smtp://mail.example.com").place.port, Client("smtps://mail.example.com").place.port) == (587, 465)
    with Server() as server:
        assert send(mail(), server.url).ok
