"""A page that is kept, for a visitor who has no session: answered before what serves sessions is asked.

Put it after LocaleMiddleware and CommonMiddleware (the language, and the host that was asked for) and before
SessionMiddleware. Not where a user is known by something else than the session, or the riddles are for users alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed

from cb_riddles import flash, frames, pages, views

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse


def kept_pages(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer with the list or a riddle's page where it is kept and nobody is logged in; all other requests go on."""
    if settings.CSRF_USE_SESSIONS:
        raise MiddlewareNotUsed("a riddle's page wants a session for its token")

    def middleware(request: HttpRequest) -> HttpResponse:
        plain = request.method in {"GET", "HEAD"} and not request.META.get("QUERY_STRING")
        nobody = request.COOKIES.keys().isdisjoint({settings.SESSION_COOKIE_NAME, flash.COOKIE})
        if plain and nobody and (page := pages.kept(request) or frames.kept(request)):
            return views.as_kept(request, page)
        return get_response(request)

    return middleware
