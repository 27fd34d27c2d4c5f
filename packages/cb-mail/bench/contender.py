"""One contender sends so many messages, in a process of its own: ``contender.py NAME PORT COUNT FILE``.

Prints seconds (imports not counted) and the peak resident memory in MB. FILE is ``-``, or what is attached to each.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any

from workload import HTML, SENDER, SUBJECT, TEXT, filled, rows

PORT, COUNT, FILE = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
ROWS = rows(COUNT)
START = 0.0
CONTENDERS: dict[str, Callable[[], Any]] = {}


def contender(function: Callable[[], Any]) -> Callable[[], Any]:
    CONTENDERS[function.__name__.strip("_").replace("__", "@").replace("_", " ")] = function
    return function


def start() -> None:
    global START  # noqa: PLW0603
    START = time.perf_counter()


def ours(*, journal: bool, window: int, chunking: bool = False) -> None:
    from cb_mail import Client, Spool, Template

    url = f"smtp://127.0.0.1:{PORT}"
    start()
    files = [] if FILE == "-" else [FILE]
    template = Template(SENDER, "{{ name }} <{{ mail }}>", SUBJECT, TEXT, HTML, attachments=files)
    with Client(url, window=window, max_per_connection=10**6, chunking=chunking) as client:
        if journal:
            with tempfile.TemporaryDirectory() as folder, Spool(Path(folder) / "spool") as spool:
                spool.put_merge(template, ROWS, key="bench")
                assert spool.run(client).accepted == COUNT
        else:
            assert sum(result.ok for result in client.send_many(map(template.render, ROWS))) == COUNT


@contender
def cb_mail_journal() -> None:
    ours(journal=True, window=64)


@contender
def cb_mail() -> None:
    ours(journal=False, window=64)


@contender
def cb_mail_chunking_16() -> None:
    ours(journal=False, window=16, chunking=True)


@contender
def cb_mail_chunking_64() -> None:
    ours(journal=False, window=64, chunking=True)


@contender
def cb_mail_chunking_64_journal() -> None:
    ours(journal=True, window=64, chunking=True)


@contender
def cb_mail_one() -> None:
    """One message, its file read while it is sent."""
    from cb_mail import Client, Message

    start()
    with Client(f"smtp://127.0.0.1:{PORT}") as client:
        row = ROWS[0]
        text, html = filled(TEXT, row), filled(HTML, row)
        message = Message(SENDER, row["mail"], filled(SUBJECT, row), text, html, attachments=[FILE])
        assert client.send(message).ok


def email_message(row: dict[str, Any]) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = SENDER, f"{row['name']} <{row['mail']}>"
    message["Subject"] = filled(SUBJECT, row)
    message["Date"], message["Message-ID"] = formatdate(localtime=True), make_msgid(domain="example.com")
    message.set_content(filled(TEXT, row))
    message.add_alternative(filled(HTML, row), subtype="html")
    if FILE != "-":
        data = Path(FILE).read_bytes()
        message.add_attachment(data, maintype="application", subtype="pdf", filename=Path(FILE).name)
    return message


@contender
def smtplib() -> None:
    import smtplib

    start()
    with smtplib.SMTP("127.0.0.1", PORT) as server:
        for row in ROWS:
            assert not server.send_message(email_message(row))


@contender
def aiosmtplib() -> None:
    import aiosmtplib

    async def main() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=PORT, start_tls=False) as server:
            for row in ROWS:
                await server.send_message(email_message(row))

    start()
    asyncio.run(main())


@contender
def yagmail() -> None:
    import yagmail

    start()
    with yagmail.SMTP(
        "office@example.com", None, host="127.0.0.1", port=PORT, smtp_ssl=False, smtp_starttls=False,
        smtp_skip_login=True, soft_email_validation=False,
    ) as server:  # fmt: skip
        for row in ROWS:
            server.send(
                to={row["mail"]: row["name"]}, subject=filled(SUBJECT, row),
                contents=[filled(TEXT, row), filled(HTML, row)], attachments=None if FILE == "-" else [FILE],
                prettify_html=False,
            )  # fmt: skip


@contender
def red_mail() -> None:
    from redmail import EmailSender

    sender = EmailSender(host="127.0.0.1", port=PORT, use_starttls=False)
    start()
    with sender:
        for row in ROWS:
            sender.send(
                sender=SENDER, receivers=[f"{row['name']} <{row['mail']}>"], subject=filled(SUBJECT, row), text=TEXT,
                html=HTML, body_params=row, attachments=None if FILE == "-" else {"file.pdf": Path(FILE)},
            )  # fmt: skip


@contender
def emails() -> None:
    import emails

    start()
    backend = {"host": "127.0.0.1", "port": PORT}
    for row in ROWS:
        message = emails.html(
            html=filled(HTML, row), text=filled(TEXT, row), subject=filled(SUBJECT, row),
            mail_from=("Büro Zürich", "office@example.com"), message_id=make_msgid(domain="example.com"),
        )  # fmt: skip
        if FILE != "-":
            message.attach(filename="file.pdf", data=Path(FILE).read_bytes())
        assert message.send(to=(row["name"], row["mail"]), smtp=backend).status_code == 250


@contender
def Django() -> None:
    import django
    from django.conf import settings

    settings.configure(
        EMAIL_HOST="127.0.0.1", EMAIL_PORT=PORT, USE_I18N=False,
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
    )  # fmt: skip
    django.setup()
    from django.core.mail import EmailMultiAlternatives
    from django.core.mail.backends.smtp import EmailBackend

    start()
    with EmailBackend(host="127.0.0.1", port=PORT) as connection:
        for row in ROWS:
            to = [f"{row['name']} <{row['mail']}>"]
            message = EmailMultiAlternatives(filled(SUBJECT, row), filled(TEXT, row), SENDER, to, connection=connection)
            message.attach_alternative(filled(HTML, row), "text/html")
            if FILE != "-":
                message.attach_file(FILE)
            assert message.send() == 1


@contender
def Flask_Mailman() -> None:
    from flask import Flask
    from flask_mailman import EmailMultiAlternatives, Mail

    app = Flask("bench")
    app.config.update(MAIL_SERVER="127.0.0.1", MAIL_PORT=PORT)
    mail = Mail(app)
    start()
    with app.app_context(), mail.get_connection() as connection:
        for row in ROWS:
            to = [f"{row['name']} <{row['mail']}>"]
            message = EmailMultiAlternatives(filled(SUBJECT, row), filled(TEXT, row), SENDER, to, connection=connection)
            message.attach_alternative(filled(HTML, row), "text/html")
            if FILE != "-":
                message.attach_file(FILE)
            assert message.send() == 1


if __name__ == "__main__":
    CONTENDERS[sys.argv[1]]()
    seconds = time.perf_counter() - START
    # Of this program alone: ru_maxrss begins with what the parent had.
    peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024  # type: ignore[index]
    print(json.dumps({"seconds": seconds, "peak": peak}))
