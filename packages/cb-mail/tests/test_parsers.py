"""What is written is what independent readers see: the same tree, the same bytes, nothing to say against it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from cb_mail import Address, Attachment, Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parsers import cpython, perl, postal_mime

FULL = os.environ.get("CB_FAULTS") == "full"
LETTERS = st.characters(
    exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp"),
    exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
)
WORDS = st.text(LETTERS, max_size=120) | st.sampled_from(
    ["", " ", "a  b", "=?", "?=", "x" * 1100, "ü" * 400, 'a "q" \\ b', "a, b; c@d <e>", " lead", "trail "]
)
LINES = st.text(st.characters(exclude_categories=("Cs",)), max_size=300) | st.lists(
    st.sampled_from(
        [".", "..", "From x", "--", "", " ", "tab\t ", "=", "=20", "x" * 998, "y" * 999, "z" * 3000, "ü" * 500, "end"]
    ),
    max_size=8,
).map("\n".join)
SUBJECTS = WORDS.filter(lambda text: "=?" not in text or "?=" not in text)
NAMES = st.text(LETTERS, max_size=60).filter(
    lambda text: text == text.strip() and "=?" not in text and "/" not in text and "\\" not in text
)
LOCALS = st.from_regex(r"[a-z0-9!#$%&'*+_-]{1,12}(\.[a-z0-9]{1,8})?", fullmatch=True)
ADDRESSES = st.builds(
    lambda local, domain, name: Address(f"{local}@{domain}", name),
    LOCALS,
    st.sampled_from(["example.com", "a.b.example", "bücher.example"]),
    NAMES,
)
# Perl takes a name "0" for none.
FILES = st.builds(
    Attachment,
    st.binary(max_size=400),
    NAMES.filter(lambda name: name not in {".", "..", "0", ""} and len(name.encode()) < 200),
    st.sampled_from(["", "image/png", "text/plain"]),
)


def normal(text: str) -> bytes:
    """Return a text as a reader shows it."""
    return text.replace("\r\n", "\n").replace("\r", "\n").encode()


def unified(tree: dict[str, Any]) -> dict[str, Any]:
    """Return the tree with the line ends of its texts as one: some readers turn them, some do not."""
    if "parts" in tree:
        return {**tree, "parts": [unified(part) for part in tree["parts"]]}
    if tree["name"] is None:
        return {**tree, "data": bytes.fromhex(tree["data"]).replace(b"\r\n", b"\n").hex()}
    return tree


@pytest.fixture(scope="module")
def readers() -> Iterator[dict[str, Callable[[bytes], dict[str, Any]]]]:
    """All readers there are."""
    with ExitStack() as stack:
        found = {
            "CPython": cpython,
            "MIME-tools": stack.enter_context(perl("parse_mime_tools.pl", "MIME::Parser")),
            "Email::MIME": stack.enter_context(perl("parse_email_mime.pl", "Email::MIME")),
        }
        if fourth := postal_mime():
            found["postal-mime"] = stack.enter_context(fourth)
        yield found


def leaf(kind: str, data: bytes, name: str | None = None, cid: str | None = None) -> dict[str, Any]:
    """Return what a part must be seen as."""
    return {"type": kind, "name": name, "cid": cid, "data": data.hex()}


def expected(message: Message, html: str | None, text: str) -> dict[str, Any]:
    """Return the tree that *message* must be seen as."""
    files = [leaf(one.content_type, bytes(one.source), one.name) for one in message.attachments]  # type: ignore[arg-type]
    images = [leaf(one.content_type, bytes(one.source), one.name, one.content_id) for one in message.inline]  # type: ignore[arg-type]
    body = leaf("text/plain", normal(text))
    if html is not None:
        shown = leaf("text/html", normal(html))
        if images:
            shown = {"type": "multipart/related", "parts": [shown, *images]}
        body = {"type": "multipart/alternative", "parts": [body, shown]}
    else:
        files = images + files
    return {"type": "multipart/mixed", "parts": [body, *files]} if files else body


@pytest.mark.long
@settings(max_examples=10_000 if FULL else 150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    sender=ADDRESSES,
    to=st.lists(ADDRESSES, min_size=1, max_size=4),
    cc=st.lists(ADDRESSES, max_size=2),
    subject=SUBJECTS,
    text=LINES,
    html=st.none() | LINES,
    files=st.lists(FILES, max_size=2),
    images=st.dictionaries(st.from_regex(r"[a-z0-9.]{1,20}", fullmatch=True), st.binary(max_size=100), max_size=2),
    note=st.none() | SUBJECTS,
    eight_bit=st.booleans(),
)
@pytest.mark.faults
def test_all_readers_see_what_was_written(
    readers: Any, eight_bit: bool, html: str | None, text: str, note: str | None, **given_: Any
) -> None:
    """Tree, names, fields and every byte; no reader has anything to say against it."""
    message = Message(
        given_["sender"],
        given_["to"],
        given_["subject"],
        text,
        html,
        cc=given_["cc"],
        attachments=given_["files"],
        inline=given_["images"],
        headers=None if note is None else {"X-Note": note},
    )
    raw = message.as_bytes(eight_bit=eight_bit)
    tree = expected(message, html, text)
    lines = raw.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert lines[-1] == b""
    assert not {b"\r", b"\n", b"\0"} & {
        line[i : i + 1] for line in lines for i in range(len(line)) if line[i] in b"\r\n\0"
    }
    head = raw.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert all(line.strip() for line in head.split(b"\r\n"))
    for name, read in readers.items():
        seen = read(raw)
        assert seen["bad"] == [], name
        ours = unified(seen["tree"])
        if "data" in tree and ours["data"] != tree["data"]:
            tree_with_end = {**tree, "data": tree["data"] + "0a"}  # a message ends with a line's end
            assert ours == tree_with_end, name
        else:
            assert ours == tree, name
        assert (seen["head"]["Subject"] or "") == given_["subject"], name
        assert seen["head"]["X-Note"] == note or (note == "" and not seen["head"]["X-Note"]), name
