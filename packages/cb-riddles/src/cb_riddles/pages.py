"""Pages that are rendered once and kept, cut where something of the visitor's own is put in.

Only pages of the package's own templates are: what those show depends on the riddles, the language and the addresses
alone. A site that replaces one, and may show there who is logged in, has it rendered at each request.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.template.loader import get_template, render_to_string
from django.utils.translation import get_language

from cb_riddles import paging, playing
from cb_riddles.conf import current
from cb_riddles.revision import peek, recall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

    from cb_riddles.revision import Stamp

_TEMPLATES = Path(__file__).parent / "templates"
_LARGEST = 64_000  # characters: a list of a thousand riddles is not worth the memory
_MARK = secrets.token_hex()  # no riddle can hold it
_ROW = re.compile(r"(<label>.*?</label>)", re.DOTALL)  # an option's text is escaped: it holds none


@dataclass(frozen=True, slots=True)
class Cut:
    """A riddle's page, and its options' rows by id; the token goes after the head, the rows before the tail."""

    head: str
    middle: str
    rows: Mapping[int, str]
    tail: str

    def whole(self, token: str, player: str) -> str:
        """Return the page as *player* sees it."""
        rows = "\n".join(self.rows[id_] for id_ in playing.order(player, self.rows))
        return f"{self.head}{token}{self.middle}{rows}{self.tail}"


def listed(request: HttpRequest, asked: Mapping[str, str]) -> str | None:
    """Return the first page of the list, or of a category; None where it must be made for this visitor.

    Raises:
        Http404: There is no such category.
    """
    if asked.keys() - {"category"}:
        return None
    count = current().LATEST

    def load() -> tuple[str | None, Stamp | None]:
        if not _ours("riddles/index.html"):
            return None, None
        context, stamp = listing(asked, count)
        page = render_to_string("riddles/index.html", context, request)
        return page, stamp if len(page) <= _LARGEST else None

    return recall(_key(request, asked.get("category")), load)


def listing(asked: Mapping[str, str], count: int) -> tuple[dict[str, Any], Stamp | None]:
    """Return what the template of the list needs, and its stamp."""
    found = paging.page(asked, count)
    context: dict[str, Any] = {"latest_riddles": found.riddles, "asked": asked, "category": found.category}
    if found.before:
        context["older"] = paging.query({**asked, "before": found.before})
    return context, found.stamp


def riddle(request: HttpRequest, riddle_id: int) -> Cut | None:
    """Return a riddle's page; None where it must be made for this visitor.

    Raises:
        Http404: There is no such riddle.
    """

    def load() -> tuple[Cut | None, Stamp | None]:
        if not _ours("riddles/detail.html"):
            return None, None
        opened, stamp = playing.load(riddle_id)
        if not opened.choices:
            return None, None
        context = {
            "riddle": opened.riddle,
            "options": opened.all_shown(),
            "several": opened.several,
            "csrf_token": _MARK,
        }
        page = render_to_string("riddles/detail.html", context, request)
        head, _, rest = page.partition(_MARK)
        middle, *rows, tail = _ROW.split(rest)
        ids = [choice.id for choice in opened.choices]
        return Cut(head, middle, dict(zip(ids, rows[::2], strict=True)), tail), stamp if len(page) <= _LARGEST else None

    if not request.path.endswith(f"/{riddle_id}/"):  # /01/ is riddle 1, too: memory shall not fill by that
        return None
    return recall(_key(request), load)


def kept(request: HttpRequest) -> str | Cut | None:
    """Return the page that *request* asks for, if it is kept: as a list or a riddle's page."""
    found = peek(_key(request))
    return found[0] if found else None


def _key(request: HttpRequest, category: str | None = None) -> tuple[Any, ...]:
    """All that the package's templates take from a request: the language, and by the address those of all links."""
    return "page", request.path, category, get_language(), str(getattr(request, "urlconf", None)), current().LATEST


def _ours(name: str) -> bool:
    """Whether the template *name* and its base are the package's, and a developer is not just changing them."""
    if settings.DEBUG:
        return False
    origins = (getattr(get_template(one), "origin", None) for one in (name, "riddles/base.html"))
    return all(Path(getattr(origin, "name", "/")).is_relative_to(_TEMPLATES) for origin in origins)
