"""A process of the tests that sends from a spool until it is killed: ``spool_worker.py SPOOL URL WINDOW``."""

from __future__ import annotations

import sys
from pathlib import Path

from cb_mail import Client, Spool

if __name__ == "__main__":
    with (
        Spool(Path(sys.argv[1])) as spool,
        Client(sys.argv[2], window=int(sys.argv[3]), max_per_connection=1000) as client,
    ):
        spool.run(client)
