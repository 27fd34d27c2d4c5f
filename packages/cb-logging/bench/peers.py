"""One contender, one job, in a process of its own: prints nanoseconds per call, the least of several repeats.

python peers.py LIBRARY JOB FILE RECORDS
"""

from __future__ import annotations

import functools
import gc
import logging
import logging.handlers
import os
import queue
import sys
import time

BOOK = "%(asctime)s - [%(levelname)s] [%(threadName)s] (%(module)s:%(lineno)d) %(message)s"
FIELDS = {"user": "ann", "cart": 3, "total": 12.5}


def stdlib(job, path):
    log = logging.getLogger("shop")
    log.setLevel("INFO")
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter(BOOK))
    if job == "queue":
        listener = logging.handlers.QueueListener(queue.Queue(-1), handler)
        listener.start()
        log.addHandler(logging.handlers.QueueHandler(listener.queue))
        return log, listener.stop
    log.addHandler(handler)
    return log, handler.close


def python_json_logger(job, path, *, quick=False):
    if quick:
        from pythonjsonlogger.orjson import OrjsonFormatter as Json
    else:
        from pythonjsonlogger.json import JsonFormatter as Json

    log = logging.getLogger("shop")
    log.setLevel("INFO")
    handler = logging.FileHandler(path)
    names = "asctime levelname name message threadName module lineno"
    handler.setFormatter(Json(" ".join(f"%({name})s" for name in names.split())))
    log.addHandler(handler)
    return log, handler.close


def structlog(job, path):
    import structlog
    from structlog.processors import CallsiteParameter, CallsiteParameterAdder

    wanted = [CallsiteParameter.THREAD_NAME, CallsiteParameter.MODULE, CallsiteParameter.LINENO]
    before = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S.%f", utc=False),
        CallsiteParameterAdder(wanted),
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    file = open(path, "ab" if job == "json" else "a")  # noqa: PTH123, SIM115 - for as long as it logs
    if job == "json":
        import orjson

        before.append(structlog.processors.JSONRenderer(serializer=orjson.dumps))
        factory = structlog.BytesLoggerFactory(file)
    else:

        def render(logger, name, event):
            return "{timestamp} - [{level}] [{thread_name}] ({module}:{lineno}) {event}".format(**event)

        before.append(render)
        factory = structlog.WriteLoggerFactory(file)
    structlog.configure(
        processors=before,
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    return structlog.get_logger(), file.close


def loguru(job, path):
    from loguru import logger

    logger.remove()
    text = "{time:YYYY-MM-DD HH:mm:ss,SSS} - [{level}] [{thread.name}] ({module}:{line}) {message}"
    logger.add(path, format=text, level="INFO", enqueue=job == "queue", serialize=job == "json")

    class Percent:
        """loguru formats with braces: the same message, its own way."""

        @staticmethod
        def info(message, *arguments, extra=None):
            (logger.bind(**extra) if extra else logger).opt(depth=1).info("order {} placed by {}", *arguments)

        debug = logger.debug

    return Percent if job == "json" else _Loguru(logger), logger.complete if job == "queue" else logger.remove


class _Loguru:
    def __init__(self, logger):
        self.debug = logger.debug
        self.logger = logger
        self.info = logger.info


def ours(job, path):
    from cb_logging import setup

    made = setup("INFO", to=path, format="json" if job == "json" else "book", spool=job == "queue")
    return logging.getLogger("shop"), made.close


def main():
    library, job, path, records = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    log, finish = {
        "stdlib": stdlib,
        "python-json-logger": python_json_logger,
        "python-json-logger, orjson": functools.partial(python_json_logger, quick=True),
        "structlog": structlog,
        "loguru": loguru,
        "cb-logging": ours,
    }[library](job, path)
    text = "order {} placed by {}" if library == "loguru" else "order %d placed by %s"
    clock = time.perf_counter_ns

    def write():
        for number in range(records):
            log.info(text, number, "ann")

    def write_json():
        if library == "structlog":
            for number in range(records):
                log.info(text, number, "ann", **FIELDS)
        else:
            for number in range(records):
                log.info(text, number, "ann", extra=FIELDS)

    def filtered():
        for number in range(records):
            log.debug(text, number, "ann")

    def nothing():
        for _ in range(records):
            pass

    work = {"json": write_json, "filtered": filtered}.get(job, write)
    work()
    gc.collect()
    gc.disable()
    best = None
    whole = clock()
    for _ in range(1 if job == "queue" else 5):
        start = clock()
        work()
        took = clock() - start
        best = took if best is None else min(best, took)
    if job == "filtered":  # without the loop
        loops = []
        for _ in range(5):
            start = clock()
            nothing()
            loops.append(clock() - start)
        best -= min(loops)
    finish()
    whole = clock() - whole
    print(best / records, whole / records)
    os._exit(0)


if __name__ == "__main__":
    main()
