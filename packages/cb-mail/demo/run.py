"""The demo: a catching server, a mail, a merge into a server that refuses one and defers one, and what came of each.

Run with the environment in which cb-mail is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = [sys.executable, "-m", "cb_mail"]


def shell(line: str, *, status: int = 0, lines: int = 14) -> None:
    """Run a line, show it and the first lines that come of it."""
    print(f"\n$ {line}", flush=True)
    command = line.replace("cb-mail", f"'{sys.executable}' -m cb_mail")
    ran = subprocess.run(
        ["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    shown = ran.stdout.splitlines()
    print("\n".join(shown[:lines]))
    if len(shown) > lines:
        print(f"… {len(shown) - lines} more lines")
    if ran.returncode != status:
        sys.exit(f"demo: status {ran.returncode}, not {status}")


def main() -> None:
    """All steps, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("letter.txt", "letter.html", "terms.txt", "orders.csv"):
            shutil.copy(HERE / name, folder)
        os.chdir(folder)
        os.environ["CB_MAIL_SPOOL"] = "spool"
        fail = ["--fail", "RCPT:550:eve@*", "--fail", "RCPT:451:first=1"]
        serve = [*PYTHON, "serve", "--port", "0", "--no-web", *fail]
        print("$ cb-mail serve --port 0 --no-web --fail RCPT:550:eve@* --fail RCPT:451:first=1 &")
        with subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
            assert server.stderr
            said = server.stderr.readline().strip()
            print(said)
            os.environ["CB_MAIL_SERVER"] = said.rpartition(" ")[2]
            try:
                steps()
            finally:
                server.terminate()
                caught, _ = server.communicate()
            print(f"\nWhat came to the server:\n{caught}", end="")


def steps() -> None:
    """What a user types."""
    text = "--from 'Anna <anna@example.com>' --to bob@example.org --subject 'Lunch at noon, Jörg?'"
    shell(f"echo 'At noon?' | cb-mail send {text} --dry-run")
    shell("cb-mail merge letter.txt orders.csv --dry-run", lines=9)
    shell("cb-mail preview letter.txt orders.csv --row 3")
    shell("cb-mail merge letter.txt orders.csv", status=1)
    shell("cut -d, -f1-6 orders.csv.results.csv")
    shell("cb-mail queue list")
    shell("cb-mail queue retry && cb-mail queue run")
    shell("printf 'name,mail,order\\nAnn,ann@example.org,1\\n' | cb-mail merge letter.txt -", status=65)
    shell("cb-mail send --from 'a@example.com\nBcc: eve@example.net' --to b@example.org < letter.txt", status=65)


if __name__ == "__main__":
    main()
