"""Servers, certificates and child processes for the tests. Everything on loopback, every port a free one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import trustme
from cb_sockets import Address, Framing, SelectorServer, ThreadServer, aio, server

sys.path.insert(0, str(Path(__file__).parent))

import forked

# A suite that runs in the background ignores Ctrl-C, and what it starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

FULL = os.environ.get("CB_FAULTS") == "full"
KINDS = ("selector", "thread", "aio")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Full counts take their time."""
    for item in items:
        if FULL and item.get_closest_marker("faults"):
            item.add_marker(pytest.mark.timeout(1800))


class RunningServer(Protocol):
    """What the tests use of a server, whichever it is."""

    address: Address

    @property
    def cut(self) -> int: ...
    @property
    def connections(self) -> int: ...
    def drain(self, deadline: float = 10.0, *, grace: float = 0.5) -> None: ...
    def join(self, timeout: float | None = None) -> bool: ...
    def close(self) -> None: ...


class AsyncServerThread:
    """An ``aio`` server in an event loop of its own thread, with the face of the other two."""

    def __init__(self, address: str | Address, framing: Framing, handler: Any, **options: Any) -> None:
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=((address, framing, handler), options), daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        self.address = self._server.address

    def _run(self, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        async def main() -> None:
            try:
                self._server = await aio.serve(*args, **options)
                self._loop = asyncio.get_running_loop()
            except BaseException as error:  # noqa: BLE001  # handed to the thread that waits
                self._failure = error
                return
            finally:
                self._ready.set()
            await self._server.serve_forever()
            if self._draining is not None:
                await self._draining

        self._draining: asyncio.Task[int] | None = None
        asyncio.run(main())

    @property
    def cut(self) -> int:
        return self._server.cut

    @property
    def connections(self) -> int:
        return len(self._server.connections)

    def drain(self, deadline: float = 10.0, *, grace: float = 0.5) -> None:
        def begin() -> None:
            self._draining = self._loop.create_task(self._server.drain(deadline, grace=grace))

        self._call(begin)

    def close(self) -> None:
        def begin() -> None:
            self._closing = self._loop.create_task(self._server.close())

        self._call(begin)
        self._thread.join()

    def join(self, timeout: float | None = None) -> bool:
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _call(self, function: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(function)


def _start(kind: str, address: str | Address, framing: Framing, handler: Any, options: dict[str, Any]) -> RunningServer:
    if kind == "aio":
        return AsyncServerThread(address, framing, handler, **options)
    made = (SelectorServer if kind == "selector" else ThreadServer)(address, framing, handler, **options)
    made.start()
    return made


@pytest.fixture
def start() -> Iterator[Callable[..., Any]]:
    """``start(kind, framing, handler, **options)``: a server that runs until the test has ended."""
    with contextlib.ExitStack() as stack:

        def begin(
            kind: str, framing: Framing, handler: Any, *, address: str | Address = "127.0.0.1:0", **options: Any
        ) -> RunningServer:
            running = _start(kind, address, framing, handler, options)
            stack.callback(running.close)
            return running

        yield begin


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The three servers, one after the other."""
    return str(request.param)


@pytest.fixture
def serve(kind: str, start: Callable[..., Any]) -> Callable[..., Any]:
    """``serve(framing, handler, **options)``, once for each of the three servers."""

    def begin(framing: Framing, handler: Any, **options: Any) -> RunningServer:
        running: RunningServer = start(kind, framing, handler, **options)
        return running

    return begin


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """The certificate authority that the tests trust."""
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """TLS for a server at ``localhost``, ``127.0.0.1`` and ``::1``."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1", "::1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    """TLS for a client that trusts `authority`."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def dial() -> Iterator[Callable[..., socket.socket]]:
    """``dial(address)``: a bare socket connected to a server, with ten seconds for everything, closed at the end."""
    with contextlib.ExitStack() as stack:

        def connect(address: Address, *, receive_buffer: int | None = None) -> socket.socket:
            family = socket.AF_UNIX if address.path else socket.AF_INET6 if ":" in address.host else socket.AF_INET
            sock = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            sock.settimeout(10)
            if receive_buffer is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.connect(address.path or (address.host, address.port))
            return sock

        yield connect


def _until_eof(sock: socket.socket) -> bytes:
    data = bytearray()
    while chunk := sock.recv(65536):
        data += chunk
    return bytes(data)


@pytest.fixture(scope="session")
def until_eof() -> Callable[[socket.socket], bytes]:
    """``until_eof(sock)``: everything that comes until the peer ends its side."""
    return _until_eof


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    """``eventually(condition)``: look every 5 ms until it holds; for what has no event to wait on."""

    def wait(condition: Callable[[], object], seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < end, "what was to happen did not"
            pause.wait(0.005)

    return wait


class Child:
    """A server in a process of its own: ``server_process.py``."""

    def __init__(self, options: list[str], log: Path) -> None:
        self._log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("server_process.py")), *options],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), f"{line!r}\n{self.log}"
        self.address = Address.parse(line.removeprefix("listening on ").strip())

    @property
    def log(self) -> str:
        """What it has written to stderr."""
        return self._log.read_text()

    @property
    def cpu_seconds(self) -> float:
        """Processor time it has used, its own and the system's for it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def descriptors(self) -> int:
        """File descriptors it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def terminate(self) -> None:
        """SIGTERM: drain."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as the machine's end would be."""
        self.process.kill()
        self.process.wait()

    def wait(self) -> int:
        """Its exit status."""
        return self.process.wait(30)

    def end(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """``spawn("--kind", "thread", ...)``: a server process, killed at the end of the test if it still runs."""
    with contextlib.ExitStack() as stack:

        def begin(*options: str) -> Child:
            child = Child(list(options), tmp_path / "server.log")
            stack.callback(child.end)
            return child

        yield begin


@pytest.fixture
def stable_address() -> Callable[[], str]:
    """``stable_address()``: a free address to which a server can come back: outgoing connections do not take its port.

    The ports that the system hands out begin at 32768 on Linux and at 49152 elsewhere.
    """

    def find() -> str:
        for _ in range(100):
            port = random.randrange(20_000, 32_000)
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
                return f"127.0.0.1:{port}"
        raise OSError("no free port between 20000 and 32000")

    return find


@pytest.fixture(scope="session")
def haproxy() -> str:
    """The path of HAProxy's program."""
    found = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("haproxy is not installed (apt-get install haproxy)")
    return found


@pytest.fixture(params=["epoll", "selectors"])
def poller(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to wait for sockets: Linux's own and the portable one."""
    if request.param == "selectors":
        from cb_sockets.poller import SelectorsPoller

        monkeypatch.setattr(server, "new_poller", SelectorsPoller)
    return str(request.param)


@pytest.fixture(scope="session")
def count() -> Callable[[int, int], int]:
    """``count(small, full)``: how often to repeat, the second where CB_FAULTS=full."""
    return lambda small, full: full if FULL else small


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """``command("send", ...)``: the command run to its end, as a user runs it."""

    def run(*arguments: str, stdin: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
        return forked.run("cb_sockets", arguments, data=stdin, **options)

    return run


class Serving:
    """A ``cb-sockets`` command that runs until it is told to end: ``serve`` or ``inspect``."""

    def __init__(self, arguments: tuple[str, ...], options: dict[str, Any]) -> None:
        line = [sys.executable, "-m", "cb_sockets", *arguments]
        self.process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        self.lines: list[str] = []
        self.address = self.expect("listening on ").partition("listening on ")[2].split(",")[0].strip()

    def expect(self, text: str) -> str:
        """Read its stderr up to the line that holds `text`."""
        assert self.process.stderr is not None
        for raw in self.process.stderr:
            self.lines.append(raw.decode())
            if text in self.lines[-1]:
                return self.lines[-1]
        raise AssertionError(f"{text!r} did not come: {self.lines}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait, keep what it still wrote."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        out, rest = self.process.communicate(timeout=30)
        self.stdout = out.decode()
        self.lines += rest.decode().splitlines(keepends=True)
        return self.process.returncode

    @property
    def log(self) -> str:
        """What it has said on stderr, as far as it was read."""
        return "".join(self.lines)


@pytest.fixture
def serving() -> Iterator[Callable[..., Serving]]:
    """``serving("serve", "echo")`` on a free port; ended at the end of the test if it still runs."""
    with contextlib.ExitStack() as stack:

        def begin(*arguments: str, **options: Any) -> Serving:
            made = Serving((*arguments, "--listen", "127.0.0.1:0"), options)
            stack.callback(end, made)
            return made

        def end(made: Serving) -> None:
            while made.process.poll() is None:  # the second signal ends it without its grace
                made.process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    made.process.wait(0.1)
            for stream in (made.process.stdout, made.process.stderr):
                if stream is not None:
                    stream.close()

        yield begin
