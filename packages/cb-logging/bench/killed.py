"""Log, and be killed: python killed.py LIBRARY FILE RECORDS. What is missing afterwards was lost."""

from __future__ import annotations

import os
import signal
import sys

import peers

library, path, records = sys.argv[1], sys.argv[2], int(sys.argv[3])
library, job = library.split("+") if "+" in library else (library, "text")
makers = {"stdlib": peers.stdlib, "structlog": peers.structlog, "loguru": peers.loguru, "cb-logging": peers.ours}
log, _ = makers[library](job, path)
text = "order {} placed by {}" if library == "loguru" else "order %d placed by %s"
for number in range(records):
    log.info(text, number, "ann")
os.kill(os.getpid(), signal.SIGKILL)
