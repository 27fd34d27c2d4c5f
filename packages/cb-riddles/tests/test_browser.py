"""The site in a real browser: an author writes a riddle, a visitor answers it, and axe finds nothing to blame."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import axe_playwright_python
import pytest
from playwright.sync_api import sync_playwright
from riddles_support import command, serving, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHROMIUM = shutil.which("chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.xdist_group("browser"),
    pytest.mark.once,
]


@pytest.fixture
def browser() -> Iterator[Any]:
    """Debian's Chromium, without a screen."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=[*FLAGS, "--disable-component-update", "--disable-sync"]
        )
        yield found
        found.close()


def patient(browser: Any, **options: Any) -> Any:
    """A page that waits for a busy machine; what its console says is collected."""
    context = browser.new_context(**options)
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    return page


def follow(page: Any, act: Callable[[], None], says: str = "") -> None:
    """Do what leads to another page, and see what that says when it is there as a whole.

    What is clicked in a page that is still being loaded may move away under the pointer.
    """
    with page.expect_navigation():
        act()
    assert says in page.locator("body").inner_text(), page.url


def test_an_author_writes_and_a_visitor_answers(browser: Any, site: Path, tmp_path: Path) -> None:
    """Login, a riddle that is refused and mended, the empty list, wrong, right; no script is needed by the visitor."""
    password = write(tmp_path, "password", "correct horse battery\n")
    assert command("createadmin", "ada", "--password-file", password).returncode == 0
    with serving() as (address, _):
        visitor = patient(browser, java_script_enabled=False, viewport={"width": 360, "height": 700})
        visitor.goto(f"{address}/riddles/")
        assert visitor.get_by_text("No riddles are available right now.").is_visible()

        author = patient(browser)
        author.goto(f"{address}/admin/riddles/riddle/add/")
        author.fill("#id_username", "ada")
        author.fill("#id_password", "correct horse battery")
        follow(author, lambda: author.click("input[type=submit]"), "Add riddle")
        author.fill("#id_riddle_text", "What has keys?")
        author.fill("#id_option_set-0-text", "A piano")
        author.fill("#id_option_set-1-text", "A map")
        follow(author, lambda: author.click("input[name=_save]"), "No option is correct.")
        author.check("#id_option_set-0-correct")
        follow(author, lambda: author.click("input[name=_save]"), "was added successfully")
        assert author.said == []

        visitor.reload()
        follow(visitor, visitor.get_by_role("link", name="What has keys?").click, "A map")
        visitor.get_by_label("A map").focus()
        visitor.keyboard.press("Space")
        follow(visitor, lambda: visitor.keyboard.press("Enter"), "Wrong Answer!")
        assert visitor.get_by_role("alert").inner_text() == "Wrong Answer!"
        assert visitor.get_by_label("A map").is_checked()
        visitor.get_by_text("A piano").click()  # the whole row is the label
        follow(visitor, visitor.get_by_role("button", name="Answer").click, "Choose another one!")
        assert visitor.get_by_role("status").inner_text() == "Nice! Choose another one!"
        assert visitor.evaluate("document.documentElement.scrollWidth") <= 360
        assert visitor.said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, site: Path, scheme: Any) -> None:
    """No violation on any public page, light and dark, on a phone and on a desk; what is touched is 44 px high."""
    assert command("sample").returncode == 0
    pages = ("", "?q=nothing", "?q=what", "?category=things", "1/", "4/", "me/", "leaders/")
    with serving() as (address, _):
        for width in (360, 1000):
            page = patient(browser, bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 800})
            for path in pages:
                page.goto(f"{address}/riddles/{path}")
                assert axe(page) == [], (path, scheme, width)
                heights = "[...document.querySelectorAll('a, button, fieldset label')].map(e => e.offsetHeight)"
                assert all(height >= 44 for height in page.evaluate(heights)), path
            said = play(page, f"{address}/riddles/1/")
            assert [word for word, _ in said] == ["alert"] * (len(said) - 1) + ["status"]
            assert [found for _, found in said] == [[]] * len(said), (scheme, width)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.said == []
            page.context.close()


def test_axe_finds_nothing_where_something_is_shared(browser: Any, site: Path) -> None:
    """The riddle of the day is solved: progress shows what may be sent, in Spanish, on a phone, light and dark."""
    assert command("sample").returncode == 0
    with serving() as (address, _):
        page = patient(browser, bypass_csp=True, viewport={"width": 360, "height": 800}, locale="es")
        page.goto(f"{address}/riddles/today/")
        play(page, page.url)
        page.goto(f"{address}/riddles/me/")
        assert "✓" in page.locator("pre").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert axe(page) == [], scheme


def play(page: Any, address: str) -> list[tuple[str, list[str]]]:
    """Answer a riddle with one option after the other until one is right; what was said, and what axe says of it."""
    said = []
    for number in range(4):
        page.goto(address)
        page.locator("fieldset label").nth(number).click()
        follow(page, page.locator("main form button").click)
        said.append((page.locator(".said").get_attribute("role"), axe(page)))
        if said[-1][0] == "status":
            return said
    raise AssertionError(said)


def axe(page: Any) -> list[str]:
    """The rules that the page as it stands violates."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found["violations"]]
