"""A real Postfix takes what we send, over every way that it offers, and delivers it as it was written."""

from __future__ import annotations

import email
import email.policy
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from cb_mail import Attachment, Client, Message, Spool, Template
from mail_support import Postfix, open_folder, until

TEXT = "Dear Änna,\n.\n..dots\nFrom here on\ntrailing  \n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority of our own."""
    return trustme.CA()


@pytest.fixture(scope="module")
def postfix(authority: trustme.CA) -> Iterator[Postfix]:
    """One Postfix for all tests here."""
    with open_folder() as folder:
        certificate = folder / "server.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
        with Postfix(folder / "mta", certificate) as server:
            yield server


def read(raw: bytes) -> dict[str, Any]:
    """Read a delivered message with the standard library."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    parts = {part.get_content_type(): part for part in message.walk() if not part.is_multipart()}
    return {
        "subject": message["Subject"],
        "from": str(message["From"]),
        "text": parts["text/plain"].get_content(),
        "file": parts["image/png"].get_content() if "image/png" in parts else None,
        "defects": [defect for part in message.walk() for defect in part.defects],
        "id": message["Message-ID"],
    }


@pytest.mark.xdist_group("postfix")
@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
@pytest.mark.parametrize("chunking", [True, False])
@pytest.mark.parametrize("pipelining", [True, False])
def test_the_matrix(postfix: Postfix, authority: trustme.CA, tls: Any, chunking: bool, pipelining: bool) -> None:
    """Plain, STARTTLS and TLS, with and without PIPELINING and CHUNKING: delivered once, equal to what was sent."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    data = bytes(range(256)) * 300
    messages = [
        Message("Jörg <a@example.com>", "b@example.org", f"Nr. {n} ä", TEXT, attachments=[Attachment(data, "ü.png")])
        for n in range(5)
    ]
    url = postfix.smtps if tls == "implicit" else postfix.url
    with Client(url, tls=tls, context=context, chunking=chunking, pipelining=pipelining, window=4) as client:
        assert all(result.ok for result in client.send_many(messages))
    ids = {message.message_id for message in messages}
    found: dict[str, dict[str, Any]] = {}

    def came() -> bool:  # others' may come late
        found.update({one["id"]: one for one in map(read, postfix.delivered(1))})
        return ids <= found.keys()

    until(came, 90)
    for number, message in enumerate(messages):
        one = found[message.message_id]
        assert (one["subject"], one["from"], one["defects"]) == (f"Nr. {number} ä", "Jörg <a@example.com>", [])
        assert one["text"] == TEXT
        assert one["file"] == data


@pytest.mark.xdist_group("postfix")
def test_a_merge(postfix: Postfix, tmp_path: Path) -> None:
    """A hundred rows from the spool: all delivered, none twice, the spool says so."""
    template = Template(
        "shop@example.com", "{{ name }} <{{ mail }}>", "Order {{ id }}", "Dear {{ name }}\n", "<p>{{ name }}"
    )
    rows = [{"name": f"Ann {n}, <Ltd.>", "mail": f"r{n}@example.org", "id": n} for n in range(100)]
    with Spool(tmp_path / "spool") as spool, Client(postfix.url, window=16, max_per_connection=40) as client:
        spool.put_merge(template, rows, key="k")
        totals = spool.run(client)
        assert (totals.accepted, totals.refused, totals.unknown) == (100, 0, 0)
        ids = {entry.message_id for entry in spool.entries(state="done")}
    assert len(ids) == 100

    def came() -> list[str]:
        return [one for one in (read(raw)["id"] for raw in postfix.delivered(0)) if one in ids]

    until(lambda: len(came()) >= 100, 90)
    assert sorted(came()) == sorted(ids)


@pytest.mark.xdist_group("postfix")
def test_receivers_that_it_refuses(postfix: Postfix) -> None:
    """Its own refusal of one receiver, among others that it takes."""
    message = Message("a@example.com", ["b@example.org", "x@nowhere.invalid"], "s", "t")
    with Client(postfix.url) as client:
        result = client.send(message)
    states = {one.recipient: one.state for one in result.recipients}
    assert states["b@example.org"] == "accepted"
