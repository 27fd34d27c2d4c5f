"""A proxy that shows the frames passing through it, and changes nothing.

Bytes are forwarded as they come, before they are decoded for display: a stream that breaks its framing, or a message
over the limit, is shown as an error and still gets through.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from cb_sockets.codec import to_json
from cb_sockets.errors import ConnectFailed, FramingError, TimeoutExceeded
from cb_sockets.framing import Framing
from cb_sockets.net import Address, Listener, open_connection

__all__ = ["Relay"]


class Relay:
    """Accepts at `listener`, connects on to `target`, and calls `show` with one record a frame (from any thread).

    A record: ``time`` (Unix seconds), ``connection`` (1, 2, …), ``from`` (``client`` or ``server``), ``size`` in
    bytes, and the message as ``text`` or ``base64``; instead of the last two, ``error`` or ``end``.
    """

    def __init__(
        self,
        listener: Listener,
        target: Address,
        framing: Framing,
        show: Callable[[dict[str, Any]], None],
        *,
        tls: ssl.SSLContext | None = None,
        preview: int = 1024,
    ) -> None:
        self.listener = listener
        self.target = target
        self.framing = framing
        self.show = show
        self.tls = tls
        self.preview = preview
        self._numbers = itertools.count(1)

    def run(self) -> None:
        """Relay until interrupted."""
        self.listener.sock.setblocking(True)
        while True:
            sock, _ = self.listener.sock.accept()
            threading.Thread(target=self._connection, args=(sock, next(self._numbers)), daemon=True).start()

    def _record(self, number: int, side: str, **rest: object) -> None:
        self.show({"time": round(time.time(), 6), "connection": number, "from": side, **rest})

    def _connection(self, client: socket.socket, number: int) -> None:
        with client:
            try:
                server = open_connection(self.target, timeout=10, tls=self.tls, server_hostname=None)
            except (ConnectFailed, TimeoutExceeded) as error:
                self._record(number, "server", error=str(error))
                return
            with server:
                server.settimeout(None)
                back = threading.Thread(target=self._pump, args=(server, client, number, "server"), daemon=True)
                back.start()
                self._pump(client, server, number, "client")
                back.join()

    def _pump(self, source: socket.socket, sink: socket.socket, number: int, side: str) -> None:
        decoder = self.framing.decoder()
        failed = False
        try:
            while data := source.recv(65536):
                sink.sendall(data)
                if not failed:
                    failed = self._decode(decoder.feed, number, side, data)
            if not failed:
                failed = self._decode(decoder.feed_eof, number, side)
            self._record(number, side, end="clean")
        except OSError as error:
            self._record(number, side, end=str(error))
        finally:
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)

    def _decode(self, feed: Callable[..., list[bytes]], number: int, side: str, *data: bytes) -> bool:
        failure: FramingError | None = None
        try:
            messages = feed(*data)
        except FramingError as error:
            messages, failure = error.completed, error
        for message in messages:
            cut = {"truncated": True} if len(message) > self.preview else {}
            self._record(number, side, size=len(message), **to_json(message[: self.preview]), **cut)
        if failure is not None:
            self._record(number, side, error=str(failure))
        return failure is not None
