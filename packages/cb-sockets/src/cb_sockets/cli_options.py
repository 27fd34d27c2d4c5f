"""Options that several sub-commands share, and the types of their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cb_sockets.framing import MAX_SIZE, Framing, parse_framing
from cb_sockets.net import Address

if TYPE_CHECKING:
    import ssl

__all__ = ["ADDRESS", "SIZE", "client_tls", "framing_of", "framing_options", "say", "tls_options"]

F = TypeVar("F", bound=Callable[..., Any])


def say(text: str) -> None:
    """A line for people, on stderr."""
    click.echo(f"cb-sockets: {text}", err=True)


class _AddressType(click.ParamType[Address]):
    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        try:
            return value if isinstance(value, Address) else Address.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _SizeType(click.ParamType[int]):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).upper().removesuffix("IB").removesuffix("B")
        try:
            return int(text[:-1]) << 10 * (1 + "KMG".index(text[-1])) if text[-1:] in ("K", "M", "G") else int(text)
        except ValueError:
            self.fail(f"{value!r} is not a size (use bytes, or K, M, G for powers of 1024)", param, ctx)


ADDRESS = _AddressType()
SIZE = _SizeType()


def framing_options(function: F) -> F:
    """``--frame`` and ``--max-size``."""
    function = click.option(
        "--frame",
        default="line",
        show_default=True,
        metavar="FRAMING",
        help="Where messages end: line, crlf, null, delim:HEX, fixed:SIZE, raw[:SIZE], eof, len:WIDTH[be|le][+N|-N].",
    )(function)
    return click.option("--max-size", type=SIZE, default=MAX_SIZE, help="Largest message taken.  [default: 16M]")(
        function
    )


def tls_options(function: F) -> F:
    """How a client checks a server."""
    function = click.option("--tls", is_flag=True, help="TLS, also without tls:// in the address.")(function)
    function = click.option("--ca", type=click.Path(exists=True, dir_okay=False), help="Trust this PEM authority.")(
        function
    )
    return click.option("--insecure", is_flag=True, help="TLS without checking the certificate.")(function)


def client_tls(address: Address, tls: bool, ca: str | None, insecure: bool) -> ssl.SSLContext | None:
    """The TLS context that the options ask for."""
    from cb_sockets.net import client_context

    return client_context(ca=ca, verify=not insecure) if tls or ca or insecure or address.tls else None


def framing_of(text: str, max_size: int) -> Framing:
    """A framing, or a usage error that names the forms."""
    try:
        return parse_framing(text, max_size=max_size)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--frame") from error
