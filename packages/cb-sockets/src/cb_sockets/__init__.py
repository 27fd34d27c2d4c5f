"""Whole messages over TCP, TLS and Unix sockets."""

from __future__ import annotations

from cb_sockets.client import FixedLengthSocket, MessageSocket, connect
from cb_sockets.decoders import Decoder
from cb_sockets.errors import (
    AddressError,
    ConnectFailed,
    FramingError,
    IncompleteMessage,
    InvalidMessage,
    MessageTooLarge,
    PeerClosed,
    SocketsError,
    TimeoutExceeded,
)
from cb_sockets.framing import Delimited, Fixed, Framing, LengthPrefixed, Raw, UntilEOF, parse_framing
from cb_sockets.handlers import Handler, Limits, Peer, batch, discard, echo, per_connection
from cb_sockets.loop import SelectorServer
from cb_sockets.net import Address, client_context, server_context
from cb_sockets.server import Server
from cb_sockets.threads import ThreadServer

__version__ = "0.1.0"
__all__ = [
    "Address",
    "AddressError",
    "ConnectFailed",
    "Decoder",
    "Delimited",
    "Fixed",
    "FixedLengthSocket",
    "Framing",
    "FramingError",
    "Handler",
    "IncompleteMessage",
    "InvalidMessage",
    "LengthPrefixed",
    "Limits",
    "MessageSocket",
    "MessageTooLarge",
    "Peer",
    "PeerClosed",
    "Raw",
    "SelectorServer",
    "Server",
    "SocketsError",
    "ThreadServer",
    "TimeoutExceeded",
    "UntilEOF",
    "__version__",
    "batch",
    "client_context",
    "connect",
    "discard",
    "echo",
    "parse_framing",
    "per_connection",
    "server_context",
]
