"""Templates and rows: every gap is filled or said, and HTML is escaped."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cb_mail import MailError, Template, TemplateError
from cb_mail.rows import read_rows

LETTER = """\
From: Shop Ä <shop@example.com>
To: {{ name }} <{{ mail }}>
Subject: Order {{ id }}
  for {{ name }}
Html: letter.html
Attach: terms.txt
Attach: bill-{{ id }}.txt
Inline: logo logo.png
Unsubscribe: https://example.com/u?{{ id }}
X-Campaign: spring

Dear {{ name }},
it is on its way.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a template and its files."""
    (tmp_path / "letter.txt").write_text(LETTER)
    (tmp_path / "letter.html").write_text('<p>Dear {{ name }} <img src="cid:logo">')
    (tmp_path / "terms.txt").write_text("terms")
    (tmp_path / "bill-7.txt").write_text("bill 7")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    return tmp_path


def test_a_file_with_all(folder: Path) -> None:
    """Fields, HTML beside it, files for all and for one row, further headers."""
    template = Template.load(folder / "letter.txt")
    assert template.columns == {"name", "mail", "id"}
    when = datetime(2024, 3, 1, 12, tzinfo=UTC)
    message = template.render({"name": "Ann & Bob", "mail": "ann@example.org", "id": 7}, message_id="<1@x>", date=when)
    assert message.subject == "Order 7 for Ann & Bob"
    assert message.html == '<p>Dear Ann &amp; Bob <img src="cid:logo">'
    assert message.text == "Dear Ann & Bob,\nit is on its way.\n"
    assert [one.name for one in message.attachments] == ["terms.txt", "bill-7.txt"]
    assert [one.content_id for one in message.inline] == ["logo"]
    assert (message.message_id, message.date) == ("<1@x>", "Fri, 01 Mar 2024 12:00:00 +0000")
    assert message.headers == (("X-Campaign", "spring"),)
    assert message.unsubscribe == ("https://example.com/u?7",)


def test_files_for_all_are_encoded_once(folder: Path) -> None:
    """Two messages share the same encoded bytes."""
    template = Template.load(folder / "letter.txt")
    one, two = (template.render({"name": n, "mail": f"{n}@x.org", "id": 7}) for n in "ab")
    assert next(one.attachments[0].blocks()) is next(two.attachments[0].blocks())


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"mail": "a@b.c", "id": 7}, "row 2: there is no column 'name'"),
        ({"name": "x", "id": 7}, "row 2: there is no column 'mail'"),
        ({"name": "x", "mail": "nobody", "id": 7}, "row 2: 'nobody' is no address"),
        ({"name": "x\ny", "mail": "a@b.c", "id": 7}, "row 2: name: character 2 is U\\+000A"),
        ({"name": "x", "mail": "a@b.c", "id": 8}, "row 2: .*bill-8.txt: no file"),
    ],
)
def test_a_row_that_makes_no_message(folder: Path, row: dict[str, object], says: str) -> None:
    """The row, the column or the field, and what is wrong."""
    with pytest.raises(TemplateError, match=says) as caught:
        Template.load(folder / "letter.txt").render(row, number=2)
    assert caught.value.row == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("To: a@b.c\n\nx", "letter.txt:1: no From field"),
        ("From: a@b.c\n\nx", "letter.txt:1: no To field"),
        ("From: a@b.c\nno field\n\nx", "letter.txt:2: 'no field' is no field"),
        ("From: a@b.c\nFrom: a@b.c\n\nx", "letter.txt:2: From is there twice"),
        ("From: a@b.c\nTo: {{ x }\n\nx", "letter.txt: To, line 1: "),
        ("From: a@b.c\nTo: b@c.d\n\nline\n{% if %}", "letter.txt: text, line 2: "),
        ("From: a@b.c\nTo: b@c.d\nHtml: none.html\n\nx", "letter.txt: Html: none.html: No such file"),
        ("From: a@b.c\nTo: b@c.d\nAttach: none.pdf\n\nx", "none.pdf: no file"),
    ],
)
def test_a_file_that_is_no_template(tmp_path: Path, text: str, says: str) -> None:
    """File and line."""
    (tmp_path / "letter.txt").write_text(text)
    with pytest.raises(MailError, match=says):
        Template.load(tmp_path / "letter.txt")


def test_not_there_and_not_text(tmp_path: Path) -> None:
    """A template that cannot be read is one line."""
    with pytest.raises(TemplateError, match=r"none.txt: No such file"):
        Template.load(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes(b"From: \xe4@b.c\n\nx")
    with pytest.raises(TemplateError, match="not UTF-8"):
        Template.load(tmp_path / "latin.txt")


def test_html_only(tmp_path: Path) -> None:
    """With `Content-Type: text/html` the text below is HTML, and the text version is made of it."""
    (tmp_path / "x.txt").write_text("From: a@b.c\nTo: b@c.d\nContent-Type: text/html\n\n<h1>Hi {{ n }}</h1>")
    message = Template.load(tmp_path / "x.txt").render({"n": "<b>"})
    assert message.html == "<h1>Hi &lt;b&gt;</h1>"
    assert b"Hi <b>" in message.as_bytes()


def test_several_receivers_in_a_list() -> None:
    """A list in a row of JSON is several receivers; each is checked."""
    template = Template("a@b.c", "{{ who }}", "s", "t", bcc="{{ spy }}")
    message = template.render({"who": ["a@x.org", "B <b@x.org>"], "spy": "c@x.org"})
    assert [one.addr for one in message.envelope().recipients] == ["a@x.org", "b@x.org", "c@x.org"]


@pytest.mark.parametrize(
    ("data", "name", "rows"),
    [
        (b"a,b\n1,2\n", "x.csv", [{"a": "1", "b": "2"}]),
        (b'\xef\xbb\xbfa,b\r\n"1,\r\n2",\xc3\xa4\r\n\r\n', "x.csv", [{"a": "1,\r\n2", "b": "ä"}]),
        (b'{"a": 1}\n\n{"a": [2]}\n', "x.jsonl", [{"a": 1}, {"a": [2]}]),
        (b'{"a": 1}\n', "-", [{"a": 1}]),
        (b"", "x.csv", []),
    ],
)
def test_rows(data: bytes, name: str, rows: list[dict[str, object]]) -> None:
    """CSV with BOM, CRLF and line ends in cells; JSON Lines; by the name, or by what it looks like."""
    assert read_rows(data, name) == rows


@pytest.mark.parametrize(
    ("data", "name", "says"),
    [
        (b"a,b\n1\n", "x.csv", "x.csv:2: 1 fields; the header has 2"),
        (b"a,a\n1,2\n", "x.csv", "x.csv:1: two columns of one name"),
        (b'a\n"x\n', "x.csv", "x.csv:2: "),
        (b"a\n\xff\n", "x.csv", "x.csv:2: not UTF-8"),
        (b'{"a": 1}\n{"a": }\n', "x.jsonl", "x.jsonl:2:7: not JSON"),
        (b"[1]\n", "x.jsonl", "x.jsonl:1:1: no object"),
    ],
)
def test_rows_that_are_none(data: bytes, name: str, says: str) -> None:
    """File and line."""
    with pytest.raises(TemplateError, match=says):
        read_rows(data, name)
