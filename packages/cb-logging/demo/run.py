"""The demo: a program logs, is killed, and its log is read back, filtered and counted.

Run with the environment in which cb-logging is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SHOP = """
import logging, os, signal
from cb_logging import context, setup
setup("INFO", to="shop.log", spool=True)
log = logging.getLogger("shop")
for number in range(20_000):
    log.info("order %d placed, card token=%s", number, "tok_live_4242424242424242")
try:
    {}["till"]
except KeyError:
    log.exception("no till\\n2015-12-30 - [INFO] forged")
os.kill(os.getpid(), signal.SIGKILL)
"""


def shell(line: str, *, status: int = 0, lines: int = 12) -> None:
    """Run a line, show it and the first lines that come of it."""
    print(f"\n$ {line}", flush=True)
    command = line.replace("cb-logging", f"'{sys.executable}' -m cb_logging").replace("python ", f"'{sys.executable}' ")
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
        os.chdir(folder)
        Path("shop.py").write_text(SHOP)
        shell("python shop.py", status=137)  # 20,001 records, and SIGKILL
        shell("cb-logging recover shop.log")
        shell("wc -l shop.log")
        shell("cb-logging tail -n 2 shop.log")
        shell("cb-logging cat --level ERROR shop.log")
        shell("cb-logging stats --by level --by module --bucket second shop.log")
        shell("cb-logging format '%(asctime)s [% (levelname) s] %(message)s'", status=2)
        shell("cb-logging demo format")
        shell("printf '1\\nMichael\\n1234-5678\\n2\\n0\\n' | cb-logging contacts --file contacts.csv --log-to -")


if __name__ == "__main__":
    main()
