"""``cb-mail send``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cb_mail.cli_options import (
    FILE,
    INPUT,
    INPUT_OR_STDIN,
    client_of,
    dkim_options,
    readable,
    say,
    server_options,
    signer_of,
    spool_option,
    spool_path,
    status_of,
    told,
)

if TYPE_CHECKING:
    from cb_mail.message import Message
    from cb_mail.raw import RawMessage

__all__ = ["send"]


@click.command()
@click.option(
    "--from", "-f", "sender", envvar="CB_MAIL_FROM", metavar="ADDRESS", help="Who it is from (or $CB_MAIL_FROM)."
)
@click.option("--to", multiple=True, metavar="ADDRESS", help="A receiver, or several with commas; as often as needed.")
@click.option("--cc", multiple=True, metavar="ADDRESS", help="Others who are shown.")
@click.option("--bcc", multiple=True, metavar="ADDRESS", help="Others who are not.")
@click.option("--reply-to", multiple=True, metavar="ADDRESS")
@click.option("--subject", default="", metavar="TEXT")
@click.option(
    "--body",
    type=INPUT_OR_STDIN,
    metavar="FILE",
    help="The text; - is stdin, the default.",
)
@click.option("--html", type=INPUT, metavar="FILE", help="The same as HTML; without --body the text is made of it.")
@click.option("--attach", multiple=True, type=INPUT, metavar="FILE")
@click.option("--inline", multiple=True, metavar="CID=FILE", help="What HTML shows by cid:CID.")
@click.option("--header", multiple=True, metavar="'NAME: VALUE'")
@click.option("--unsubscribe", multiple=True, metavar="LINK", help="https or mailto; one click with https.")
@click.option("--eml", type=INPUT_OR_STDIN, metavar="FILE", help="A whole message; - is stdin.")
@click.option("-t", "read_recipients", is_flag=True, help="As sendmail: a whole message on stdin, its receivers in it.")
@click.option(
    "-i", "ignored", is_flag=True, hidden=True, help="As sendmail: a dot does not end the message. It never does."
)
@click.option("--dry-run", is_flag=True, help="Print the message instead of sending it.")
@click.option("--queue", is_flag=True, help="Keep it in the spool first, and try again later if the server wants that.")
@click.option("-o", "--output", type=FILE, metavar="FILE", help="With --dry-run: where to write it.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("-q", "--quiet", is_flag=True, help="No words on stderr when all went well.")
@dkim_options
@spool_option
@server_options()
@click.argument("recipients", nargs=-1)
def send(**options: Any) -> int:
    """Send one message; its text comes from stdin. RECIPIENTS are further receivers.

    \b
    Example:
      echo 'At noon?' | cb-mail send --from me@example.com --to bob@example.org --subject Lunch --dry-run
    """
    signed = signer_of(options)
    message = _eml(options) if options["eml"] or options["read_recipients"] else _composed(options)
    if signed:
        message = signed(message)
    if options["dry_run"]:
        raw = message.as_bytes()
        if options["output"]:
            from cb_mail.merge import write_atomically

            write_atomically(options["output"], raw)
        else:
            sys.stdout.buffer.write(raw)
            sys.stdout.buffer.flush()
        return 0
    form, quiet, queue, spool = (options.pop(name) for name in ("form", "quiet", "queue", "spool"))
    if (options["server"] or "").startswith("sendmail:"):
        from cb_mail.client import send as send_now

        result = send_now(message, options["server"])
    else:
        connect = client_of(options)
        if queue:
            return _queued(message, spool_path(spool), connect, form)
        with connect() as client:
            result = client.send(message)
    told(result, form)
    if result.ok and not quiet:
        say("message sent")
    count = {state: len(result.of(state)) for state in ("refused", "deferred", "unknown", "not_tried")}
    return status_of(
        refused=count["refused"], deferred=count["deferred"] + count["not_tried"], unknown=count["unknown"]
    )


def _queued(message: Message | RawMessage, path: Path, connect: Any, form: str) -> int:
    from cb_mail.errors import ConnectError, ServerError
    from cb_mail.spool import Spool

    with Spool(path) as spool:
        number = spool.put(message)
        try:
            with connect() as client:
                totals = spool.run(client, progress=lambda result: told(result, form))
        except (ConnectError, ServerError) as error:
            say(f"{error}; kept as {number} (cb-mail queue run)")
            return 75
    return status_of(refused=totals.refused, deferred=totals.deferred, unknown=totals.unknown)


def _read(path: Path | None, what: str) -> bytes:
    if path is None or str(path) == "-":
        if sys.stdin.isatty():
            say(f"{what}; Ctrl-D on a line of its own ends it")
        return sys.stdin.buffer.read()
    return path.read_bytes()


def _eml(options: dict[str, Any]) -> RawMessage:
    from cb_mail.address import Address, addresses_of
    from cb_mail.errors import MailError
    from cb_mail.raw import RawMessage

    name = str(options["eml"] or "-")
    data = _read(options["eml"], "a whole message")
    given = [one for text in (*options["to"], *options["recipients"]) for one in addresses_of(text)]
    sender = Address.parse(options["sender"]) if options["sender"] else None
    try:
        return RawMessage.from_eml(data, sender=sender, recipients=given, add=options["read_recipients"] or not given)
    except MailError as error:
        raise type(error)(f"{name}: {error}") from error


def _composed(options: dict[str, Any]) -> Message:
    from cb_mail.message import Message

    if not options["sender"]:
        raise click.UsageError("Missing option '--from' (or $CB_MAIL_FROM)")
    text: str | None = None
    if options["body"] or not options["html"]:
        text = _text(_read(options["body"], "the text"), str(options["body"] or "-"))
    return Message(
        options["sender"],
        _joined((*options["to"], *options["recipients"])),
        options["subject"],
        text,
        _text(options["html"].read_bytes(), str(options["html"])) if options["html"] else None,
        cc=_joined(options["cc"]),
        bcc=_joined(options["bcc"]),
        reply_to=_joined(options["reply_to"]),
        attachments=options["attach"],
        inline={cid: readable(Path(path)) for cid, path in (_pair(one, "=", "--inline") for one in options["inline"])},
        headers=dict(_pair(one, ":", "--header") for one in options["header"]),
        unsubscribe=options["unsubscribe"],
    )


def _joined(texts: Sequence[str]) -> list[Any]:
    from cb_mail.address import Address

    return [one for text in texts for one in Address.parse_list(text)]


def _pair(text: str, mark: str, option: str) -> tuple[str, str]:
    name, found, value = text.partition(mark)
    if not found:
        raise click.BadParameter(f"no {mark} in {text!r}", param_hint=option)
    return name.strip(), value.strip()


def _text(data: bytes, name: str) -> str:
    from cb_mail.errors import HeaderError

    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise HeaderError(f"{name}:{line}: not UTF-8 (convert it: iconv -t utf-8)") from error
