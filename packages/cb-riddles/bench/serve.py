"""A site on a server with one worker, alone on the first core, for as long as it is measured."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

HERE = Path(__file__).parent
GUNICORN = ("-m", "gunicorn", "--workers", "1", "--log-level", "error", "--bind")
GRANIAN = ("-m", "granian", "--workers", "1", "--log-level", "error", "--interface")
PINNED = ["taskset", "-c", "0"] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(module: str, server: str, data: Path, *, tuned: str = "", path: str = "/riddles/"):
    port = free_port()
    env = os.environ | {"BENCH_DATA": str(data), "CB_RIDDLES_DATA": str(data), "CB_RIDDLES_HTTP": "1"}
    env |= {"PYTHONPATH": str(HERE), "BOOK_TUNED": tuned}
    ours = module.startswith("cb_riddles")
    if ours:
        env["DJANGO_SETTINGS_MODULE"] = "limitless"
    if server == "gunicorn":
        words = [*GUNICORN, f"127.0.0.1:{port}", f"{module}:application"]
    elif server == "runserver":
        words = [str(HERE / f"{module}.py"), str(port)]
    else:
        wsgi = ("wsgi", "--blocking-threads", "2", f"{module}:application")
        interface = ("rsgi", f"{module}:site") if ours else wsgi
        words = [*GRANIAN, *interface, "--host", "127.0.0.1", "--port", str(port)]
    line = [*PINNED, sys.executable, *words]
    quiet = subprocess.DEVNULL if server == "runserver" else None  # a line for each request
    with subprocess.Popen(line, env=env, start_new_session=True, stdout=quiet, stderr=quiet) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(600):
                try:
                    urlopen(address + path).read()
                    break
                except HTTPError:
                    break  # it answers, to those who are logged in
                except OSError:
                    time.sleep(0.1)
            else:
                sys.exit(f"{module} on {server} does not answer")
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
