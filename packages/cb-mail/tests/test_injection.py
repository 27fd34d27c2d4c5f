"""Nothing in a field can become another one: every field times every way of ending a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cb_mail import Address, Attachment, MailError, Message, RawMessage, Template
from cb_mail.session import command

ENDS = {
    "LF": "\n",
    "CR": "\r",
    "CRLF": "\r\n",
    "fold": "\r\n ",
    "LF tab": "\n\t",
    "NUL": "\0",
    "NEL": "\x85",
    "VT": "\x0b",
    "FF": "\x0c",
    "FS": "\x1c",
    "GS": "\x1d",
    "RS": "\x1e",
    "ESC": "\x1b",
    "DEL": "\x7f",
    "CSI": "\x9b",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "lone surrogate": "\ud800",
    "right to left": "\u202e",
    "encoded LF": "=?utf-8?q?=0A?=",
    "encoded CRLF": "=?UTF-8?B?DQo=?=",
    "encoded NUL": "=?us-ascii?Q?=00?=",
}
EVIL = "Bcc: evil@example.net"


def message(**given: object) -> Message:
    """Make a message, one field of which is given."""
    fields: dict[str, object] = {"sender": "a@example.com", "to": "b@example.org", "subject": "s", "text": "t"}
    return Message(**(fields | given))  # type: ignore[arg-type]


FIELDS: dict[str, Callable[[str], object]] = {
    "subject": lambda evil: message(subject=evil),
    "sender's name": lambda evil: message(sender=Address("a@example.com", evil)),
    "sender": lambda evil: message(sender=evil),
    "sender's local part": lambda evil: message(sender=f"{evil}@example.com"),
    "sender's domain": lambda evil: message(sender=f"a@{evil}"),
    "to, read": lambda evil: message(to=f"{evil} <b@example.org>"),
    "to, a name": lambda evil: message(to=[Address("b@example.org", evil)]),
    "to, an address": lambda evil: message(to=[f"b{evil}@example.org"]),
    "to, quoted": lambda evil: message(to=f'"{evil}" <b@example.org>'),
    "cc": lambda evil: message(cc=f"{evil} <c@example.org>"),
    "bcc": lambda evil: message(bcc=f"{evil} <c@example.org>"),
    "reply-to": lambda evil: message(reply_to=f"{evil} <c@example.org>"),
    "header's name": lambda evil: message(headers={f"X{evil}": "v"}),
    "header's value": lambda evil: message(headers={"X-Note": evil}),
    "file's name": lambda evil: message(attachments=[Attachment(b"x", evil)]),
    "content type": lambda evil: message(attachments=[Attachment(b"x", "n", f"text/{evil}")]),
    "content id": lambda evil: message(html="<p>", inline={evil: b"x"}),
    "unsubscribe": lambda evil: message(unsubscribe=f"https://example.com/{evil}"),
    "message id": lambda evil: message(message_id=f"<{evil}@example.com>"),
}
CASES = [(field, name) for field in FIELDS for name in ENDS]


def test_there_are_enough() -> None:
    """More than three hundred ways."""
    assert len(CASES) > 300


@pytest.mark.parametrize(("field", "end"), CASES)
def test_refused_in_every_field(field: str, end: str) -> None:
    """Whatever the interpreter's own patch level: an error, one line that can be shown, and nothing made."""
    evil = f"x{ENDS[end]}{EVIL}"
    with pytest.raises(MailError) as caught:
        FIELDS[field](evil)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("end", ENDS)
def test_a_row_cannot_add_a_receiver_or_a_field(end: str) -> None:
    """What stands in a row stays in its place."""
    template = Template("a@example.com", "{{ name }} <{{ mail }}>", "Hi {{ name }}", "text")
    for row in ({"name": f"x{ENDS[end]}{EVIL}", "mail": "b@c.d"}, {"name": "x", "mail": f"b@c.d{ENDS[end]}{EVIL}"}):
        with pytest.raises(MailError, match="row 3"):
            template.render(row, number=3)


@pytest.mark.parametrize(
    "value", ["b@c.d, evil@example.net", "b@c.d> , <evil@example.net", "<evil@example.net>", 'x" <evil@example.net>, "']
)
def test_a_value_is_one_address(value: str) -> None:
    """A comma or a bracket in a row makes no second receiver; in a name it is a part of the name."""
    for to in ("{{ name }} <{{ mail }}>", "{{ name|trim }} <{{ mail }}>", "Dear {{ name }} <{{ mail }}>"):
        template = Template("a@example.com", to, "s", "t")
        with pytest.raises(MailError):
            template.render({"name": "n", "mail": value})
        (receiver,) = template.render({"name": value, "mail": "b@c.d"}).to
        assert receiver.addr == "b@c.d"
        assert value in receiver.name


def test_text_that_looks_like_an_encoded_word_but_is_none() -> None:
    """It is encoded, so that no reader takes it for one."""
    raw = message(subject="is =? a thing").as_bytes()
    assert b"Subject: =?utf-8?q?is_=3D=3F_a_thing?=" in raw


def test_what_is_read_from_a_file() -> None:
    """A message of somebody else's keeps its fields; its Bcc is taken out, and bare line ends cannot hide anything."""
    raw = RawMessage.from_eml(b"From: a@b.c\nTo: d@e.f\nBcc: g@h.i,\n j@k.l\rX: 1\n\nbody\n.\nMAIL FROM:<x@y.z>\n")
    assert b"g@h.i" not in raw.data
    assert [one.addr for one in raw.recipients] == ["d@e.f", "g@h.i", "j@k.l"]
    assert raw.data.replace(b"\r\n", b"").count(b"\n") + raw.data.replace(b"\r\n", b"").count(b"\r") == 0


def test_commands() -> None:
    """No command can be made of two."""
    for word in ("a\r\nDATA", "a\nb", "a\0b", "a\x7f"):
        with pytest.raises(MailError):
            command("MAIL", word)


def test_a_path_is_no_name(tmp_path: Path) -> None:
    """A name has no folder in it."""
    for name in ("../x", "a/b", "a\\b", "..", "x" * 300):
        with pytest.raises(MailError, match="file name"):
            Attachment(b"x", name)
    with pytest.raises(MailError, match="no file that can be read"):
        Attachment(tmp_path / "not there")
