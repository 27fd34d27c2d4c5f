"""The Scrapy project that is written works: run against a site on loopback."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cb_threading import Collision
from cb_threading.export_scrapy import export_scrapy
from site_on_loopback import Site, body


def html(*links: str) -> bytes:
    """A page with links."""
    return ("<html>" + "".join(f'<a href="{link}">x</a>' for link in links) + "</html>").encode()


def test_a_crawl_that_follows_links(site: Site, tmp_path: Path, cb: Callable[..., Any]) -> None:
    """Every page that can be reached is saved whole, what robots.txt does not want and other hosts are left alone."""
    pages = {
        "/": html("/a", "b", "/private/x", "http://elsewhere.example/"),
        "/a": html("/c?q=1", "/"),
        "/b": html("/gone"),
        "/c?q=1": html(),
    }
    site.routes |= {path: body(data, Content_Type="text/html") for path, data in pages.items()}
    site.routes["/robots.txt"] = body(b"User-agent: *\nDisallow: /private/\n", Content_Type="text/plain")
    project = tmp_path / "project"
    ran = cb("export", "scrapy", site.url("/"), "-o", project, "--per-host", "2", "--delay", "10ms", "--agent", "me/1")
    assert ran.status == 0
    assert ran.err == f"cb-threading: cd {project} && scrapy crawl pages -O index.jsonl\n"
    command = [sys.executable, "-W", "ignore", "-m", "scrapy", "crawl", "pages", "-O", "index.jsonl"]
    crawl = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=100, check=False)
    assert crawl.returncode == 0, crawl.stderr
    index = [json.loads(line) for line in (project / "index.jsonl").read_text().splitlines()]
    found = {row["url"].removeprefix(site.host): row for row in index}
    assert set(found) >= set(pages)
    for path, data in pages.items():
        assert (project / found[path]["path"]).read_bytes() == data
        assert found[path]["sha256"] == hashlib.sha256(data).hexdigest()
    assert site.paths()["/robots.txt"] >= 1
    assert "/private/x" not in site.paths()
    assert site.header("/a")["user-agent"] == "me/1"
    assert site.most <= 2


def test_a_project_is_not_written_over(tmp_path: Path) -> None:
    """What was changed by hand stays."""
    export_scrapy(["http://a.example/"], tmp_path)
    assert "DOWNLOAD_DELAY = 0.0" in (tmp_path / "crawl" / "settings.py").read_text()
    with pytest.raises(Collision, match=r"scrapy\.cfg is there"):
        export_scrapy(["http://a.example/"], tmp_path)
