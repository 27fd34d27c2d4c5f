"""Where a catching server keeps its messages: in memory, or in a Maildir."""

from __future__ import annotations

import itertools
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cb_mail.receiving import Received

__all__ = ["MaildirStore", "MemoryStore"]

_HEAD: Final = "X-Cb-Mail-"


class MemoryStore:
    """The last *most* messages, of *octets* together at most; the last one always. Safe for several threads.

    ``changed`` is called, if set, after each change, in the thread that made it.
    """

    def __init__(self, most: int = 10_000, *, octets: int = 256 << 20) -> None:
        self._most = most
        self._octets = octets
        self._size = 0
        self._messages: OrderedDict[str, Received] = OrderedDict()
        self._numbers = itertools.count(1)
        self._arrived = threading.Condition()
        self.changed: Callable[[], None] | None = None

    def add(self, message: Received) -> str:
        """Keep *message*; returns its id."""
        with self._arrived:
            number = str(next(self._numbers))
            self._put(number, message)
            self._messages[number] = message
            self._size += len(message.data)
            while len(self._messages) > self._most or (self._size > self._octets and len(self._messages) > 1):
                self._size -= len(self._messages.popitem(last=False)[1].data)
            self._arrived.notify_all()
        self._tell()
        return number

    def _put(self, number: str, message: Received) -> None:
        """Keep it elsewhere, too."""

    def _forget(self, number: str) -> None:
        """Forget it elsewhere, too."""

    def get(self, number: str) -> Received | None:
        """Return the message with that id."""
        return self._messages.get(number)

    def items(self) -> list[tuple[str, Received]]:
        """Return all, the oldest first."""
        with self._arrived:
            return list(self._messages.items())

    def remove(self, number: str) -> bool:
        """Forget one; returns whether it was there."""
        with self._arrived:
            found = self._messages.pop(number, None)
            if found:
                self._size -= len(found.data)
                self._forget(number)
        self._tell()
        return found is not None

    def clear(self) -> int:
        """Forget all; returns how many."""
        with self._arrived:
            count = len(self._messages)
            for number in self._messages:
                self._forget(number)
            self._messages.clear()
            self._size = 0
        self._tell()
        return count

    def wait(self, count: int, timeout: float = 30) -> list[Received]:
        """Return all messages as soon as there are *count* or more.

        Raises:
            TimeoutError: There are fewer after *timeout* seconds.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._messages) >= count, timeout):
                raise TimeoutError(f"{len(self._messages)} messages of {count} after {timeout:g} s")
            return list(self._messages.values())

    def _tell(self) -> None:
        if self.changed:
            self.changed()


class MaildirStore(MemoryStore):
    """Each message in a file of its own in *folder*, on the disk before it is acknowledged; those there are read.

    The envelope stands in fields at the top: ``X-Cb-Mail-From``, ``X-Cb-Mail-To``.

    Raises:
        OSError: The folder cannot be made or written.
    """

    def __init__(self, folder: Path, most: int = 10_000) -> None:
        super().__init__(most)
        self._folder = folder
        self._names: dict[str, Path] = {}
        for name in ("tmp", "new", "cur"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for path in sorted([*(folder / "new").iterdir(), *(folder / "cur").iterdir()]):
            number = str(next(self._numbers))
            self._names[number] = path
            self._messages[number] = _read(path)
            self._size += len(self._messages[number].data)

    def _put(self, number: str, message: Received) -> None:
        name = f"{time.time():.6f}.{os.getpid()}_{secrets.token_hex(4)}.cb-mail"
        partial, whole = self._folder / "tmp" / name, self._folder / "new" / name
        envelope = f"{_HEAD}From: {message.sender}\r\n" + "".join(f"{_HEAD}To: {one}\r\n" for one in message.recipients)
        try:
            with partial.open("xb") as file:
                file.write(envelope.encode() + message.data)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(whole)
        finally:
            partial.unlink(missing_ok=True)
        self._names[number] = whole

    def _forget(self, number: str) -> None:
        if path := self._names.pop(number, None):
            path.unlink(missing_ok=True)


def _read(path: Path) -> Received:
    data = path.read_bytes()
    sender, recipients = "", []
    while data.startswith(_HEAD.encode()):
        line, _, data = data.partition(b"\r\n")
        name, _, value = line.decode("utf-8", "replace")[len(_HEAD) :].partition(": ")
        if name == "From":
            sender = value
        else:
            recipients.append(value)
    return Received(sender, tuple(recipients), data, datetime.fromtimestamp(path.stat().st_mtime, UTC))
