"""Twisted's Int32StringReceiver on its default reactor (epoll on Linux)."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory
from twisted.protocols.basic import Int32StringReceiver

from servers import BACKLOG, MAX_SIZE, echo


class Echo(Int32StringReceiver):
    """Answers every string with itself."""

    MAX_LENGTH = MAX_SIZE

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def stringReceived(self, string: bytes) -> None:
        self.sendString(echo(string))


def serve(announce: Callable[[int], None], tls: ssl.SSLContext | None) -> None:
    """Serve on the reactor."""
    endpoint = TCP4ServerEndpoint(reactor, 0, backlog=BACKLOG, interface="127.0.0.1")
    endpoint.listen(Factory.forProtocol(Echo)).addCallback(lambda port: announce(port.getHost().port))
    reactor.run()
