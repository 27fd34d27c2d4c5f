"""One of several processes that write to a log which rotates.

python rotating.py LIBRARY FILE NAME THREADS RECORDS SIZE
"""

from __future__ import annotations

import logging
import logging.handlers
import sys
import threading

library, path, name = sys.argv[1:4]
threads, records, size = map(int, sys.argv[4:])
log = logging.getLogger("shop")
log.setLevel("INFO")
call = log.info
text = "%s %d"
close = logging.shutdown
if library == "cb-logging":
    from cb_logging import setup

    close = setup("INFO", to=path, rotate=size, keep=0).close
elif library == "loguru":
    from loguru import logger

    logger.remove()
    logger.add(path, format="{time} [{level}] [{thread.name}] ({module}:{line}) {message}", rotation=size, enqueue=True)
    call, close, text = logger.info, logger.complete, "{} {}"
else:
    if library == "concurrent-log-handler":
        from concurrent_log_handler import ConcurrentRotatingFileHandler as Handler
    else:
        Handler = logging.handlers.RotatingFileHandler
    handler = Handler(path, maxBytes=size, backupCount=10_000)
    book = "%(asctime)s - [%(levelname)s] [%(threadName)s] (%(module)s:%(lineno)d) %(message)s"
    handler.setFormatter(logging.Formatter(book))
    log.addHandler(handler)
logging.raiseExceptions = False


def work(thread: int) -> None:
    for number in range(records):
        call(text, f"{name}-{thread}", number)


workers = [threading.Thread(target=work, args=(one,)) for one in range(threads)]
for one in workers:
    one.start()
for one in workers:
    one.join()
close()
