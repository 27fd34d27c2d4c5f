"""The site on granian: what must be there before it starts, and the start."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cb_riddles import __version__, ready
from cb_riddles.errors import NoEnvironment

STOP_WITHIN: float = 10.0
"""Seconds for what is under way when the server is told to stop; then its workers are killed."""


@dataclass
class Server:
    """A server for the site on *host* and *port*; port 0 is a free one, known after :meth:`prepare`."""

    host: str
    port: int
    workers: int
    names: tuple[str, ...]
    https: bool = field(kw_only=True)
    dev: bool = field(default=False, kw_only=True)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/"

    def prepare(self) -> None:
        """Make data folder, key, database and style sheets ready.

        Raises:
            NoEnvironment: The port is taken, or the folder or the database is not to be had.
        """
        kind = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            with socket.socket(kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((self.host, self.port))
                self.port = probe.getsockname()[1]
        except OSError as error:
            raise NoEnvironment(f"{self.host}:{self.port}: {error.strerror} (choose another: --port)") from error
        if self.names:
            os.environ["CB_RIDDLES_HOSTS"] = ",".join(["localhost", "127.0.0.1", "[::1]", *self.names])
        if self.dev:
            os.environ["CB_RIDDLES_DEBUG"] = "1"
        if self.https:
            os.environ["CB_RIDDLES_PROXY"] = "1"
        ready.migrated(http=not self.https)
        _collect()
        from django.db import connections

        connections.close_all()

    def run(self) -> None:
        """Serve until SIGTERM; where it does is said when it answers.

        Raises:
            KeyboardInterrupt: SIGINT has ended it.
        """
        if self.dev:
            from django.core.management import call_command

            if os.environ.get("RUN_MAIN") == "true":  # the one that serves, not the one that starts it anew
                self._announce()
            address = f"[{self.host}]" if ":" in self.host else self.host
            call_command("runserver", f"{address}:{self.port}")
            return
        from granian import Granian
        from granian.constants import Interfaces
        from granian.log import LogLevels

        server: Any = Granian(
            "cb_riddles.site.wsgi:site",
            address=self.host,
            port=self.port,
            interface=Interfaces.RSGI,
            workers=self.workers,
            websockets=False,
            log_level=LogLevels.warning,
        )
        ended_by: list[int] = []

        def kill() -> None:
            for worker in list(server.wrks):
                worker.kill()

        def interrupt(number: int, _frame: object) -> None:
            ended_by.append(number)
            # A worker in some hundreds never ends (granian 2.8); its own time-out says of others that it kills them.
            last = threading.Timer(STOP_WITHIN, kill)
            last.daemon = True
            last.start()
            stop()

        def started(*arguments: object) -> None:
            startup(*arguments)
            self._announce()  # by a thread: not before the workers are forked

        stop, startup = server.signal_handler_interrupt, server.startup
        server.signal_handler_interrupt, server.startup = interrupt, started
        server.serve()
        if signal.SIGINT in ended_by:
            raise KeyboardInterrupt

    def _announce(self) -> None:
        """Say where the site is as soon as its port is open: granian tells nobody when that is."""

        def look() -> None:
            while True:
                with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 5):
                    break
                time.sleep(0.05)
            sys.stderr.write(f"Serving on {self.url}riddles/ (the admin: {self.url}admin/; Ctrl-C stops)\n")
            sys.stderr.flush()

        threading.Thread(target=look, daemon=True).start()


def _collect() -> None:
    """Put style sheets and icons, with hashed names and compressed, where they are served from; once a version."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    # The sheet itself too: a version under development changes without a new number.
    sheet = (Path(__file__).parent.parent / "static" / "riddles" / "main.css").read_bytes()
    wanted = f"{__version__} {django.get_version()} {hashlib.sha256(sheet).hexdigest()}"
    stamp = Path(settings.STATIC_ROOT) / "made-by.txt"
    if not stamp.exists() or stamp.read_text(encoding="ascii") != wanted:
        call_command("collectstatic", verbosity=0, interactive=False)
        stamp.write_text(wanted, encoding="ascii")
