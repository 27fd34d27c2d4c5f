"""The public API, type-checked from outside."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import cb_logging
from cb_logging import Contacts, Formatter, Record, Setup, Summary, Template, context, read, setup, summarise

version: str = cb_logging.__version__

with setup("INFO", format="json", to=["stderr", "app.log"], rotate="10 MB", levels={"urllib3": "WARNING"}) as made:
    failures: dict[str, int] = made.failures
with context(request="r1"):
    logging.getLogger("shop").info("sold %d", 7)

again: Setup = cb_logging.setup_env()
records: Iterator[Record] = read("app.log", level="ERROR", since="15m", logger=["shop"])
for record in records:
    level: int = record.level
    when: float | None = record.time
    message: str = record.message
summary: Summary = summarise("app.log", by=["level", "module"], bucket="hour")
errors: int = summary.along("level")["ERROR"]
template: Template = Template("%(levelname)s %(message)s")
formatter: logging.Formatter = Formatter("book", redact=["pin", "pii"])
handler: logging.Handler = cb_logging.handler("syslog+tcp://localhost:514")
contact: list[dict[str, str]] = Contacts("contacts.csv").get("Ann")
recovered: int = cb_logging.recover("app.log")
number: int = cb_logging.level("WARNING")
