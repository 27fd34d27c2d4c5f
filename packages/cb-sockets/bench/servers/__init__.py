"""The echo servers that are compared: one file per way to write one, this list of all of them.

Every server reads frames of a 4-byte big-endian length and a body, passes each body as ``bytes`` to `echo` and sends
what it returns as a frame: the work of a real server with the cheapest possible handler. Each is written the way its
own documentation shows it. A server module has ``serve(announce, tls, **options)``, which calls ``announce(port)`` once
it listens on a free port of 127.0.0.1 and then runs until the process is killed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

PREFIX = 4
MAX_SIZE = 64 * 2**20
BACKLOG = 4096


def echo(message: bytes) -> bytes:
    """The handler of every server: what came, unchanged."""
    return message


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the comparison: which module serves it, what it needs, and whether it speaks TLS here."""

    name: str
    module: str
    requires: tuple[str, ...] = ()
    options: Mapping[str, str | bool] = field(default_factory=lambda: MappingProxyType({}))
    tls: bool = True
    ours: bool = False

    def missing(self) -> list[str]:
        """The distributions that would have to be installed first."""
        return [name for name in self.requires if importlib.util.find_spec(name) is None]


def _asyncio(name: str, module: str, *, ours: bool = False, **options: str | bool) -> Server:
    requires = (("cb_sockets",) if ours else ()) + (("uvloop",) if options.get("loop") == "uvloop" else ())
    return Server(name, module, requires, options, ours=ours)


SERVERS: tuple[Server, ...] = (
    Server("cb selector", "cb_blocking", ("cb_sockets",), {"kind": "SelectorServer"}, ours=True),
    Server("cb thread", "cb_blocking", ("cb_sockets",), {"kind": "ThreadServer"}, ours=True),
    _asyncio("cb asyncio", "cb_aio", ours=True, loop="asyncio"),
    _asyncio("cb uvloop", "cb_aio", ours=True, loop="uvloop"),
    _asyncio("asyncio streams", "asyncio_streams", loop="asyncio"),
    _asyncio("asyncio protocol", "asyncio_protocol", loop="asyncio"),
    _asyncio("asyncio protocol by hand", "asyncio_protocol", loop="asyncio", batched=True),
    _asyncio("uvloop streams", "asyncio_streams", loop="uvloop"),
    _asyncio("uvloop protocol", "asyncio_protocol", loop="uvloop"),
    _asyncio("uvloop protocol by hand", "asyncio_protocol", loop="uvloop", batched=True),
    Server("socketserver", "socketserver_threads"),
    Server("twisted", "twisted_int32", ("twisted",), tls=False),
    Server("gevent", "gevent_stream", ("gevent",), tls=False),
    Server("trio", "trio_stream", ("trio",)),
    Server("anyio", "anyio_stream", ("anyio",)),
    Server("easynetwork", "easynetwork_tcp", ("easynetwork",)),
)
BY_NAME = {server.name: server for server in SERVERS}
