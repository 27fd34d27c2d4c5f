"""The public API, type-checked from outside; every line with an ignore is a mistake that must be found."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_type

import cb_mail
from cb_mail import (
    Address,
    AddressError,
    AsyncClient,
    Attachment,
    AuthError,
    Client,
    ConnectError,
    Credentials,
    Envelope,
    HeaderError,
    MailError,
    Message,
    ProtocolError,
    RawMessage,
    RecipientResult,
    Result,
    ServerError,
    Spool,
    SpoolError,
    Template,
    TemplateError,
    TLSError,
    UnknownOutcome,
    send,
)
from cb_mail.credentials import find_credentials
from cb_mail.dkim import Signer
from cb_mail.lint import lint, tree
from cb_mail.merge import Pace, deliver, merge_key, write_results
from cb_mail.receiving import Received
from cb_mail.rows import Rows, read_rows
from cb_mail.session import Capabilities
from cb_mail.spool import Entry, Totals
from cb_mail.testing import Server

assert_type(cb_mail.__version__, str)

# Addresses.
anna = Address.parse("Anna <anna@example.com>")
assert_type(anna, Address)
assert_type(anna.with_name().header(utf8=True), str)
assert_type(Address.parse_list("a@b.c, d@e.f"), tuple[Address, ...])
Address(1)  # type: ignore[arg-type]
anna.addr = "b@example.com"  # type: ignore[misc]
anna.header(True)  # type: ignore[call-arg]

# Messages.
message = Message(
    anna,
    ["bob@example.org", anna],
    "Lunch",
    "At noon?",
    "<p>At noon?</p>",
    cc=anna,
    bcc="eve@example.net",
    attachments=[Path("a.pdf"), "b.pdf", Attachment(b"c", "c.txt", content_type="text/plain")],
    inline={"logo": b"GIF89a"},
    headers={"X-Kind": "lunch"},
    unsubscribe="https://example.com/u",
    date=datetime.now(UTC),
)
assert_type(message.as_bytes(eight_bit=True), bytes)
assert_type(message.parts(), Iterator[bytes])
assert_type(message.envelope(), Envelope)
assert_type(message.envelope().sender, Address | None)
Message(anna, "bob@example.org")  # type: ignore[call-arg]
Message(anna, 7, "Lunch")  # type: ignore[arg-type]
Message(anna, "bob@example.org", "Lunch", attachments=[b"bytes"])  # type: ignore[list-item]
message.subject = "Dinner"  # type: ignore[misc]
raw = RawMessage.from_eml(b"From: a@b.c\n\n", recipients=[anna])
assert_type(raw, RawMessage)
RawMessage("text", anna, (anna,))  # type: ignore[arg-type]

# Sending.
with Client("smtp://localhost", window=16, credentials=Credentials("anna", "secret"), tls="starttls") as client:
    assert_type(client.send(message), Result)
    assert_type(client.send_many([message, raw, None]), Iterator[Result])
    assert_type(client.capabilities, Capabilities)
    client.send("text")  # type: ignore[arg-type]
Client("smtp://localhost", tls="maybe")  # type: ignore[arg-type]
Client("smtp://localhost", windows=2)  # type: ignore[call-arg]
result = send(message, "smtps://anna@mail.example.com")
assert_type(result.recipients, tuple[RecipientResult, ...])
assert_type(result.of("refused", "unknown"), tuple[RecipientResult, ...])
result.of("lost")  # type: ignore[arg-type]
assert_type(result.ok, bool)


async def sending() -> None:
    """The same in asyncio."""
    async with AsyncClient("smtp://localhost") as server:
        assert_type(await server.send(message), Result)
        async for one in server.send_many([message]):
            assert_type(one, Result)
        print(server.send(message).ok)  # type: ignore[attr-defined]  # noqa: T201


# Merging.
template = Template("shop@example.com", "{{ mail }}", "Hello", "Dear {{ name }}")
assert_type(template.render({"mail": "a@b.c", "name": "Ann"}, number=1), Message)
assert_type(template.columns, frozenset[str])
template.render("row")  # type: ignore[arg-type]
rows = read_rows(b"mail,name\n", "rows.csv")
assert_type(rows, Rows)
read_rows(b"", "rows.csv", kind="xml")  # type: ignore[arg-type]
with Spool("spool.sqlite") as spool:
    assert_type(spool.put(message), int)
    assert_type(spool.put_merge(template, rows, key=merge_key(template, rows)), int)
    assert_type(spool.run(client, on_unknown="resend", pace=Pace(100)), Totals)
    assert_type(spool.entries(state="unknown"), Iterator[Entry])
    assert_type(write_results(spool.entries(), Path("results.csv")), int)
    spool.run(client, on_unknown="drop")  # type: ignore[arg-type]
    spool.entries(state="lost")  # type: ignore[arg-type]
    spool.put_merge(template, rows)  # type: ignore[call-arg]
assert_type(deliver(Path("spool.sqlite"), lambda: Client("smtp://localhost"), connections=4), Totals)

# Signing, looking at, catching.
signer = Signer(Path("key.pem"), selector="mail", domain="example.com")
assert_type(signer.signed(message), RawMessage)
Signer("key.pem", selector="mail", domain="example.com")  # type: ignore[arg-type]
assert_type(lint(message.as_bytes()), list[str])
assert_type(tree(message.as_bytes()), str)
with Server(faults=["RCPT:451:first=1"], hide=["CHUNKING"]) as server:
    assert_type(server.wait(1), list[Received])
    server.wait("1")  # type: ignore[arg-type]
assert_type(find_credentials("anna", "mail.example.com"), Credentials)

# Errors.
for kind in (AddressError, AuthError, ConnectError, HeaderError, ProtocolError, SpoolError, TLSError, UnknownOutcome):
    assert issubclass(kind, MailError)
assert_type(ServerError("no", code=550).transient, bool)
assert_type(TemplateError("no").row, int)
ServerError("no")  # type: ignore[call-arg]
print(cb_mail.Nothing)  # type: ignore[attr-defined]  # noqa: T201
