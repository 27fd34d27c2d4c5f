"""A real SMTP server for tests: in a thread, on a free port of loopback, with whatever should go wrong.

pytest finds the fixture ``mail_server`` by itself once cb-mail is installed.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from cb_mail.faults import Fault, Faults
from cb_mail.receiving import Received, ReceiverOptions
from cb_mail.server import Catcher
from cb_mail.store import MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Server"]


class Server:
    """A catching server while the block runs.

    Args:
        faults: What goes wrong, as `Fault` or as text (``"RCPT:451:first=1"``).
        hide: Keywords of EHLO that are not offered, like ``"CHUNKING"``.
        certificate: Certificate and key in a PEM file: STARTTLS is offered.
        implicit: Speak TLS from the start.
        users: Who may log in; by default anybody.
        size: The largest message, in octets.
        recipients: How many receivers a message may have.
        seed: For faults by chance.

    >>> from cb_mail import Message, send
    >>> with Server() as server:
    ...     result = send(Message("a@example.com", "b@example.com", "Hello", "Bob"), server.url)
    ...     (message,) = server.wait(1)
    >>> result.ok, message.recipients
    (True, ('b@example.com',))
    """

    def __init__(
        self,
        *,
        faults: Iterable[Fault | str] = (),
        hide: Iterable[str] = (),
        certificate: Path | None = None,
        implicit: bool = False,
        users: dict[str, str] | None = None,
        size: int = 64 << 20,
        recipients: int = 1000,
        seed: int | None = None,
    ) -> None:
        context = None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        listed = tuple(Fault.parse(one) if isinstance(one, str) else one for one in faults)
        options = ReceiverOptions(
            size=size,
            recipients=recipients,
            hide=frozenset(hide),
            tls=context is not None,
            users=users or {},
            faults=Faults(listed, seed=seed),
        )
        self.store: MemoryStore = MemoryStore()
        self._catcher = Catcher(self.store.add, options, context=context, implicit=implicit)
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="cb-mail server", daemon=True)
        self.host: str = "127.0.0.1"
        self.port: int = 0

    @property
    def url(self) -> str:
        """Where it is, for `Client`."""
        return f"{'smtps' if self._catcher.implicit else 'smtp'}://{self.host}:{self.port}"

    @property
    def messages(self) -> list[Received]:
        """What came so far."""
        return [message for _, message in self.store.items()]

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._catcher.connections)

    def wait(self, count: int, timeout: float = 30) -> list[Received]:
        """Return all messages as soon as there are *count*.

        Raises:
            TimeoutError: There are fewer after *timeout* seconds.
        """
        return self.store.wait(count, timeout)

    def cut(self) -> None:
        """Cut all connections."""
        self._loop.call_soon_threadsafe(self._catcher.cut)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        if self._error:
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self.host, self.port = self._loop.run_until_complete(self._catcher.start(self.host, 0))
        except OSError as error:
            self._error = error
        finally:
            self._started.set()
        if self._error is None:
            self._loop.run_forever()
            self._loop.run_until_complete(self._catcher.stop())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
