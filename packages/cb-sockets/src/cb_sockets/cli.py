"""The ``cb-sockets`` command: parse, call the library, print."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from cb_sockets import __version__
from cb_sockets.cli_options import ADDRESS, SIZE, client_tls, framing_of, framing_options, say, tls_options
from cb_sockets.cli_serve import serve
from cb_sockets.errors import FramingError, SocketsError, TimeoutExceeded
from cb_sockets.net import Address

if TYPE_CHECKING:
    from cb_sockets.client import MessageSocket

_EXIT_CODES = """\b
Exit codes:
  0 done   1 peer or network error
  2 wrong usage, or a file that cannot be read or written
  3 framing or limit violated   4 time-out   130 interrupted
"""


class _Commands(click.Group):
    """What click itself would answer with a blank line, or with status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted")
            raise click.exceptions.Exit(130) from None
        except BrokenPipeError:  # whoever read our output has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None


def main() -> None:
    """Run the command. Every error is one line and a status; ``CB_DEBUG=1`` shows the traceback behind it."""
    try:
        sys.exit(commands.main(standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "cb-sockets"
        say(f"{error.format_message().rstrip('.')} (see {path} --help)")
        sys.exit(2)
    except (SocketsError, OSError) as error:
        if os.environ.get("CB_DEBUG") == "1":
            raise
        sys.exit(_status(error))


# Another name, or another user, and it goes: wrong usage.
_NAMES = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


def _status(error: SocketsError | OSError) -> int:
    if isinstance(error, SocketsError):
        say(str(error))
        return 4 if isinstance(error, TimeoutExceeded) else 3 if isinstance(error, FramingError) else 1
    if isinstance(error, _NAMES) and error.filename:
        say(f"{error.filename}: {error.strerror} (look at the name and the rights)")
        return 2
    say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    return 1


def _codec(text: str, max_size: int, option: str) -> Any:
    from cb_sockets.codec import parse_codec

    try:
        return parse_codec(text, max_size=max_size)
    except ValueError as error:
        raise click.BadParameter(f"{error}; or hex, json", param_hint=option) from error


@contextlib.contextmanager
def _connected(
    address: Address, frame: str, max_size: int, timeout: float, tls: bool, ca: str | None, insecure: bool
) -> Iterator[MessageSocket]:
    from cb_sockets.client import connect

    context = client_tls(address, tls, ca, insecure)
    with connect(address, framing_of(frame, max_size), timeout=timeout, tls=context) as peer:
        yield peer


def _stdin() -> BinaryIO:
    """Stdin, by a buffer of our own: a thread may still wait in it when the command ends.

    With ``sys.stdin``, whose lock that thread holds, the interpreter would abort at its end.
    """
    return open(sys.stdin.fileno(), "rb", closefd=False)  # not ours to close


@contextlib.contextmanager
def _output(path: str) -> Iterator[BinaryIO]:
    """Stdout for ``-``; else a temporary sibling that takes the file's name when all went well."""
    if path == "-":
        yield sys.stdout.buffer
        return
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@click.group(cls=_Commands, name="cb-sockets", epilog=_EXIT_CODES)
@click.version_option(__version__, prog_name="cb-sockets")
def commands() -> None:
    """Whole messages over TCP, TLS and Unix sockets.

    \b
    Example, in two terminals:
      cb-sockets serve echo
      cb-sockets send 127.0.0.1:7007 "This is the message."
    """


@commands.command(short_help="Send messages and print the replies.")
@click.argument("address", type=ADDRESS)
@click.argument("messages", nargs=-1)
@click.option("-f", "--file", "files", multiple=True, metavar="FILE", help="Send the messages in FILE (- is stdin).")
@framing_options
@click.option(
    "--in", "source", default="line", show_default=True, help="How files hold messages: line, hex, json, a framing."
)
@click.option(
    "--out", "form", default="line", show_default=True, help="How replies are written: line, hex, json, a framing."
)
@click.option("-o", "--output", default="-", metavar="FILE", help="Write replies to FILE instead of stdout.")
@click.option(
    "--replies",
    default="each",
    show_default=True,
    metavar="each|eof|N",
    help="Wait for one reply a message, until the peer ends, or for N.",
)
@click.option("--half-close", is_flag=True, help="Say that nothing follows after the last message.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True, help="Seconds for each step."
)
@tls_options
@click.option("-q", "--quiet", is_flag=True, help="No totals on stderr.")
def send(
    address: Address,
    messages: tuple[str, ...],
    files: tuple[str, ...],
    frame: str,
    max_size: int,
    source: str,
    form: str,
    output: str,
    replies: str,
    half_close: bool,
    timeout: float,
    tls: bool,
    ca: str | None,
    insecure: bool,
    quiet: bool,
) -> None:
    """Send MESSAGES, or those in files or on stdin, and print the replies.

    \b
    Example:
      cb-sockets send 127.0.0.1:7007 --frame raw:16 "This is the message. It will be repeated."
    """
    from cb_sockets.talk import EACH, UNTIL_EOF, send_all

    if replies not in ("each", "eof") and not replies.isdecimal():
        raise click.BadParameter(f"{replies!r} is neither each, eof nor a number", param_hint="--replies")
    wanted = {"each": EACH, "eof": UNTIL_EOF}.get(replies) or (int(replies) if replies.isdecimal() else UNTIL_EOF)
    if replies == "each" and frame.startswith("raw"):
        wanted = UNTIL_EOF  # a stream without messages has no replies to count
    read, _ = _codec(source, max_size, "--in")
    _, write = _codec(form, max_size, "--out")

    def outgoing() -> Iterator[bytes]:
        yield from (message.encode(errors="surrogateescape") for message in messages)
        for name, file in opened:
            yield from read(file, name)

    with contextlib.ExitStack() as stack:
        # Opened before anything is sent, and once: a pipe has but one reader.
        opened = [
            (name, _stdin() if name == "-" else stack.enter_context(open(name, "rb")))  # noqa: PTH123
            for name in files or (() if messages else ("-",))
        ]
        stream = stack.enter_context(_output(output))
        peer = stack.enter_context(_connected(address, frame, max_size, timeout, tls, ca, insecure))

        def receive(message: bytes) -> None:
            stream.write(write(message))
            stream.flush()

        totals = send_all(peer, outgoing(), receive, replies=wanted, half_close=half_close)
    if not quiet:
        say(str(totals))


@commands.command(short_help="Talk to a server, a message a line.")
@click.argument("address", type=ADDRESS)
@framing_options
@click.option("--in", "source", default="line", show_default=True, help="How what you type is read: line, hex, json.")
@click.option("--out", "form", default="line", show_default=True, help="How messages are shown: line, hex, json.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds to wait for the peer after the end of input.",
)
@tls_options
def chat(
    address: Address,
    frame: str,
    max_size: int,
    source: str,
    form: str,
    timeout: float,
    tls: bool,
    ca: str | None,
    insecure: bool,
) -> None:
    """Talk to a server: what you type goes out a message a line, what comes is shown at once. Ctrl-D ends.

    \b
    Example:
      cb-sockets chat 127.0.0.1:7007
    """
    from cb_sockets.talk import chat as talk

    read, _ = _codec(source, max_size, "--in")
    _, write = _codec(form, max_size, "--out")
    terminal = sys.stdin.isatty() and sys.stdout.isatty()

    def receive(message: bytes) -> None:
        sys.stdout.buffer.write((b"\r" if terminal else b"") + write(message) + (b"> " if terminal else b""))
        sys.stdout.buffer.flush()

    def typed() -> Iterable[bytes]:
        for message in read(_stdin(), "-"):
            yield message
            if terminal:
                sys.stdout.write("> ")
                sys.stdout.flush()

    with _connected(address, frame, max_size, timeout, tls, ca, insecure) as peer:
        if terminal:
            say(f"connected to {address}; Ctrl-D ends")
            sys.stdout.write("> ")
            sys.stdout.flush()
        totals = talk(peer, typed(), receive, linger=timeout)
    say(str(totals))


@commands.command(short_help="Load an echo server; print rate and latency.")
@click.argument("address", type=ADDRESS)
@framing_options
@click.option("--size", type=SIZE, default=64, show_default=True, help="Bytes of each message.")
@click.option("-c", "--connections", type=click.IntRange(1), default=10, show_default=True)
@click.option(
    "-d", "--depth", type=click.IntRange(1), default=1, show_default=True, help="Messages on their way, a connection."
)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=2.0, show_default=True)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@tls_options
def bench(
    address: Address,
    frame: str,
    max_size: int,
    size: int,
    connections: int,
    depth: int,
    seconds: float,
    form: str,
    tls: bool,
    ca: str | None,
    insecure: bool,
) -> None:
    """Load an echo server and print its rate and latency; every reply is compared with what was sent.

    \b
    Example:
      cb-sockets bench 127.0.0.1:7007 -c 100
    """
    import json

    from cb_sockets.loadgen import run_load

    framing = framing_of(frame, max_size)
    context = client_tls(address, tls, ca, insecure)
    result = run_load(address, framing, size=size, connections=connections, depth=depth, seconds=seconds, tls=context)
    if form == "json":
        click.echo(json.dumps(result.as_dict()))
        return
    click.echo(
        f"{'size':>9} {'conns':>6} {'depth':>6} {'messages/s':>12} "
        f"{'MB/s':>9} {'p50 us':>9} {'p99 us':>9} {'max us':>9}"
    )
    click.echo(
        f"{result.size:9} {result.connections:6} {result.depth:6} {result.messages_per_s:12,.0f} "
        f"{result.megabytes_per_s:9.1f} {result.p50_us:9.0f} {result.p99_us:9.0f} {result.max_us:9.0f}"
    )


@commands.command(short_help="Relay, and print every message as a JSON line.")
@click.option(
    "--listen", "address", type=ADDRESS, default="127.0.0.1:7008", show_default=True, help="Where clients connect."
)
@click.option("--to", "target", type=ADDRESS, required=True, help="The server behind.")
@framing_options
@click.option("--preview", type=SIZE, default=1024, show_default=True, help="Bytes of each message to show.")
@tls_options
def inspect(
    address: Address,
    target: Address,
    frame: str,
    max_size: int,
    preview: int,
    tls: bool,
    ca: str | None,
    insecure: bool,
) -> None:
    """Stand between clients and a server and print each message as a JSON line. Bytes pass unchanged.

    \b
    Example:
      cb-sockets inspect --to 127.0.0.1:7007
    """
    import json

    from cb_sockets.net import listen
    from cb_sockets.relay import Relay

    lock = threading.Lock()

    def show(record: dict[str, Any]) -> None:
        with lock:
            sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
            sys.stdout.flush()

    listener = listen(address)
    framing = framing_of(frame, max_size)
    say(f"listening on {listener.address}, relaying to {target}")
    try:
        Relay(listener, target, framing, show, tls=client_tls(target, tls, ca, insecure), preview=preview).run()
    finally:
        listener.close()


commands.add_command(serve)
