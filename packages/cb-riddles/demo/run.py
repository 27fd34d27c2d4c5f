"""The demo: riddles are taken in, a file that is wrong is not; they are played in the terminal, and served."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

HERE = Path(__file__).parent


def show(*words: str, status: int = 0) -> None:
    print(f"\n$ cb-riddles {' '.join(words)}", flush=True)
    done = subprocess.run(["cb-riddles", *words], cwd=HERE, check=False)
    if done.returncode != status:
        sys.exit(f"status {done.returncode}, not {status}")


def serve() -> None:
    print("\n$ cb-riddles serve --port 0", flush=True)
    with subprocess.Popen(["cb-riddles", "serve", "--port", "0"], stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            line = server.stderr.readline()
            print(line, end="")
            address = re.search(r"http://\S+/riddles/", line)
            assert address
            for _ in range(100):
                try:
                    page = urlopen(address[0]).read().decode()
                    break
                except OSError:
                    time.sleep(0.1)
            else:
                sys.exit("the site does not answer")
            print("".join(f"{text}\n" for text in re.findall(r"<h1>.*|<li>.*", page)[:4]))
        finally:
            server.send_signal(signal.SIGINT)


with tempfile.TemporaryDirectory() as folder:
    os.environ["CB_RIDDLES_DATA"] = folder
    show("import", "riddles.gift")
    show("import", "broken.csv", status=1)
    show("list")
    show("show", "3")
    show("export", "--format", "jsonl")
    serve()
