"""What a page says once after a redirect: a signed cookie of one minute, so that a reader costs no session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core import signing
from django.utils.cache import add_never_cache_headers, patch_vary_headers

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

COOKIE = "riddles_said"


def say(request: HttpRequest, response: HttpResponse, **words: Any) -> None:
    """Have the next page know *words*, which must be JSON; the visitor can read them and not change them."""
    value = signing.dumps(words, salt=COOKIE)
    response.set_cookie(COOKIE, value, max_age=60, httponly=True, samesite="Lax", secure=request.is_secure())


def heard(request: HttpRequest) -> dict[str, Any]:
    """Return the words said before, or nothing where there are none or they were meddled with."""
    if COOKIE not in request.COOKIES:
        return {}
    try:
        words: dict[str, Any] = signing.loads(request.COOKIES[COOKIE], salt=COOKIE, max_age=60)
    except signing.BadSignature:
        return {}
    return words


def forget(request: HttpRequest, response: HttpResponse) -> None:
    """Take the cookie away, for its words were shown; a page that may hold them is nobody else's."""
    patch_vary_headers(response, ["Cookie"])
    if COOKIE in request.COOKIES:
        response.delete_cookie(COOKIE, samesite="Lax")
        add_never_cache_headers(response)
