"""One template, many rows: over several connections, at a rate, with a file that says what became of each."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from cb_mail.client import Client
from cb_mail.result import Result
from cb_mail.spool import Entry, Spool, Totals
from cb_mail.template import Template

__all__ = ["Pace", "deliver", "merge_key", "outcomes", "write_atomically", "write_results"]

_FIELDS = ("row", "recipient", "state", "code", "enhanced", "text", "message_id")


def merge_key(template: Template, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what names a merge: the same template and rows are the same merge, so that none is sent twice unawares."""
    digest = hashlib.sha256(json.dumps(asdict(template.source), sort_keys=True).encode())
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


class Pace:
    """At most *rate* messages in *seconds*, evenly; for several threads.

    >>> pace = Pace(600, 60, clock=lambda: 100.0)
    >>> pace(), pace()
    (0.0, 0.1)
    """

    def __init__(self, rate: float, seconds: float = 60.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._step = seconds / rate
        self._clock = clock
        self._next = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Return the seconds until another message may go, and take its place if that is now."""
        with self._lock:
            now = self._clock()
            if now < self._next:
                return round(self._next - now, 6)
            self._next = max(self._next, now - self._step) + self._step if self._next else now + self._step
            return 0.0


def deliver(
    spool: Path,
    connect: Callable[[], Client],
    *,
    merge: int | None = None,
    connections: int = 1,
    limit: int | None = None,
    on_unknown: Literal["hold", "resend"] = "hold",
    pace: Callable[[], float] | None = None,
    progress: Callable[[Result], object] | None = None,
) -> Totals:
    """Send what is due in *spool* over so many *connections* at once.

    Raises:
        MailError: The first thing that ended one of them; the others have ended what they had begun.
        KeyboardInterrupt: Nothing was begun any more; what had no answer half a second later is unknown.
    """
    totals, stop = Totals(), threading.Event()
    clients: list[Client] = []
    errors: list[BaseException] = []
    lock = threading.Lock()
    whole, odd = divmod(limit or 0, connections)
    shares = [None if limit is None else whole + (number < odd) for number in range(connections)]

    def tell(result: Result) -> None:
        with lock:
            totals.add(result)
            if progress:
                progress(result)

    def work(share: int | None) -> None:
        try:
            with Spool(spool) as mine, connect() as client:
                clients.append(client)
                mine.run(client, merge=merge, limit=share, on_unknown=on_unknown, pace=pace, progress=tell, stop=stop)
        except BaseException as error:  # noqa: BLE001 - it is raised where all have ended
            with lock:
                errors.append(error)

    if connections == 1:
        work(limit)
    else:
        threads = [threading.Thread(target=work, args=[share], name="cb-mail", daemon=True) for share in shares]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except BaseException:
            stop.set()
            _join(threads, 0.5)
            for client in clients:
                client.abort()
            _join(threads, 0.5)  # one that still waits for a connection has sent nothing
            raise
    if errors:
        raise errors[0]
    return totals


def _join(threads: Iterable[threading.Thread], seconds: float) -> None:
    until = time.monotonic() + seconds
    for thread in threads:
        if thread.ident:
            thread.join(max(0.0, until - time.monotonic()))


def outcomes(entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """Yield what became of each receiver, as rows: those in the fields of the results file."""
    states = {"queued": "not_tried", "in_flight": "unknown", "unknown": "unknown"}
    for entry in entries:
        for one in entry.results:
            row = asdict(one)
            yield {"row": entry.row, **{name: row[name] for name in _FIELDS[1:6]}, "message_id": entry.message_id}
        said = {one.recipient: asdict(one) for one in entry.said}
        for recipient in entry.recipients:
            state = "deferred" if entry.state == "queued" and entry.attempts else states[entry.state]
            words = said.get(recipient, {"code": 0, "enhanced": "", "text": ""})
            row = {**words, "row": entry.row, "recipient": recipient, "state": state, "message_id": entry.message_id}
            yield {name: row[name] for name in _FIELDS}


def write_results(entries: Iterable[Entry], path: Path) -> int:
    """Write the results as CSV, or as JSON Lines where *path* ends with ``.jsonl``; whole, or not at all.

    Returns:
        How many receivers stand in it.
    """
    out = io.StringIO(newline="")
    count = 0
    writer = csv.DictWriter(out, _FIELDS, lineterminator="\n")
    lines = path.suffix == ".jsonl"
    if not lines:
        writer.writeheader()
    for row in outcomes(entries):
        count += 1
        if lines:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
        else:
            writer.writerow(row)
    write_atomically(path, out.getvalue().encode())
    return count


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file beside *path*, on the disk, and give it that name."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
