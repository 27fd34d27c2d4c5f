"""What ``send`` and ``chat`` do: messages out, replies in, at the same time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cb_sockets.client import MessageSocket
from cb_sockets.errors import PeerClosed, SocketsError, TimeoutExceeded
from cb_sockets.framing import UntilEOF

__all__ = ["Totals", "chat", "send_all"]

EACH = -1
UNTIL_EOF = -2


@dataclass(slots=True)
class Totals:
    """What went and what came, in messages and in bytes without framing."""

    sent: int = 0
    sent_bytes: int = 0
    received: int = 0
    received_bytes: int = 0

    def __str__(self) -> str:
        return (
            f"sent {self.sent} messages ({self.sent_bytes} bytes), "
            f"received {self.received} ({self.received_bytes} bytes)"
        )


class _Sender(threading.Thread):
    """Sends while the caller receives, so that neither side waits for a full buffer of the other."""

    def __init__(self, peer: MessageSocket, messages: Iterable[bytes], totals: Totals, *, half_close: bool) -> None:
        super().__init__(daemon=True)
        self.peer = peer
        self.messages = messages
        self.totals = totals
        self.half_close = half_close
        self.error: BaseException | None = None
        self.progress = threading.Condition()
        self.ended_at = math.inf

    def run(self) -> None:
        try:
            for message in self.messages:
                self.peer.send(message)
                with self.progress:
                    self.totals.sent += 1
                    self.totals.sent_bytes += len(message)
                    self.progress.notify()
            if self.half_close:
                self.peer.half_close()
        except Exception as error:  # noqa: BLE001  # handed to the thread that waits for it
            self.error = error
        finally:
            with self.progress:
                self.ended_at = time.monotonic()
                self.progress.notify()

    def wait_for_sent(self, number: int) -> bool:
        """Whether message `number` has been sent; waits until it is, or all are."""
        with self.progress:
            self.progress.wait_for(lambda: self.totals.sent >= number or self.ended_at < math.inf)
            return self.totals.sent >= number


def send_all(
    peer: MessageSocket,
    messages: Iterable[bytes],
    receive: Callable[[bytes], None],
    *,
    replies: int = EACH,
    half_close: bool = False,
) -> Totals:
    """Send all `messages` and hand the replies to `receive` as they come.

    `replies`: how many to wait for; `EACH`, one for every message sent; `UNTIL_EOF`, until the peer ends. Sending
    does not wait for replies: what is on its way is bounded by the sockets' buffers.
    Raises what `MessageSocket.send_many` and `recv` raise; `PeerClosed` where replies are missing.
    """
    totals = Totals()
    half_close = half_close or isinstance(peer.framing, UntilEOF) or replies == UNTIL_EOF
    sender = _Sender(peer, messages, totals, half_close=half_close)
    sender.start()
    try:
        while replies == UNTIL_EOF or (
            sender.wait_for_sent(totals.received + 1) if replies == EACH else totals.received < replies
        ):
            reply = peer.recv()
            totals.received += 1
            totals.received_bytes += len(reply)
            receive(reply)
    except PeerClosed as end:
        if not (replies == UNTIL_EOF and end.clean):
            text = f"peer closed the connection after {totals.received} replies to {totals.sent} messages"
            raise sender.error or PeerClosed(text, clean=end.clean) from end
    sender.join()
    if sender.error is not None:
        raise sender.error
    return totals


def chat(peer: MessageSocket, messages: Iterable[bytes], receive: Callable[[bytes], None], *, linger: float) -> Totals:
    """Send what `messages` yields while receiving whatever comes, until the peer ends.

    After the last message our side is half-closed; `linger` seconds after that, or after the peer's last message where
    that is later, the talk ends.
    """
    totals = Totals()
    sender = _Sender(peer, messages, totals, half_close=True)
    sender.start()
    wait = linger
    while True:
        try:
            message = peer.recv(timeout=wait)
        except TimeoutExceeded:
            wait = min(linger, sender.ended_at + linger - time.monotonic())
            if wait <= 0:
                break
            continue
        except PeerClosed as end:
            if not end.clean:
                raise
            break
        wait = linger
        totals.received += 1
        totals.received_bytes += len(message)
        receive(message)
    if isinstance(sender.error, SocketsError) and not isinstance(sender.error, PeerClosed):
        raise sender.error
    return totals
