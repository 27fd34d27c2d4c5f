"""HTML as text, for who reads no HTML. Lines, lists, links and headings are kept, nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

__all__ = ["text_of"]

_APART: Final = frozenset({"blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul"})
_BLOCKS: Final = _APART | {
    *("address", "article", "aside", "div", "dl", "fieldset", "footer", "form", "header"),
    *("hr", "li", "main", "nav", "section", "tr"),
}
_UNSEEN: Final = frozenset({"head", "noscript", "script", "style", "template", "title"})


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.line = ""
        self.unseen = 0
        self.kept = 0
        self.links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in _UNSEEN:
            self.unseen += 1
        elif tag == "br":
            self.end()
        elif tag == "img" and given.get("alt") and not self.unseen:
            self.line += f"[{given['alt']}]"
        elif tag == "a":
            self.links.append((given.get("href") or "", len(self.line)))
        elif tag in {"td", "th"} and self.line:
            self.line += "  "
        if tag in _BLOCKS:
            self.end(apart=tag in _APART)
        if tag == "li":
            self.line = "- "
        elif tag == "hr":
            self.line = "-" * 20
            self.end()
        elif tag == "pre":
            self.kept += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self.unseen = max(0, self.unseen - 1)
        elif tag == "a" and self.links:
            href, start = self.links.pop()
            if href.startswith(("http:", "https:", "mailto:")) and self.line[start:].strip() not in {href, href[7:]}:
                self.line += f" <{href}>"
        elif tag == "pre":
            self.kept = max(0, self.kept - 1)
        if tag in _BLOCKS:
            self.end(apart=tag in _APART)

    def handle_data(self, data: str) -> None:
        if self.unseen:
            return
        if self.kept:
            first, *rest = data.split("\n")
            self.line += first
            for line in rest:
                self.end()
                self.line = line
            return
        words = re.sub(r"[ \t\r\n\f]+", " ", data)
        self.line += words.lstrip() if self.line in {"", "- "} or self.line.endswith(" ") else words

    def end(self, *, apart: bool = False) -> None:
        """End the line, with a blank one behind it where the block stands *apart*."""
        if self.line.strip():
            self.lines.append(self.line.rstrip())
        self.line = ""
        if apart and self.lines and self.lines[-1]:
            self.lines.append("")


def text_of(html: str) -> str:
    """Return the text that *html* shows, links behind their words.

    >>> text_of('<h1>Hello</h1><p>Read <a href="https://example.com/a">this</a>.<ul><li>one<li>two</ul>')
    'Hello\\n\\nRead this <https://example.com/a>.\\n\\n- one\\n- two\\n'
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.end()
    return "\n".join(reader.lines).strip("\n") + "\n" if reader.lines else ""
