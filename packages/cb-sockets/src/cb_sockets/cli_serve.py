"""``cb-sockets serve``: one handler, any framing, in a thread each, one loop, or asyncio; one process or several."""

from __future__ import annotations

import importlib
import logging
import shlex
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from cb_sockets.cli_options import ADDRESS, framing_of, framing_options, say
from cb_sockets.framing import Delimited, Framing
from cb_sockets.handlers import Handler, Limits, Peer, batch, bind, discard, echo, per_connection
from cb_sockets.loop import SelectorServer
from cb_sockets.net import Address, server_context
from cb_sockets.server import Server
from cb_sockets.threads import ThreadServer
from cb_sockets.workers import own_command, reserve, supervise, watch_lifeline

__all__ = ["serve"]

_BUILT_IN: dict[str, Handler] = {"echo": echo, "discard": discard}
_DEFAULTS = Limits()


def load_handler(name: str) -> Any:
    """The handler at ``package.module:function``, the current folder included. A usage error where there is none."""
    module, colon, attribute = name.partition(":")
    if not colon:
        raise click.BadParameter(
            f"{name!r} is not MODULE:FUNCTION, as in myservice.handlers:reply", param_hint="--handler"
        )
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise click.BadParameter(f"{name}: {error}", param_hint="--handler") from error
    return found


def exec_handler(command: str, framing: Framing) -> Handler:
    """A handler that runs `command` for each message: the message on its stdin, its stdout the reply.

    Where messages end with a delimiter, the one at the end of stdout is that: most commands end their line.
    """
    arguments = shlex.split(command)
    ending = framing.delimiter if isinstance(framing, Delimited) else b""

    def handler(message: bytes) -> bytes:
        return subprocess.run(arguments, input=message, stdout=subprocess.PIPE, check=True).stdout.removesuffix(ending)

    return handler


def verbose_handler(handler: Any) -> Any:
    """`handler`, with a line for each connection and message."""
    log = logging.getLogger("cb_sockets")

    def factory(peer: Peer) -> Handler:
        log.info("connection from %s", peer.address)
        process = bind(handler.factory(peer) if isinstance(handler, per_connection) else handler)

        def logged(messages: list[bytes]) -> list[bytes]:
            for message in messages:
                log.info("%s: received %d bytes: %r", peer.address, len(message), message[:64])
            return process(messages)

        return batch(logged)

    return per_connection(factory)


@click.command(short_help="Answer messages with echo, a function or a command.")
@click.argument("built_in", metavar="[echo|discard]", type=click.Choice(sorted(_BUILT_IN)), required=False)
@click.option("--handler", "handler_name", metavar="MODULE:FUNCTION", help="A function bytes -> bytes or None.")
@click.option("--exec", "command", metavar="COMMAND", help="Run COMMAND for each message: stdin in, stdout out.")
@click.option(
    "--listen",
    "address",
    type=ADDRESS,
    default="127.0.0.1:7007",
    show_default=True,
    help="HOST:PORT (port 0: a free one) or unix:PATH.",
)
@framing_options
@click.option(
    "--mode", type=click.Choice(["select", "thread", "asyncio"]), help="[default: select; thread with --exec]"
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that share the port.")
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False), help="Certificate chain (PEM): serve TLS.")
@click.option(
    "--tls-key", type=click.Path(exists=True, dir_okay=False), help="Its key, where it is not in the same file."
)
@click.option(
    "--client-ca", type=click.Path(exists=True, dir_okay=False), help="Let in only clients with a certificate of it."
)
@click.option("--proxy-protocol", is_flag=True, help="Expect a PROXY protocol v2 header (behind HAProxy only).")
@click.option("--max-connections", type=click.IntRange(1), default=_DEFAULTS.max_connections, show_default=True)
@click.option(
    "--idle-timeout",
    type=click.FloatRange(0),
    default=_DEFAULTS.idle_timeout,
    show_default=True,
    help="Seconds; 0: none.",
)
@click.option(
    "--message-timeout",
    type=click.FloatRange(0),
    default=_DEFAULTS.message_timeout,
    show_default=True,
    help="Seconds from a message's first byte to its last; 0: none.",
)
@click.option(
    "--write-timeout",
    type=click.FloatRange(0),
    default=_DEFAULTS.write_timeout,
    show_default=True,
    help="Seconds without the peer taking a byte; 0: none.",
)
@click.option(
    "--drain",
    "deadline",
    type=click.FloatRange(0),
    default=10.0,
    show_default=True,
    help="Seconds to finish after SIGTERM.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log connections and messages.")
@click.option("-q", "--quiet", is_flag=True, help="Log errors only.")
@click.option("--reuse-port", is_flag=True, hidden=True)
@click.option("--lifeline", type=int, hidden=True)
def serve(
    built_in: str | None,
    handler_name: str | None,
    command: str | None,
    address: Address,
    frame: str,
    max_size: int,
    mode: str | None,
    workers: int,
    tls_cert: str | None,
    tls_key: str | None,
    client_ca: str | None,
    proxy_protocol: bool,
    max_connections: int,
    idle_timeout: float,
    message_timeout: float,
    write_timeout: float,
    deadline: float,
    verbose: bool,
    quiet: bool,
    reuse_port: bool,
    lifeline: int | None,
) -> None:
    """Answer messages: echo them, or with a function or a command of your own. SIGTERM drains, then ends.

    \b
    Example:
      cb-sockets serve echo --listen 127.0.0.1:7007 --frame len:4be
    """
    logging.basicConfig(
        level=logging.ERROR if quiet else logging.INFO if verbose else logging.WARNING, format="cb-sockets: %(message)s"
    )
    if sum(map(bool, (built_in, handler_name, command))) != 1:
        raise click.UsageError("give one of: echo, discard, --handler MODULE:FUNCTION, --exec COMMAND")
    if workers > 1:
        _supervise(address, workers)
    framing = framing_of(frame, max_size)
    handler: Any = _BUILT_IN.get(built_in or "")
    if handler_name:
        handler = load_handler(handler_name)
    elif command:
        handler = exec_handler(command, framing)
    options: dict[str, Any] = {
        "limits": Limits(max_connections, idle_timeout or None, message_timeout or None, write_timeout or None),
        "tls": _server_tls(tls_cert, tls_key, client_ca),
        "proxy_protocol": proxy_protocol,
        "reuse_port": reuse_port,
    }
    if verbose:
        handler = verbose_handler(handler)
    mode = mode or ("thread" if command else "select")
    if mode == "asyncio":
        number, cut = _run_asyncio(address, framing, handler, options, deadline, lifeline)
    else:
        server_class = SelectorServer if mode == "select" else ThreadServer
        number, cut = _run(server_class(address, framing, handler, **options), deadline, lifeline)
    if lifeline is None:
        say(f"stopped; {cut} connections cut off")
    if number == signal.SIGINT:
        raise click.exceptions.Exit(130)


def _server_tls(certificate: str | None, key: str | None, client_ca: str | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key or client_ca:
            raise click.UsageError("--tls-key and --client-ca need --tls-cert")
        return None
    try:
        return server_context(certificate, key, client_ca=client_ca)
    except OSError as error:
        raise click.BadParameter(
            f"{certificate}: no usable certificate and key: {error}", param_hint="--tls-cert"
        ) from error


def _supervise(address: Address, workers: int) -> NoReturn:
    """Start this command again, `workers` times, on a port that is fixed first."""
    held, bound = reserve(address)
    command = own_command([*sys.argv[1:], "--listen", f"{bound}", "--workers", "1", "--reuse-port", "--lifeline"])
    number = supervise(command, workers, lambda: say(f"listening on {bound}, {workers} workers"))
    held.close()
    say("stopped")
    raise click.exceptions.Exit(130 if number == signal.SIGINT else 0)


def _run(server: Server[Any], deadline: float, lifeline: int | None) -> tuple[int, int]:
    """Serve until a signal; return its number and the count of connections cut off."""
    got = [0]

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if got[0]:
            server.close()  # asked twice: now
        got[0] = number
        server.drain(deadline)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    if lifeline is None:
        say(f"listening on {server.address}")
    else:
        watch_lifeline(lifeline, lambda: server.drain(deadline))
    server.serve_forever()
    return got[0], server.cut


def _run_asyncio(
    address: Address, framing: Framing, handler: Any, options: dict[str, Any], deadline: float, lifeline: int | None
) -> tuple[int, int]:
    import asyncio

    from cb_sockets import aio

    got = [0]

    async def run() -> int:
        loop = asyncio.get_running_loop()
        server = await aio.serve(address, framing, handler, **options)
        tasks: list[asyncio.Task[Any]] = []

        def stop(number: int) -> None:
            tasks.append(loop.create_task(server.close() if got[0] else server.drain(deadline)))
            got[0] = number

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop, number)
        if lifeline is None:
            say(f"listening on {server.address}")
        else:
            watch_lifeline(lifeline, lambda: loop.call_soon_threadsafe(stop, signal.SIGTERM))
        await server.serve_forever()
        return server.cut

    try:
        import uvloop
    except ImportError:
        return got[0], asyncio.run(run())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        cut = runner.run(run())
    return got[0], cut
