"""Replies: the same whatever pieces the bytes come in, and bounded."""

from __future__ import annotations

import pytest
from cb_mail.errors import ProtocolError
from cb_mail.reply import Replies
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
REPLIES = st.lists(st.tuples(st.integers(200, 599), st.lists(WORDS, min_size=1, max_size=4)), max_size=6)


@given(REPLIES, st.data())
def test_pieces_do_not_matter(replies: list[tuple[int, list[str]]], data: st.DataObject) -> None:
    """Cut anywhere, the same replies come out, in order."""
    wire = b""
    for code, lines in replies:
        for number, line in enumerate(lines):
            wire += f"{code}{'-' if number < len(lines) - 1 else ' '}{line}\r\n".encode()
    found, reader = [], Replies()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        reader.feed(wire[start:end])
        while reply := reader.pop():
            found.append((reply.code, list(reply.lines)))
    assert found == replies
    assert not reader.pending


@pytest.mark.parametrize(
    ("wire", "says"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "not SMTP"),
        (b"\xff\xfe\r\n", "not SMTP"),
        (b"250-a\r\n251 b\r\n", "changes from 250 to 251"),
        (b"250 " + b"x" * 9000, "more than 8,192"),
        (b"250 " + b"x" * 9000 + b"\r\n", "not SMTP"),
        (b"250-" + b"x" * 4000 + b"\r\n", "without an end"),
    ],
    ids=["HTTP", "binary", "two codes", "line", "whole line", "lines"],
)
def test_what_is_no_reply(wire: bytes, says: str) -> None:
    """Another protocol, a line or a reply without an end: an error, and bounded memory."""
    reader = Replies()

    def feed() -> None:
        for _ in range(40):
            reader.feed(wire)

    with pytest.raises(ProtocolError, match=says):
        feed()


def test_what_a_reply_says() -> None:
    """Code, enhanced code, words; controls are not handed on to a terminal."""
    reader = Replies()
    reader.feed(b"550-5.1.1 No such\r\n550 5.1.1 user \x1b[2J here\r\n250\r\n")
    reply, bare = reader.pop(), reader.pop()
    assert reply
    assert bare
    assert (reply.code, reply.enhanced, reply.text) == (550, "5.1.1", "No such user ?[2J here")
    assert (bare.code, bare.text, bare.ok) == (250, "", True)
