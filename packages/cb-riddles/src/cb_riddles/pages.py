"""The list, rendered once and kept, and what a page must be for that.

Only pages of the package's own templates: what those show depends on the riddles, the language and the addresses alone.
A site that replaces one, and may show there who is logged in, has it rendered at each request.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.template.loader import get_template, render_to_string
from django.utils.translation import get_language

from cb_riddles import paging
from cb_riddles.conf import current
from cb_riddles.revision import peek, recall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

    from cb_riddles.revision import Stamp


_TEMPLATES = Path(__file__).parent / "templates"
_LARGEST = 64_000  # characters: a list of a thousand riddles is not worth the memory


def listed(request: HttpRequest, asked: Mapping[str, str]) -> str | None:
    """Return the first page of the list, or of a category; None where it must be made for this visitor.

    Raises:
        Http404: There is no such category.
    """
    if asked.keys() - {"category"}:
        return None
    count = current().LATEST

    def load() -> tuple[str | None, Stamp | None]:
        if not ours("riddles/index.html"):
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


def kept(request: HttpRequest) -> str | None:
    """Return the list, if *request* asks for it and it is kept."""
    found = peek(_key(request, None))
    return found[0] if found else None


def _key(request: HttpRequest, category: str | None) -> tuple[Any, ...]:
    return "list", request.path, category, current().LATEST, *asked_from(request)


def asked_from(request: HttpRequest) -> tuple[str, str | None]:
    """All that the package's templates take from a request, but for its address, from which all others follow."""
    return str(getattr(request, "urlconf", None)), get_language()


def ours(name: str) -> bool:
    """Whether the template *name* and its base are the package's, and a developer is not just changing them."""
    if settings.DEBUG:
        return False
    origins = (getattr(get_template(one), "origin", None) for one in (name, "riddles/base.html"))
    return all(Path(getattr(origin, "name", "/")).is_relative_to(_TEMPLATES) for origin in origins)
