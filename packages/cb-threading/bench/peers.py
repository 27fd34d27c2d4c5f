"""A Python peer fetches a list: ``peers.py NAME URLS OUT JOBS``. What one would write by hand."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path


def pool(get: Callable[[str], bytes], urls: list[str], out: str, jobs: int) -> None:
    source = iter(urls)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                url = next(source, None)
            if url is None:
                return
            Path(out, url.rpartition("/")[2]).write_bytes(get(url))

    threads = [threading.Thread(target=work) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def requests_threads(urls: list[str], out: str, jobs: int) -> None:
    import requests

    local = threading.local()

    def get(url: str) -> bytes:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        # Given here: an environment that names certificates would come before the session's own setting.
        response = local.session.get(url, timeout=30, verify=os.environ.get("BENCH_CA") or True)
        response.raise_for_status()
        return response.content

    pool(get, urls, out, jobs)


def urllib3_threads(urls: list[str], out: str, jobs: int) -> None:
    import urllib3

    manager = urllib3.PoolManager(maxsize=jobs, ca_certs=os.environ.get("BENCH_CA"))
    pool(lambda url: manager.request("GET", url).data, urls, out, jobs)


def httpx_threads(urls: list[str], out: str, jobs: int) -> None:
    import ssl

    import httpx

    context = ssl.create_default_context(cafile=os.environ.get("BENCH_CA"))
    limits = httpx.Limits(max_connections=jobs, max_keepalive_connections=jobs)
    with httpx.Client(limits=limits, verify=context, timeout=30) as client:
        pool(lambda url: client.get(url).raise_for_status().content, urls, out, jobs)


def aiohttp_tasks(urls: list[str], out: str, jobs: int) -> None:
    import ssl

    import aiohttp

    async def main() -> None:
        context = ssl.create_default_context(cafile=os.environ.get("BENCH_CA"))
        source = iter(urls)
        connector = aiohttp.TCPConnector(limit=jobs, ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def work() -> None:
                for url in source:
                    async with session.get(url) as response:
                        response.raise_for_status()
                        body = await response.read()
                    Path(out, url.rpartition("/")[2]).write_bytes(body)  # noqa: ASYNC240 - as one does

            await asyncio.gather(*(work() for _ in range(jobs)))

    asyncio.run(main())


def scrapy_spider(urls: list[str], out: str, jobs: int) -> None:
    import scrapy
    from scrapy.crawler import CrawlerProcess

    class Spider(scrapy.Spider):
        name = "bench"

        async def start(self):
            for url in urls:
                yield scrapy.Request(url, dont_filter=True)

        def parse(self, response):
            Path(out, response.url.rpartition("/")[2]).write_bytes(response.body)

    settings = {"CONCURRENT_REQUESTS": jobs, "CONCURRENT_REQUESTS_PER_DOMAIN": jobs, "LOG_ENABLED": False}
    process = CrawlerProcess({**settings, "TELNETCONSOLE_ENABLED": False, "DOWNLOAD_DELAY": 0})
    process.crawl(Spider)
    process.start()


if __name__ == "__main__":
    _, name, list_, folder, count = sys.argv
    wanted = Path(list_).read_text().split()
    {
        "requests": requests_threads,
        "urllib3": urllib3_threads,
        "httpx": httpx_threads,
        "aiohttp": aiohttp_tasks,
        "scrapy": scrapy_spider,
    }[name](wanted, folder, int(count))
