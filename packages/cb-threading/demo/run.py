"""The demo: a list of pages of a small site on this machine becomes files, is checked, mended, and the recipes run.

Run it with the environment in which cb-threading is installed. It uses nothing but the command.
"""

from __future__ import annotations

import functools
import http.server
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).parent
COMMAND = [sys.executable, "-m", "cb_threading"]


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *words: object) -> None:  # noqa: A002 - its name in the base class
        pass


def run(*words: str, status: int = 0, shown: str = "") -> list[str]:
    """Run the command, show its first lines, return all."""
    print("$ cb-threading", shown or " ".join(words), flush=True)
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=60, check=False)
    lines = done.stdout.splitlines()
    for text in [*lines[:4], *([f"… {len(lines) - 4} more"] if len(lines) > 4 else []), *done.stderr.splitlines()]:
        print(f"  {text[:150]}", flush=True)
    if done.returncode != status:
        sys.exit(f"cb-threading ended with status {done.returncode}, not {status}")
    return lines


def main() -> None:
    """All parts, each checked."""
    handler = functools.partial(Quiet, directory=str(HERE / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, tempfile.TemporaryDirectory() as folder:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"http://127.0.0.1:{server.server_port}"
        names = [path.name for path in sorted((HERE / "site").glob("*.html"))]
        urls = Path(folder, "urls.txt")
        urls.write_text("".join(f"{host}/{name}\n" for name in [*names, "gone.html"]))
        out = Path(folder, "pages")
        run("fetch", str(urls), "-o", str(out), status=1, shown="fetch urls.txt -o pages")
        for name in names:
            if (out / name).read_bytes() != (HERE / "site" / name).read_bytes():
                sys.exit(f"{name} is not what the site has")
        (out / names[0]).write_text("changed")
        run("verify", str(out), status=1, shown="verify pages")
        urls.write_text("".join(f"{host}/{name}\n" for name in names))
        states = [json.loads(line)["state"] for line in run("fetch", str(urls), "-o", str(out), "--resume")]
        if sorted(states) != ["kept"] * (len(names) - 1) + ["saved"]:
            sys.exit("what was not changed was fetched again")
        server.shutdown()
    run("race", "rabbit", "turtle")
    run("market", "--seed", "1")
    lines = run("recipe", "lowlevel")
    print(f"result: {len(names)} pages fetched, one that was changed mended, and {len(lines) - 1} lines of two threads")


if __name__ == "__main__":
    main()
