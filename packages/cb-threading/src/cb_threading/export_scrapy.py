"""Hand a crawl that follows links over to Scrapy: a project with the same manners, written out to be changed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from urllib.parse import urlsplit

from cb_threading.errors import Collision
from cb_threading.plan import Job, plan
from cb_threading.policy import Policy

__all__ = ["export_scrapy"]

_CFG = """\
[settings]
default = crawl.settings
"""

_SPIDER = '''\
"""Follows the links of the start pages, within their hosts, and saves every page under a hash of its URL.

Run it:  scrapy crawl pages -O index.jsonl
Run it so that it can be stopped and gone on with:  scrapy crawl pages -o index.jsonl -s JOBDIR=job
"""

import hashlib
import json
import os
from pathlib import Path

import scrapy
from scrapy.linkextractors import LinkExtractor

HERE = Path(__file__).parent.parent.parent


class PagesSpider(scrapy.Spider):
    name = "pages"
    allowed_domains = json.loads((HERE / "hosts.json").read_text())
    links = LinkExtractor()

    async def start(self):
        for url in json.loads((HERE / "start.json").read_text()):
            yield scrapy.Request(url)

    def parse(self, response):
        name = hashlib.sha256(response.url.encode()).hexdigest()[:32]
        folder = HERE / "pages"
        folder.mkdir(exist_ok=True)
        part = folder / f".{name}.part"
        part.write_bytes(response.body)
        os.replace(part, folder / name)  # a name is only ever a complete page
        yield {
            "url": response.url,
            "path": f"pages/{name}",
            "size": len(response.body),
            "sha256": hashlib.sha256(response.body).hexdigest(),
            "status": response.status,
        }
        if isinstance(response, scrapy.http.TextResponse):
            for link in self.links.extract_links(response):
                yield response.follow(link)
'''


def export_scrapy(urls: Iterable[str | Job], out: str | PathLike[str], *, policy: Policy | None = None) -> list[Path]:
    """Write a Scrapy project (2.13 or newer) into the folder *out* and return its files.

    Slots a host, delay, robots.txt, retries, redirects, time-out and size are those of *policy*.

    Raises:
        Collision: There is a project already.
    """
    policy = policy or Policy()
    jobs = plan(urls, names="hash")
    root = Path(out)
    if (root / "scrapy.cfg").exists():
        raise Collision(f"{root / 'scrapy.cfg'} is there (choose another folder)")
    settings: dict[str, object] = {
        "BOT_NAME": "crawl",
        "SPIDER_MODULES": ["crawl.spiders"],
        "USER_AGENT": policy.agent,
        "ROBOTSTXT_OBEY": policy.robots,
        "CONCURRENT_REQUESTS": policy.jobs,
        "CONCURRENT_REQUESTS_PER_DOMAIN": policy.per_host,
        "DOWNLOAD_DELAY": policy.delay,
        "RANDOMIZE_DOWNLOAD_DELAY": False,
        # The default queue lets one slow host fill all slots.
        "SCHEDULER_PRIORITY_QUEUE": "scrapy.pqueues.DownloaderAwarePriorityQueue",
        "RETRY_TIMES": policy.retry.attempts - 1,
        "RETRY_HTTP_CODES": sorted(policy.statuses),
        "REDIRECT_MAX_TIMES": policy.redirects,
        "DOWNLOAD_TIMEOUT": policy.timeout.total or policy.timeout.stall * 6,
        "DOWNLOAD_MAXSIZE": policy.max_bytes or 0,
        "DOWNLOAD_FAIL_ON_DATALOSS": True,
        "TELNETCONSOLE_ENABLED": False,
        "LOG_LEVEL": "INFO",
    }
    names = sorted({urlsplit(job.url).hostname or "" for job in jobs})
    files = {
        "scrapy.cfg": _CFG,
        "start.json": json.dumps([job.url for job in jobs], indent=1),
        "hosts.json": json.dumps(names),
        "crawl/__init__.py": "",
        "crawl/settings.py": "".join(f"{name} = {value!r}\n" for name, value in settings.items()),
        "crawl/spiders/__init__.py": "",
        "crawl/spiders/pages.py": _SPIDER,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [root / name for name in files]
