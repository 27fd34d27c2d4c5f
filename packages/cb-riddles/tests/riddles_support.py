"""What several test files need: the command as a user runs it, and a server that runs until it is no longer wanted."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

DEADLINE = 90


def command(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``cb-riddles`` as a user does."""
    line = [sys.executable, "-m", "cb_riddles", *words]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=DEADLINE, **options)


@contextlib.contextmanager
def serving(*words: str, **options: Any) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run ``cb-riddles serve`` on a free port; gives its address when it answers."""
    with tempfile.TemporaryFile() as said:
        line = [sys.executable, "-m", "cb_riddles", "serve", "--port", "0", *words]
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stderr=said, start_new_session=True, **options)
        try:
            yield _answering(process, said), process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)


def _answering(process: subprocess.Popen[bytes], said: Any) -> str:
    from http.client import HTTPConnection

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
