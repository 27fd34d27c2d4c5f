"""The curl engine: libcurl's multi interface, many transfers in one thread.

HTTP/2, TLS, proxies and decoding are curl's.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from typing import Any

import pycurl

from cb_threading.exchange import Exchange, Failure
from cb_threading.policy import Policy
from cb_threading.session import Session
from cb_threading.trust import certificates

__all__ = ["CurlEngine"]

LONGEST_SLEEP = 0.05  # seconds until a stop is seen

_KINDS: dict[int, tuple[str, bool]] = {
    pycurl.E_COULDNT_RESOLVE_HOST: ("dns", True),
    pycurl.E_COULDNT_RESOLVE_PROXY: ("dns", True),
    pycurl.E_COULDNT_CONNECT: ("connect", True),
    pycurl.E_OPERATION_TIMEDOUT: ("timeout", True),
    pycurl.E_PARTIAL_FILE: ("truncated", True),
    pycurl.E_RECV_ERROR: ("reset", True),
    pycurl.E_SEND_ERROR: ("reset", True),
    pycurl.E_GOT_NOTHING: ("reset", True),
    16: ("reset", True),  # CURLE_HTTP2, CURLE_HTTP2_STREAM: pycurl has no names for them
    92: ("reset", True),
    pycurl.E_BAD_CONTENT_ENCODING: ("encoding", True),
    pycurl.E_SSL_CACERT_BADFILE: ("tls", False),
    pycurl.E_SSL_CONNECT_ERROR: ("tls", False),
    pycurl.E_PEER_FAILED_VERIFICATION: ("tls", False),
}


class _Slot:
    """A curl handle with its connection's options, used for one exchange after the other."""

    def __init__(self, policy: Policy, ca: str | None) -> None:
        self.exchange: Exchange | None = None
        self.raised: BaseException | None = None
        self._lines: list[bytes] = []
        self._asked: tuple[tuple[str, str], ...] | None = None
        self.handle: Any = _made(pycurl.Curl)
        self.handle.slot = self
        options: dict[int, Any] = {
            pycurl.NOSIGNAL: 1,
            pycurl.FOLLOWLOCATION: 0,
            pycurl.CONNECTTIMEOUT_MS: max(1, int(policy.timeout.connect * 1000)),
            pycurl.USERAGENT: policy.agent,
            265: 1,  # CURLOPT_SUPPRESS_CONNECT_HEADERS: pycurl has no name for it
            pycurl.BUFFERSIZE: 256 * 1024,
            pycurl.HEADERFUNCTION: self._lines.append,  # ten calls a page: none of ours
            pycurl.WRITEFUNCTION: self._body,
        }
        if policy.proxy is not None:
            options |= {pycurl.PROXY: policy.proxy, pycurl.NOPROXY: ""}
        if ca is not None:
            options[pycurl.CAINFO] = ca
        for option, value in options.items():
            self.handle.setopt(option, value)

    def load(self, exchange: Exchange) -> None:
        self.exchange, self.raised = exchange, None
        self._lines.clear()
        self.handle.setopt(pycurl.URL, exchange.url)
        if exchange.request_header != self._asked:
            self._asked = exchange.request_header
            lines = [f"{name}: {value}" if value else f"{name};" for name, value in exchange.request_header]
            self.handle.setopt(pycurl.HTTPHEADER, lines)

    def begin(self, exchange: Exchange) -> bool:
        """Tell the exchange the header, once: before the first piece of the body, or at the end if there was none."""
        text = b"".join(self._lines).decode("iso-8859-1").replace("\r\n", "\n")
        start = text.rfind("\nHTTP/") + 1  # before it are answers of 100 to 199, after its end trailers
        end = text.find("\n\n", start)
        if end < 0:
            return True  # it was cut off
        first, *fields = text[start:end].split("\n")
        status = int(first.split(None, 2)[1])
        pairs = [field.partition(":") for field in fields]
        return status < 200 or exchange.begin(status, {name.lower(): value.strip() for name, _, value in pairs})

    def _body(self, data: bytes) -> int | None:
        """Give the exchange what came; -1 makes curl break off."""
        exchange = self.exchange
        assert exchange is not None
        try:
            return None if (exchange.status or self.begin(exchange)) and exchange.receive(data) else -1
        except BaseException as error:  # noqa: BLE001 - curl would print it; the engine raises it
            self.raised = error
            return -1


class CurlEngine:
    """One of the threads that carry exchanges; has at most *jobs* under way."""

    def __init__(self, policy: Policy, jobs: int) -> None:
        self._policy = policy
        self._jobs = jobs
        self._stopped = threading.Event()
        self._next_look = 0.0
        self._ca = certificates(policy.ca)

    def stop(self) -> None:
        self._stopped.set()

    def run(self, session: Session) -> None:
        multi = _made(pycurl.CurlMulti)
        multi.setopt(pycurl.M_MAXCONNECTS, self._jobs + 16)
        idle: list[_Slot] = []
        busy: set[_Slot] = set()
        came: list[Exchange] = []
        try:
            while not (self._stopped.is_set() or session.stopped) and (busy or came or not session.over):
                while len(busy) < self._jobs and (exchange := session.take()) is not None:
                    slot = idle.pop() if idle else _Slot(self._policy, self._ca)
                    slot.load(exchange)
                    busy.add(slot)
                    multi.add_handle(slot.handle)
                    if self._policy.delay:
                        multi.perform()  # sent now: the next one's delay counts from here
                while multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
                    pass
                session.save(came)  # while the servers are busy with what was just asked
                ended = self._ended(multi)
                self._look_for_the_late(busy, ended)
                busy.difference_update(ended)
                idle += ended
                came = session.finished([self._unloaded(multi, slot, failure) for slot, failure in ended.items()])
                if not ended and (busy or not session.over):
                    self._sleep(multi, session, full=len(busy) == self._jobs, idle=not busy)
            session.save(came)
        finally:
            stopped = Failure("interrupted", "the fetch was stopped")
            session.finished([self._unloaded(multi, slot, stopped) for slot in busy])
            multi.close()
            for slot in (*idle, *busy):
                slot.handle.close()
                slot.handle = None

    @staticmethod
    def _ended(multi: Any) -> dict[_Slot, Failure | None]:
        ended: dict[_Slot, Failure | None] = {}
        while True:
            waiting, good, bad = multi.info_read()
            for handle in good:
                ended[handle.slot] = None
            for handle, number, text in bad:
                if handle.slot.raised is not None:
                    raise handle.slot.raised
                ended[handle.slot] = _failure(number, text)
            if not waiting:
                return ended

    def _look_for_the_late(self, busy: Iterable[_Slot], ended: dict[_Slot, Failure | None]) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + 0.1
        for slot in busy:
            exchange = slot.exchange
            if exchange is not None and exchange.pace is not None and slot not in ended:
                late = exchange.pace.overdue(now, exchange.received)
                if late is not None:
                    ended[slot] = late

    @staticmethod
    def _unloaded(multi: Any, slot: _Slot, failure: Failure | None) -> tuple[Exchange, Failure | None]:
        multi.remove_handle(slot.handle)
        exchange, slot.exchange = slot.exchange, None
        assert exchange is not None
        if not exchange.status and (failure is None or failure.kind != "interrupted"):
            slot.begin(exchange)  # there was no body
        return exchange, failure

    def _sleep(self, multi: Any, session: Session, *, full: bool, idle: bool) -> None:
        longest = LONGEST_SLEEP if full else session.pause(LONGEST_SLEEP)
        own = multi.timeout()  # milliseconds, -1: no opinion
        if own >= 0:
            longest = min(longest, own / 1000)
        if idle:
            self._stopped.wait(longest)
        elif longest > 0 and multi.select(longest) == -1:  # no socket yet: names are being looked up
            self._stopped.wait(min(longest, 0.005))


def _made(kind: Any) -> Any:
    """An object of pycurl's: its stubs do not know all of it."""
    return kind()


def _failure(number: int, text: str) -> Failure:
    kind, again = _KINDS.get(number, ("protocol", True))
    return Failure(kind, text or os.strerror(0), again)
