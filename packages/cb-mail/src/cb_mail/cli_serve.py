"""``cb-mail serve``."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cb_mail.cli_options import INPUT, say

if TYPE_CHECKING:
    from cb_mail.faults import Faults
    from cb_mail.receiving import Received
    from cb_mail.store import MemoryStore

__all__ = ["serve"]


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where to listen; anything else lets others in.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=1025,
    show_default=True,
    metavar="PORT",
    help="For mail; 0 is any free one.",
)
@click.option(
    "--web", type=click.IntRange(0, 65535), default=8025, show_default=True, metavar="PORT", help="For the inbox."
)
@click.option("--no-web", is_flag=True, help="No inbox.")
@click.option(
    "--web-host", multiple=True, metavar="NAME", help="A name that browsers may use for it, besides localhost."
)
@click.option(
    "--maildir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep messages there, not in memory.",
)
@click.option("--relay", metavar="URL", help="Send each message on to a server, too.")
@click.option(
    "--fail",
    multiple=True,
    metavar="POINT:ACTION[:WHEN]",
    help="As RCPT:451:30%, EOM:cut, MAIL:delay=2; as often as needed.",
)
@click.option("--seed", type=int, help="The same faults by chance each time.")
@click.option("--hide", multiple=True, metavar="KEYWORD", help="Do not offer CHUNKING, PIPELINING, …")
@click.option(
    "--size", type=click.IntRange(1), default=64 << 20, metavar="OCTETS", help="The largest message; 64 MiB by default."
)
@click.option("--certificate", type=INPUT, metavar="FILE", help="Certificate and key (PEM): offer STARTTLS.")
@click.option("--tls", is_flag=True, help="With --certificate: TLS from the start.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How each message is told.",
)
def serve(**options: Any) -> int:
    """Catch mail on this machine: take all, deliver none, show it in a browser.

    Each message is a line on stdout. Ctrl-C (status 130) or SIGTERM ends it.

    \b
    Example:
      cb-mail serve --fail RCPT:451:30% --maildir mail
    """
    try:
        number = asyncio.run(_serve(options))
    except OSError as error:
        from cb_mail.errors import ConnectError

        words = (error.strerror or str(error)).rpartition(": ")[2]
        raise ConnectError(f"{options['host']}: cannot listen: {words} (another --port or --web?)") from error
    return 130 if number == signal.SIGINT else 0


async def _serve(options: dict[str, Any]) -> int:
    """Serve until a signal comes; returns its number."""
    from cb_mail.receiving import ReceiverOptions
    from cb_mail.server import Catcher
    from cb_mail.store import MaildirStore, MemoryStore

    context = _context(options)
    store = MaildirStore(options["maildir"]) if options["maildir"] else MemoryStore()
    receiver = ReceiverOptions(
        size=options["size"],
        hide=frozenset(one.upper() for one in options["hide"]),
        tls=context is not None,
        faults=_faults(options),
    )
    relay = _Relay(options["relay"]) if options["relay"] else None

    def deliver(message: Received) -> None:
        number = store.add(message)
        _tell(number, message, options["form"])
        if relay:
            relay.put(message)

    catcher = Catcher(deliver, receiver, context=context, implicit=options["tls"])
    host, port = await catcher.start(options["host"], options["port"])
    say(f"mail on {host}:{port}")
    inbox = None
    if not options["no_web"]:
        inbox = await _web(store, options)
    ended: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, ended.put_nowait, one)
    number = await ended.get()
    await catcher.stop()
    if inbox:
        await inbox.stop()
    if relay:
        await asyncio.to_thread(relay.close)
    say(f"{len(store.items())} messages are {'in ' + str(options['maildir']) if options['maildir'] else 'forgotten'}")
    return number


async def _web(store: MemoryStore, options: dict[str, Any]) -> Any:
    from cb_mail.web import Inbox

    inbox = Inbox(store, hosts=(options["host"], *options["web_host"]))
    host, port = await inbox.start(options["host"], options["web"])
    say(f"inbox at http://{host}:{port}/")
    return inbox


def _context(options: dict[str, Any]) -> Any:
    if not options["certificate"]:
        if options["tls"]:
            raise click.UsageError("--tls wants --certificate")
        return None
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(options["certificate"])
    except OSError as error:
        words = (
            error.strerror if not isinstance(error, ssl.SSLError) and error.strerror else "no certificate with its key"
        )
        raise click.BadParameter(f"{options['certificate']}: {words}", param_hint="--certificate") from error
    return context


def _faults(options: dict[str, Any]) -> Faults:
    from cb_mail.faults import Fault, Faults

    try:
        return Faults(tuple(Fault.parse(one) for one in options["fail"]), seed=options["seed"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fail") from error


def _tell(number: str, message: Received, form: str) -> None:
    if form == "json":
        row = {
            "id": number,
            "sender": message.sender,
            "recipients": list(message.recipients),
            "size": len(message.data),
            "when": message.when.isoformat(),
        }
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(
            f"{number}  {message.sender or '<>'} -> {', '.join(message.recipients)}  {len(message.data):,} octets\n"
        )
    sys.stdout.flush()


class _Relay:
    """Sends on what came, in a thread, in order; what a server refuses is said."""

    def __init__(self, url: str) -> None:
        import queue
        import threading

        from cb_mail.client import Client

        try:
            self._client = Client(url)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--relay") from error
        self._waiting: queue.SimpleQueue[Received | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="cb-mail relay", daemon=True)
        self._thread.start()

    def put(self, message: Received) -> None:
        """Send *message* on, later."""
        self._waiting.put(message)

    def close(self) -> None:
        """Send what waits, and end."""
        self._waiting.put(None)
        self._thread.join(60)

    def _run(self) -> None:
        from cb_mail.address import Address
        from cb_mail.errors import MailError
        from cb_mail.raw import RawMessage

        with self._client as client:
            while (message := self._waiting.get()) is not None:
                try:
                    sender = Address(message.sender) if message.sender else None
                    recipients = tuple(map(Address, message.recipients))
                    result = client.send(RawMessage(message.data, sender, recipients))
                except MailError as error:
                    say(f"not sent on: {error}")
                    continue
                for one in result.recipients:
                    if one.state != "accepted":
                        say(f"not sent on: {one}")
