"""Servers of others take what we send, over every way that they offer, and keep it as it was written."""

from __future__ import annotations

import email
import email.policy
import ssl
from pathlib import Path
from typing import Any, Literal

import pytest
import servers
import trustme
from cb_mail import Attachment, Client, Message
from mail_support import open_folder

TEXT = "Dear Änna,\n.\n..dots\nFrom here on\ntrailing  \n"
DATA = bytes(range(256)) * 300


@pytest.mark.faults
@pytest.mark.xdist_group("servers")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["exim", "opensmtpd", "haraka", "maildev"])
def test_the_matrix(name: str) -> None:
    """Plain, STARTTLS, TLS; with and without PIPELINING and CHUNKING: every message once, equal to what was sent."""
    with open_folder() as folder:
        sent, came = send_each_way(name, folder)
    assert sorted(one["id"] for one in came) == sorted(sent)
    for one in came:
        message = sent[one["id"]]
        assert (one["subject"], one["text"], one["file"], one["defects"]) == (message.subject, TEXT, DATA, [])


def send_each_way(name: str, folder: Path) -> tuple[dict[str, Message], list[dict[str, Any]]]:
    """Start the server in *folder* and send; returns what was sent, by its id, and what came."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    sent: dict[str, Message] = {}
    with getattr(servers, name)(folder) as server:
        ways: list[tuple[Literal["none", "starttls", "implicit"], int]] = [("none", server.plain)]
        ways += [("starttls", server.plain)] if server.starttls else []
        ways += [("implicit", server.implicit)] if server.implicit else []
        for tls, port in ways:
            for pipelining in (True, False):
                for chunking in (True, False):
                    messages = [
                        Message(
                            "J. <a@example.com>",
                            "b@example.org",
                            f"Nr. {n} ä",
                            TEXT,
                            attachments=[Attachment(DATA, "ü.png")],
                        )
                        for n in range(4)
                    ]
                    with Client(
                        f"smtp://127.0.0.1:{port}",
                        tls=tls,
                        context=None if tls == "none" else context,
                        pipelining=pipelining,
                        chunking=chunking,
                        window=3,
                    ) as client:
                        results = list(client.send_many(messages))
                    assert all(result.ok for result in results), (tls, pipelining, chunking, results)
                    sent |= {message.message_id: message for message in messages}
        return sent, [read(raw) for raw in server.received(len(sent))]


def read(raw: bytes) -> dict[str, Any]:
    """Read a delivered message with the standard library."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    parts = {part.get_content_type(): part for part in message.walk() if not part.is_multipart()}
    return {
        "subject": message["Subject"],
        "text": parts["text/plain"].get_content().replace("\r\n", "\n"),  # maildev keeps what it was sent
        "file": parts["image/png"].get_content(),
        "defects": [defect for part in message.walk() for defect in part.defects],
        "id": message["Message-ID"],
    }
