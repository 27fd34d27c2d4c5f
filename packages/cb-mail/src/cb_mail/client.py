"""Delivering over a connection that waits. `cb_mail.aio` has the same for asyncio."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Generator, Iterable, Iterator
from typing import Self, TypedDict, TypeVar, Unpack

from cb_mail.credentials import Credentials, find_credentials
from cb_mail.delivery import Sendable
from cb_mail.errors import ConnectError, MailError
from cb_mail.result import Result
from cb_mail.sending import Line, Plan, closing, opened, sending
from cb_mail.session import Action, Capabilities, Do, Opening, Write
from cb_mail.url import TLS, Place
from cb_mail.wire import Wire, client_context

__all__ = ["Client", "Options", "Settings", "send"]

Back = TypeVar("Back")


class Options(TypedDict, total=False):
    """What `Client`, `AsyncClient` and `send` can be told; see `Client`."""

    credentials: Credentials | None
    tls: TLS | None
    context: ssl.SSLContext | None
    timeout: float
    helo: str
    source_address: tuple[str, int] | None
    max_per_connection: int
    window: int
    pipelining: bool
    chunking: bool


class Settings:
    """`Options` with their defaults, checked."""

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials | None = None,
        tls: TLS | None = None,
        context: ssl.SSLContext | None = None,
        timeout: float = 60,
        helo: str = "",
        source_address: tuple[str, int] | None = None,
        max_per_connection: int = 100,
        window: int = 1,
        pipelining: bool = True,
        chunking: bool = True,
    ) -> None:
        self.place: Place = Place.parse(url)
        if self.place.scheme == "sendmail":
            raise ValueError("sendmail: is a program and no server to connect to (use send)")
        if window < 1 or max_per_connection < 1 or timeout <= 0:
            raise ValueError("window, max_per_connection and timeout want to be more than nothing")
        self.tls: TLS = tls or self.place.tls
        self.timeout: float = timeout
        self.window: int = window
        self.context: ssl.SSLContext | None = context if self.tls == "none" else client_context(context)
        self.source_address: tuple[str, int] | None = source_address
        if credentials is None and self.place.user:
            credentials = find_credentials(self.place.user, self.place.host)
        without = {word for word, wanted in (("PIPELINING", pipelining), ("CHUNKING", chunking)) if not wanted}
        self.plan: Plan = Plan(
            Opening(
                helo=helo or _own_name(),
                starttls=self.tls == "starttls",
                secure=self.tls == "implicit" or self.place.local,
                lmtp=self.place.scheme == "lmtp",
                credentials=credentials,
            ),
            window,
            max_per_connection,
            frozenset(without),
        )


class Client:
    """A server, and how to talk to it. Connects when the first message is sent; for one thread at a time.

    Args:
        url: ``smtp://host:587`` (STARTTLS), ``smtps://host`` (TLS from the start), ``lmtp:///path``; ``user@`` in it
            logs in.
        credentials: Who logs in. By default, for a user in the URL, what `find_credentials` finds.
        tls: ``"starttls"`` insists on it, ``"implicit"``, or ``"none"``, over which no password is sent unless it
            stays on this machine. By default by the URL: implicit for ``smtps``; none on loopback; else STARTTLS.
        context: For TLS; by default the system's authorities, and the host's name is checked.
        timeout: Seconds for each wait for the server, connecting too.
        helo: The name that we give; by default this machine's.
        source_address: What to connect from: address, port (0 for any).
        max_per_connection: A new connection after so many messages, for servers have such a limit.
        window: The most messages whose fate may be unknown when the line breaks. More is faster far from the server.
        pipelining, chunking: False does without, whatever the server says.

    Raises:
        ValueError: The URL or the name cannot be used.
        AuthError: There is no password for the user in the URL.
    """

    def __init__(self, url: str, **options: Unpack[Options]) -> None:
        self._settings = Settings(url, **options)
        self._line = Line(f"{self._settings.place}: the server")
        self._wire: Wire | None = None
        self._aborted = False

    @property
    def place(self) -> Place:
        """Where it sends to."""
        return self._settings.place

    @property
    def window(self) -> int:
        """The most messages whose fate may be unknown."""
        return self._settings.window

    @property
    def wire(self) -> Wire | None:
        """The connection, while there is one."""
        return self._wire

    @property
    def capabilities(self) -> Capabilities:
        """What the server said it can do; connects where there is no connection.

        Raises:
            ConnectError, TLSError, AuthError, ServerError: As `send`.
        """
        return self._do(opened(self._settings.plan, self._line))

    def send(self, message: Sendable) -> Result:
        """Deliver one message; returns what became of each receiver.

        Raises:
            ConnectError: The server cannot be reached. Nothing was sent.
            TLSError: It cannot prove who it is, or has no STARTTLS. Nothing was sent.
            AuthError: It refuses the login. Nothing was sent.
            ServerError: It does not want to talk. Nothing was sent.
        """
        result, *_ = list(self.send_many([message]))
        return result

    def send_many(self, messages: Iterable[Sendable | None]) -> Iterator[Result]:
        """Deliver messages, asked for one by one; yields their results in their order.

        A connection that ends is made again, and what was certainly not delivered is sent once more, so its result
        comes later. Where the server cannot be reached any more, what was under way has its result first, and then
        the error is raised; messages that were not asked for yet are not.

        Args:
            messages: None among them waits until all before are answered.

        Raises:
            ConnectError, TLSError, AuthError, ServerError: As `send`.
        """
        steps = sending(messages, self._settings.plan, self._line)
        done = False
        try:
            action = next(steps)
            while True:
                if isinstance(action, Result):
                    yield action
                    action = next(steps)
                else:
                    action = self._step(steps, action)
        except StopIteration:
            done = True
        finally:
            if not done:  # whoever asked has gone in the middle of something, or it failed
                self._drop()

    def close(self) -> None:
        """Say QUIT, and close the connection."""
        self._do(closing(self._line))
        self._drop()

    def abort(self) -> None:
        """End what is going on, from another thread, and for good: what has no answer yet is unknown."""
        self._aborted = True
        if wire := self._wire:
            wire.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _do(self, steps: Generator[Action, bytes, Back]) -> Back:
        try:
            action = next(steps)
            while True:
                action = self._step(steps, action)  # type: ignore[assignment]  # a Result comes from `sending` alone
        except StopIteration as stop:
            back: Back = stop.value
            return back

    def _step(self, steps: Generator[Action | Result, bytes, object], action: Action) -> Action | Result:
        """Do what is wanted, and return what is wanted next."""
        try:
            data = self._act(action)
        except MailError as error:
            return steps.throw(error)
        return next(steps) if data is None else steps.send(data)

    def _act(self, action: Action) -> bytes | None:
        wire, settings = self._wire, self._settings
        if action is Do.CONNECT:
            if self._aborted:
                raise ConnectError(f"{settings.place}: stopped")
            implicit = settings.context if settings.tls == "implicit" else None
            self._wire = Wire(
                settings.place, timeout=settings.timeout, source=settings.source_address, context=implicit
            )
        elif action is Do.CLOSE:
            self._drop()
        elif wire is None:
            raise ConnectError(f"{settings.place}: the connection is not there any more")
        elif action is Do.READ:
            return wire.read()
        elif isinstance(action, Write):
            wire.write(action.data)
        elif action is Do.ALIVE:
            wire.check()
        else:
            assert settings.context is not None
            wire.start_tls(settings.context)
        return None

    def _drop(self) -> None:
        self._line.capabilities = None
        if self._wire:
            self._wire.close()
            self._wire = None


def _own_name() -> str:
    """Return this machine's name for EHLO: with a domain, or as an address literal."""
    name = socket.gethostname()
    return (
        name if "." in name and name.replace(".", "").replace("-", "").isalnum() and name.isascii() else "[127.0.0.1]"
    )


def send(message: Sendable, server: str, **options: Unpack[Options]) -> Result:
    """Deliver one message to *server*, over a connection of its own; *options* are those of `Client`.

    ``server="sendmail:"`` gives it to the ``sendmail`` program of this machine.

    Raises:
        ConnectError, TLSError, AuthError, ServerError: As `Client.send`.
    """
    place = Place.parse(server)
    if place.scheme == "sendmail":
        from cb_mail.pipe import pipe

        return pipe(message, place.path)
    with Client(server, **options) as client:
        return client.send(message)
