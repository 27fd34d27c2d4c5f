"""Messages: structure, fields, folding, files, text from HTML, and what may be wrong with one."""

from __future__ import annotations

import dataclasses
import email
import email.policy
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cb_mail import Address, AddressError, Attachment, HeaderError, MailError, Message, RawMessage
from cb_mail.lint import lint, tree
from cb_mail.plain import text_of


def mail(**given: Any) -> Message:
    """Make a message, some fields of which are given."""
    fields = {"sender": "sender@example.com", "to": "receiver@example.com", "subject": "s", "text": "t"}
    return Message(**(fields | given))


FILE = Attachment(b"x", "f.pdf")


@pytest.mark.parametrize(
    ("given", "structure"),
    [
        ({}, "text/plain"),
        ({"html": "<p>"}, "multipart/alternative(text/plain text/html)"),
        ({"attachments": [FILE]}, "multipart/mixed(text/plain application/pdf)"),
        (
            {"html": "<p>", "inline": {"c": b"x"}, "attachments": [FILE]},
            (
                "multipart/mixed(multipart/alternative(text/plain multipart/related("
                "text/html application/octet-stream)) application/pdf)"
            ),
        ),
        ({"inline": {"c": b"x"}}, "multipart/mixed(text/plain application/octet-stream)"),
    ],
)
def test_structure(given: dict[str, Any], structure: str) -> None:
    """As simple as can be: mixed(related(alternative(text, html), images), files), where there are such."""

    def shown(part: Any) -> str:
        if part.is_multipart():
            return f"{part.get_content_type()}({' '.join(map(shown, part.iter_parts()))})"
        return str(part.get_content_type())

    assert shown(email.message_from_bytes(mail(**given).as_bytes(), policy=email.policy.default)) == structure


def test_it_does_not_change() -> None:
    """A message is a value."""
    message = mail()
    with pytest.raises(dataclasses.FrozenInstanceError):
        message.subject = "other"  # type: ignore[misc]


def test_receivers_once() -> None:
    """Who stands in To and Bcc gets it once; domains are the same in small and capital letters."""
    message = mail(to=["a@x.org", "A@x.org"], cc="a@X.org", bcc="b@x.org")
    assert len(message.envelope().recipients) == 3
    with pytest.raises(AddressError, match="wants a receiver"):
        mail(to=[])


@pytest.mark.parametrize(
    "subject",
    [
        "word " * 60,
        "word " * 60 + "end",
        "x" * 300 + " end",
        "x" * 990,
        "x" * 2000,
        "ü" * 500,
        "a  b",
        " a",
        "a ",
        "=?",
        "東京" * 100,
        "mixed ü " * 30,
        "",
    ],
)
def test_long_and_odd_subjects(subject: str) -> None:
    """Folded at 78 where that can be, at 998 always; read back equal."""
    raw = mail(subject=subject).as_bytes()
    lines = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert max(map(len, lines)) <= 998
    if len(max(subject.split(" "), key=len)) < 60 or not subject.isascii():
        assert max(map(len, lines)) <= 78
    assert email.message_from_bytes(raw, policy=email.policy.default)["Subject"] == subject


def test_many_receivers_are_folded() -> None:
    """Between addresses, at 78."""
    raw = mail(to=[f"Receiver Nr. {number} <r{number}@example.com>" for number in range(50)]).as_bytes()
    assert max(map(len, raw.partition(b"\r\n\r\n")[0].split(b"\r\n"))) <= 78
    read = email.message_from_bytes(raw, policy=email.policy.default)
    assert len(read["To"].addresses) == 50
    names = [
        f"Empfängerin Nr. {number} mit einem Namen, der länger wird, denn eine Zeile Raum hätte" for number in range(9)
    ]
    raw = mail(to=[Address(f"r{number}@example.com", name) for number, name in enumerate(names)]).as_bytes()
    assert max(map(len, raw.partition(b"\r\n\r\n")[0].split(b"\r\n"))) <= 78
    read = email.message_from_bytes(raw, policy=email.policy.default)
    shown = [" ".join(one.display_name.split()) for one in read["To"].addresses]  # CPython adds a space between words
    assert shown == names


def test_dates() -> None:
    """As RFC 5322 has them, whatever the zone; one without a zone is local."""
    zone = timezone(timedelta(hours=-3, minutes=-30))
    assert mail(date=datetime(2024, 2, 29, 23, 5, 6, tzinfo=zone)).date == "Thu, 29 Feb 2024 23:05:06 -0330"
    assert mail(date=datetime(2024, 1, 2, 3, 4, 5)).date.startswith("Tue, 02 Jan 2024 03:04:05 ")  # noqa: DTZ001 - local
    now = email.utils.parsedate_to_datetime(mail().date)
    assert abs((datetime.now(UTC) - now).total_seconds()) < 60


def test_unsubscribe() -> None:
    """One click with https, RFC 8058; a mailto link alone has none."""
    raw = mail(unsubscribe=["https://example.com/u?a=1&b=2", "mailto:u@example.com"]).as_bytes()
    assert b"List-Unsubscribe: <https://example.com/u?a=1&b=2>,\r\n <mailto:u@example.com>\r\n" in raw
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw
    assert b"Post" not in mail(unsubscribe="mailto:u@example.com").as_bytes()
    for link in ("http://example.com", "https://a b", "javascript:x", "https://a>b"):
        with pytest.raises(HeaderError, match="unsubscribe"):
            mail(unsubscribe=link)


def test_own_headers() -> None:
    """Those written here have an argument of their own."""
    assert b"X-Priority: 1\r\n" in mail(headers={"X-Priority": "1"}).as_bytes()
    for name in ("From", "bcc", "Content-Type", "MIME-Version", "Date"):
        with pytest.raises(HeaderError, match="written here"):
            mail(headers={name: "x"})


def test_a_file_is_streamed(tmp_path: Path) -> None:
    """A large file comes in blocks of lines; its size is known before it is read."""
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(range(251)) * 5000)
    message = mail(attachments=[path])
    blocks = list(message.parts())
    assert len(blocks) > 3
    assert max(map(len, blocks)) < 700_000
    assert sum(map(len, blocks)) == message.size
    (file,) = email.message_from_bytes(b"".join(blocks), policy=email.policy.default).iter_attachments()  # type: ignore[attr-defined]
    assert file.get_payload(decode=True) == path.read_bytes()
    assert all(len(line) <= 76 for line in file.get_payload().splitlines())


@pytest.mark.parametrize("size", [0, 1, 2, 3, 56, 57, 58, 113, 114, 115, 466_943, 466_944, 466_945])
def test_sizes_of_base64(size: int) -> None:
    """Whatever is left for the last line, and at the edges of blocks."""
    import base64

    file = Attachment(b"\xfb" * size, "f")
    encoded = b"".join(file.blocks())
    assert encoded.replace(b"\r\n", b"\n") == base64.encodebytes(b"\xfb" * size)
    assert len(encoded) == file.encoded_size


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.pdf", "application/pdf"),
        ("a.tar.gz", "application/octet-stream"),
        ("a", "application/octet-stream"),
        ("a.eml", "application/octet-stream"),
        ("A.PNG", "image/png"),
    ],
)
def test_types_by_name(name: str, kind: str) -> None:
    """By the name's ending; what base64 must not hold, or is compressed, is just octets."""
    assert Attachment(b"x", name).content_type == kind


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder, or nothing: said when the message is made."""
    for path in (tmp_path, tmp_path / "none", Path("x\0y")):
        with pytest.raises(MailError, match="no file that can be read"):
            Attachment(path)
    with pytest.raises(HeaderError, match="no content type"):
        Attachment(b"x", "n", "nonsense")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("<p>one<p>two", "one\n\ntwo\n"),
        ("a<br>b", "a\nb\n"),
        ("<ul><li>a<li>b</ul>c", "- a\n- b\n\nc\n"),
        ("<style>x{}</style><script>y</script>z", "z\n"),
        (
            '<a href="https://a.b/c">link</a> <a href="https://a.b">https://a.b</a>',
            "link <https://a.b/c> https://a.b\n",
        ),
        ("<table><tr><td>a<td>b<tr><td>c</table>", "a  b\nc\n"),
        ("<pre>a  b\n  c</pre>", "a  b\n  c\n"),
        ('<img alt="Logo" src="x"> &amp; &euro;', "[Logo] & €\n"),
        ("a<hr>b", "a\n--------------------\nb\n"),
        ("<p>a</b></p></div><b", "a\n\n<b\n"),
    ],
)
def test_text_of_html(html: str, text: str) -> None:
    """What a reader without HTML sees."""
    assert text_of(html) == text


def test_raw_messages() -> None:
    """Line ends become CRLF, a Message-ID is added; what is no message says in which line."""
    raw = RawMessage.from_eml(b"From: A <a@b.c>\nTo: G: =?utf-8?q?x?= <d@e.f>, g@h.i;\nCc:\n  j@k.l\n\nx")
    assert (raw.sender, [one.addr for one in raw.recipients]) == (Address("a@b.c"), ["d@e.f", "g@h.i", "j@k.l"])
    assert raw.data.startswith(b"From: A <a@b.c>\r\nTo: G:")
    assert f"Message-ID: {raw.message_id}".encode() in raw.data
    assert raw.as_bytes().endswith(b"\r\n\r\nx\r\n")
    for data, says in (
        (b"From: a@b.c\nTo: d@e.f\nno field\n\nx", "line 3 is no header field"),
        (b"From: a@b.c\nTo: d@e.f\n\nx\0y", "line 4: NUL"),
        (b"From: a@b.c\nTo: d@e.f\n\n" + b"x" * 999, "line 4 has more than 998"),
        (b"To: d@e.f\n\nx", "no sender"),
        (b"From: a@b.c\n\nx", "no receiver"),
        (b"From: a@b.c\nTo: \xff@e.f\n\nx", "To: not UTF-8"),
    ):
        with pytest.raises(MailError, match=says):
            RawMessage.from_eml(data)
    with pytest.raises(HeaderError, match="no 8BITMIME"):
        RawMessage.from_eml("From: a@b.c\nTo: d@e.f\n\nä".encode()).pieces()


def test_lint() -> None:
    """A message that has all that is expected has nothing said against it; each lack is said."""
    fine = mail(html="<p>Hi", attachments=[FILE]).as_bytes()
    assert lint(fine) == []
    assert "application/pdf  f.pdf  1 octets" in tree(fine)
    html = '<img src="http://x/y"><script>1</script>' + "x" * 103_000
    bad = (
        b"From: a@xn--b-xxa.example\nSubject:\nSubject: two\nPrecedence: bulk\nContent-Type: text/html\n\n"
        + html.encode()
        + b"\n"
    )
    said = "\n".join(lint(bad))
    for word in ("no Date", "no Message-ID", "no subject", "nobody in To", "there twice", "not CRLF", "more than 998"):
        assert word in said
    for word in (
        "without a text version",
        "Gmail hides",
        "remote image",
        "scripts",
        "no List-Unsubscribe",
        "other letters",
    ):
        assert word in said
