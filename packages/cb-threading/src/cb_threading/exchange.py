"""One request and its answer, whoever carries it: what is asked for, and what becomes of each piece of the answer.

An engine calls `begin` with the status and the header, `receive` with each piece of the body as it came, and hands the
exchange back to the session with what went wrong, if anything did. Nothing here knows of sockets.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cb_threading.names import host_key
from cb_threading.plan import Job
from cb_threading.policy import Retry, Timeout
from cb_threading.store import PartFile, Store

__all__ = ["Exchange", "Failure", "Pace", "Robots"]

IN_MEMORY = 256 * 1024
PIECE = 64 * 1024  # of a decoded body, at most: a bomb is noticed before it has gone off
ROBOTS_SIZE = 500 * 1024  # RFC 9309, 2.5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with an exchange: its kind, in words, and whether it is worth another try."""

    kind: str
    text: str
    again: bool = True

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


class Pace:
    """Is enough coming? In every *stall* seconds at least *floor* bytes, and all of it within *total*.

    >>> pace = Pace(Timeout(stall=10, floor=100, total=60), now=0.0)
    >>> pace.overdue(9.9, received=0), pace.overdue(10.0, received=99)
    (None, Failure(kind='stall', text='99 bytes in 10 s', again=True))
    """

    __slots__ = ("_mark", "_since", "_start", "_timeout")

    def __init__(self, timeout: Timeout, now: float) -> None:
        self._timeout = timeout
        self._start = self._since = now
        self._mark = 0

    def overdue(self, now: float, received: int) -> Failure | None:
        """Say what is too slow."""
        timeout = self._timeout
        if timeout.total is not None and now - self._start >= timeout.total:
            return Failure("timeout", f"not complete after {timeout.total:g} s")
        if now - self._since >= timeout.stall:
            got, self._since, self._mark = received - self._mark, now, received
            if got < timeout.floor:
                return Failure("stall", f"{got} bytes in {timeout.stall:g} s")
        return None


class Robots:
    """The exchange is for the robots.txt of *host*."""

    __slots__ = ("host",)

    def __init__(self, host: str) -> None:
        self.host: str = host


class Exchange:
    """A request for *job*, or for a host's robots.txt, and its answer so far."""

    __slots__ = (
        "_chunks",
        "_decoder",
        "_limit",
        "_roof",
        "_store",
        "answered",
        "expected",
        "failure",
        "first",
        "header",
        "hops",
        "host",
        "job",
        "offset",
        "pace",
        "part",
        "received",
        "request_header",
        "retry",
        "robots",
        "size",
        "started",
        "status",
        "url",
        "validator",
    )

    def __init__(self, job: Job, retry: Retry, *, store: Store, limit: int | None) -> None:
        self.job: Job = job
        self.go_to(job.url)
        self.retry: Retry = retry
        self.robots: Robots | None = None
        self.hops: int = 0
        self.first: float = 0.0
        self.validator: str = ""  # the strong ETag that the part on the disk is of
        self._store = store
        self._limit = limit
        self.request_header: tuple[tuple[str, str], ...] = ()
        self.part: PartFile | None = None
        self.pace: Pace | None = None
        self._reset()

    def _reset(self) -> None:
        self.started: float = 0.0
        self.answered: float = 0.0  # when the answer began to come; 0: it did not
        self.status: int = 0
        self.header: Mapping[str, str] = {}
        self.failure: Failure | None = None
        self.received: int = 0  # bytes on the wire
        self.size: int = 0  # bytes of the decoded body, with those of the part that is gone on with
        self._decoder: Any = None
        self._roof: int = -1  # up to this size a piece is kept as it is, and nothing has to be asked about it
        self.expected: int | None = None
        self.offset: int = 0
        self._chunks: list[bytes] = []

    def go_to(self, url: str) -> None:
        """Ask there."""
        self.url: str = url
        self.host: str = host_key(url)

    def prepare(self, header: tuple[tuple[str, str], ...], timeout: Timeout, now: float) -> None:
        """Make ready for a (further) try, which asks for the rest only where that is safe."""
        self._reset()
        self.pace = Pace(timeout, now)
        self.started = now
        self.first = self.first or now
        self.request_header = header
        if self.validator and (offset := self._store.part_size(self.job)):
            self.offset = offset
            wanted = {"Range": f"bytes={offset}-", "If-Range": self.validator, "Accept-Encoding": "identity"}
            self.request_header = tuple({**dict(header), **wanted}.items())

    def begin(self, status: int, header: Mapping[str, str]) -> bool:
        """The answer's status and header (names in lower case). False: its body is not wanted, break off."""
        self.answered = time.monotonic()
        self.status, self.header = status, header
        length = header.get("content-length", "")
        self.expected = int(length) if length.isascii() and length.isdecimal() else None
        encoding = header.get("content-encoding", "identity").strip().lower()
        if not 200 <= status < 300:
            return True
        if encoding in ("gzip", "x-gzip", "deflate"):
            self._decoder = zlib.decompressobj(wbits=15 if encoding == "deflate" else 31)
        elif encoding not in ("", "identity"):
            return self._refuse(Failure("encoding", f"{encoding} was not asked for", again=False))
        if self.robots is not None:
            return True
        if status == 206 and not self._goes_on():
            return self._refuse(Failure("protocol", "the server sent a part that was not asked for"))
        etag = header.get("etag", "")
        if status == 206:
            self.part = self._store.resume_part(self.job)
            self.size = self.part.size
        else:
            self.validator = etag if etag.startswith('"') and self._decoder is None else ""
        if self._decoder is None and self.expected is not None:
            if self._limit is not None and self.size + self.expected > self._limit:
                return self._refuse(Failure("too-large", f"{self.size + self.expected} bytes", again=False))
            if self.expected > IN_MEMORY and self.part is None:
                self._spill()
        if self._decoder is None and self.part is None:
            self._roof = IN_MEMORY if self._limit is None else min(IN_MEMORY, self._limit)
        return True

    def _goes_on(self) -> bool:
        found = _RANGE.match(self.header.get("content-range", ""))
        same = self.header.get("etag", self.validator) == self.validator
        if not (self.offset and found and int(found[1]) == self.offset and same):
            self.validator = ""  # a part that this server cannot go on with
            return False
        return True

    def _refuse(self, failure: Failure) -> bool:
        self.failure = failure
        return False

    def _spill(self) -> None:
        self.part = self._store.start_part(self.job)
        if self.validator:
            self._store.note_part(self.job, self.validator)
        for chunk in self._chunks:
            self.part.write(chunk)
        self._chunks.clear()

    def receive(self, data: bytes) -> bool:
        """A piece of the body. False: no more of it is wanted, break off."""
        self.received += len(data)
        if self.received <= self._roof:
            self.size = self.received
            self._chunks.append(data)
            return True
        if not 200 <= self.status < 300:
            return True  # the words of an error page: read, so that the connection can be used again, and dropped
        if self._decoder is None:
            return self._keep(data)
        try:
            while data:
                if not self._keep(self._decoder.decompress(data, PIECE)):
                    return False
                data = self._decoder.unconsumed_tail
        except zlib.error as error:
            return self._refuse(Failure("encoding", str(error)))
        return True

    def _keep(self, data: bytes) -> bool:
        self.size += len(data)
        if self.robots is not None:
            self._chunks.append(data)
            return self.size < ROBOTS_SIZE
        if self._limit is not None and self.size > self._limit:
            return self._refuse(Failure("too-large", f"more than {self._limit} bytes", again=False))
        if self.part is not None:
            self.part.write(data)
            return True
        self._chunks.append(data)
        if self.size > IN_MEMORY:
            self._spill()
        return True

    def end(self) -> Failure | None:
        """The answer has ended; say what is wrong with it."""
        if self.failure is None and 200 <= self.status < 300:
            if self.expected is not None and self.received != self.expected:
                kind = "truncated" if self.received < self.expected else "protocol"
                self.failure = Failure(kind, f"{self.received} of {self.expected} bytes came")
            elif self._decoder is not None and self.received and not self._decoder.eof:
                self.failure = Failure("truncated", "the compressed body has no end")
        return self.failure

    def abandon(self, *, keep: bool) -> None:
        """Close what is open; *keep* the part if another try can go on with it."""
        self._chunks = []
        if self.part is not None:
            self.part.close()
            self.part = None
        if not (keep and self.validator):
            self.validator = ""
            self._store.drop_part(self.job)

    def take_body(self) -> bytes:
        """The body, as far as it is in memory; it is forgotten here."""
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        return body
