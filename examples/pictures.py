"""Make the pictures in the root's README from the real thing: two servers in a browser, and commands in a terminal.

Run by `nox -s pictures` in an environment that has all ten commands; Chromium comes from the system.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
INTO = HERE / "pictures"
POST = HERE / "riddles-by-post"

LINES = (
    "cb-csv detect readers.csv",
    "cb-csv dicts readers.csv | cb-map rename 'Name=name,E-Mail=mail,Ort=city' | cb-csv write addresses.csv",
    "cb-dict set --dry-run post.toml site.retries 5",
    "cb-subprocess batch --timeout 1 --tag -- sh -c 'sleep {}; echo over' ::: 0.1 0.2 600; echo \"$? failed\"",
    "cb-mail preview letter.txt addresses.csv --row 2 | head -n 12",
    "cb-map pick name address.csv",
)


@contextmanager
def serving(*command: str, ready: str) -> Iterator[str]:
    """A server for as long as it is needed; gives what it says up to the line with the words *ready*."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stderr
            said = ""
            while ready not in said:
                said += next(server.stderr)
            yield said
        finally:
            server.terminate()


def addresses(said: str) -> list[str]:
    """The addresses on this machine that stand in what a server says."""
    return re.findall(r"\S*127\.0\.0\.1:\d+\S*", said)


def riddles(page: Page) -> None:
    """A riddle, answered."""
    with serving("cb-riddles", "serve", "--port", "0", "--sample", ready="Serving on") as said:
        page.goto(addresses(said)[0])
        page.click("main a[href*='/riddles/']")
        page.click("main label")
        page.click("main form button")
        page.wait_for_load_state()
        page.screenshot(path=INTO / "riddles.png")


def inbox(page: Page) -> None:
    """Letters to everybody, one of them open."""
    with serving("cb-mail", "serve", "--port", "0", "--web", "0", ready="inbox at") as said:
        smtp, web = addresses(said)
        subprocess.run(["cb-mail", "merge", "letter.txt", "addresses.csv", "--server", smtp, "-q"], check=True)
        page.goto(web)
        page.click("text=Twelve riddles")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=INTO / "inbox.png")


def terminal() -> str:
    """What the commands print, as SVG."""
    text = []
    for line in LINES:
        ran = subprocess.run(line, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        text += [f"$ {line}", *ran.stdout.splitlines()]
    lines = []
    for number, line in enumerate(text):
        shown = html.escape(line if len(line) <= 118 else f"{line[:117]}…")
        color = "#7ee787" if line.startswith("$ ") else "#d0d7de"
        lines.append(f'<text x="16" y="{30 + 18 * number}" fill="{color}" xml:space="preserve">{shown}</text>')
    height = 30 + 18 * len(text)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="900" height="{height}" viewBox="0 0 900 {height}" '
        'font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="12.5">\n'
        f'<rect width="900" height="{height}" rx="8" fill="#0d1117"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def main() -> None:
    """All three, from a folder that is gone afterwards."""
    INTO.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("pictures: chromium is not installed (apt install chromium)")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(POST, folder, dirs_exist_ok=True)
        os.chdir(folder)
        os.environ |= {"CB_RIDDLES_DATA": f"{folder}/site", "CB_MAIL_SPOOL": f"{folder}/spool.db"}
        Path("riddles.csv").write_text("riddle,words,address\n")
        picture = terminal()
        (INTO / "terminal.svg").write_text(re.sub(re.escape(folder), ".", picture), encoding="utf-8")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--hide-scrollbars"])
            page = browser.new_page(viewport={"width": 900, "height": 560})
            riddles(page)
            inbox(page)
            browser.close()


if __name__ == "__main__":
    main()
