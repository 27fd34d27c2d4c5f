"""What several test files need: the command as a user runs it, and a server that runs until it is no longer wanted."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import forked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DEADLINE = 90
DJANGO = ("django.urls", "django.http", "django.db.models", "django.db.backends.sqlite3.base", "django.core.management")
"""What every command of a site imports."""

FULL = os.environ.get("CB_FAULTS") == "full"
"""Whether faults are injected at full count."""


def command(*words: str, input: str = "", **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: A002
    """Run ``cb-riddles`` as a user does."""
    done = forked.run("cb_riddles", words, data=input.encode(), timeout=DEADLINE, preload=DJANGO, **options)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@contextlib.contextmanager
def serving(
    *words: str, start: Sequence[str] = ("-m", "cb_riddles"), **options: Any
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run ``cb-riddles serve`` on a free port; gives its address when it answers."""
    with tempfile.TemporaryFile() as said:
        line = [sys.executable, *start, "serve", "--port", "0", *words]
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stderr=said, start_new_session=True, **options)
        try:
            yield _answering(process, said), process
        except BaseException:
            sys.stderr.write(os.pread(said.fileno(), 100_000, 0).decode())  # pytest shows it with the test that failed
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)


def _answering(process: subprocess.Popen[bytes], said: Any) -> str:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        text = os.pread(said.fileno(), 100_000, 0).decode()
        assert process.poll() is None, text
        if found := re.search(r"http://([^/]*)/", text):
            with contextlib.suppress(OSError), contextlib.closing(HTTPConnection(found[1], timeout=5)) as connection:
                connection.request("GET", "/healthz/")
                if connection.getresponse().status == 200:
                    return f"http://{found[1]}"
        time.sleep(0.05)  # between two looks, not instead of one
    raise AssertionError(f"no answer: {text}")


def write(folder: Path, name: str, text: str) -> str:
    """Write a file and return its path."""
    path = Path(folder, name)
    path.write_text(text, encoding="utf-8")
    return str(path)


class NoForm(Exception):
    """Not the page of a riddle."""


class Visitor:
    """A browser without a screen: keeps cookies, sends forms."""

    def __init__(self, address: str) -> None:
        self.host = urlsplit(address).netloc
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, form: list[tuple[str, str]] | None = None) -> tuple[HTTPResponse, str]:
        """Send a request and read the answer."""
        head = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if form is not None:
            head |= {"Content-Type": "application/x-www-form-urlencoded"}
        with closing(HTTPConnection(self.host, timeout=60)) as connection:
            connection.request(method, path, urlencode(form) if form is not None else None, head)
            response = connection.getresponse()
            for cookie in response.headers.get_all("Set-Cookie") or ():
                name, _, value = cookie.partition(";")[0].partition("=")
                self.cookies[name] = value.strip('"')
            return response, response.read().decode()

    @property
    def player(self) -> str:
        """The name in the cookie."""
        return self.cookies.get("riddles_player", "").partition(":")[0]

    def answer(self, riddle_id: int, text: str) -> tuple[HTTPResponse, str]:
        """Open a riddle and choose the option with this text."""
        _, page = self.ask("GET", f"/riddles/{riddle_id}/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        option = re.search(rf'value="([^"]+)"[^>]*> <span>{text}<', page)
        if not token or not option:
            raise NoForm(page)
        form = [("csrfmiddlewaretoken", token[1]), ("option", option[1])]
        return self.ask("POST", f"/riddles/{riddle_id}/answer/", form)


class Crowd:
    """Visitors who answer riddle 1 at one time, wrong, right and right again; knows what was acknowledged to whom."""

    def __init__(self, address: str, count: int) -> None:
        self.visitors = [Visitor(address) for _ in range(count)]
        self.acknowledged = [0] * count
        self.unknown = [0] * count
        self.stop = threading.Event()

    def answer(self, answers: int, watch: Callable[[int], object] = lambda _: None) -> None:
        """Have each give *answers*, or as many as there are until :attr:`stop`; *watch* hears how many were so far."""

        def play(n: int) -> None:
            for number in range(answers):
                if self.stop.is_set():
                    return
                try:
                    response, _ = self.visitors[n].answer(1, "A map" if number == 0 else "A piano")
                    good = response.status == 303
                except (OSError, HTTPException, NoForm):
                    good = False
                (self.acknowledged if good else self.unknown)[n] += 1
                watch(sum(self.acknowledged))

        with concurrent.futures.ThreadPoolExecutor(len(self.visitors)) as pool:
            list(pool.map(play, range(len(self.visitors))))

    def check(self, kept: list[tuple[str, int, int]]) -> None:
        """See that what is *kept* (player, correct, scored) is all that was acknowledged, and scored once each."""
        for visitor, acknowledged, unknown in zip(self.visitors, self.acknowledged, self.unknown, strict=True):
            own = [row for row in kept if row[0] == visitor.player]
            assert acknowledged <= len(own) <= acknowledged + unknown
            assert sum(bool(scored) for *_, scored in own) == any(correct for _, correct, _ in own)


def unlimited(folder: Path, limit: str = "") -> dict[str, str]:
    """The environment of a site that takes as many answers as come, or *limit*."""
    text = f"from cb_riddles.site.settings import *\n\nRIDDLES = {{'RATE_LIMIT': {limit!r}}}\n"
    write(folder, "unlimited.py", text)
    return os.environ | {"PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "unlimited"}
