"""gevent's StreamServer: a greenlet per connection, makefile to read and sendall to write, as in its echo example."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import gevent
from gevent.server import StreamServer

from servers import BACKLOG, PREFIX, echo


def serve_client(client: socket.socket, address: object) -> None:
    """Answer one client until it is gone."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        with client.makefile("rb") as reader:
            while len(prefix := reader.read(PREFIX)) == PREFIX:
                reply = echo(reader.read(int.from_bytes(prefix, "big")))
                client.sendall(len(reply).to_bytes(PREFIX, "big") + reply)
    except OSError:
        pass  # the client has left


def serve(announce: Callable[[int], None], tls: ssl.SSLContext | None) -> None:
    """Serve with a greenlet per connection."""
    server = StreamServer(("127.0.0.1", 0), serve_client, backlog=BACKLOG)
    server.start()
    announce(server.server_port)
    gevent.wait()
