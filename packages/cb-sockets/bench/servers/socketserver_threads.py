"""socketserver.ThreadingTCPServer with StreamRequestHandler: rfile.read and wfile.write, a thread per connection."""

from __future__ import annotations

import socket
import socketserver
import ssl
from collections.abc import Callable

from servers import BACKLOG, PREFIX, echo


class Handler(socketserver.StreamRequestHandler):
    """Answers one client in its own thread."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        try:
            while len(prefix := self.rfile.read(PREFIX)) == PREFIX:
                reply = echo(self.rfile.read(int.from_bytes(prefix, "big")))
                self.wfile.write(len(reply).to_bytes(PREFIX, "big") + reply)
        except OSError:
            pass  # the client has left


class Server(socketserver.ThreadingTCPServer):
    """The default waits for every thread at the end and queues 5 connections; neither suits 1000 clients."""

    daemon_threads = True
    request_queue_size = BACKLOG
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        if self.tls:  # here, in the connection's thread: a slow handshake holds up nobody else
            with self.tls.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)
        else:
            super().finish_request(request, client_address)


def serve(announce: Callable[[int], None], tls: ssl.SSLContext | None) -> None:
    """Serve with a thread per connection."""
    with Server(("127.0.0.1", 0), Handler) as server:
        server.tls = tls
        announce(server.server_address[1])
        server.serve_forever()
