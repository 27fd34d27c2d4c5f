"""Who plays: a user who is logged in, or a visitor with a signed cookie that holds a random name and nothing else."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

COOKIE = "riddles_player"
_YEAR = 365 * 24 * 3600


def of(request: HttpRequest) -> str:
    """Return the player's name, ``u`` and a user's key or ``v`` and a visitor's; makes one up for a new visitor."""
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return f"u{user.pk}"
    return visitor(request) or f"v{secrets.token_urlsafe(12)}"


def visitor(request: HttpRequest) -> str:
    """Return the visitor's name in the cookie, or nothing where there is none or it was meddled with."""
    if COOKIE not in request.COOKIES:
        return ""
    return str(request.get_signed_cookie(COOKIE, default="", salt=COOKIE))


def remember(request: HttpRequest, response: HttpResponse, player: str) -> None:
    """Give a visitor the cookie, if it is not there yet."""
    if player.startswith("v") and not request.COOKIES.get(COOKIE, "").startswith(f"{player}:"):
        response.set_signed_cookie(
            COOKIE, player, salt=COOKIE, max_age=_YEAR, httponly=True, samesite="Lax", secure=request.is_secure()
        )


def merge(request: HttpRequest | None, user: Any, **_: Any) -> None:
    """Give the user who logs in what they did before as a visitor; what both solved scores once."""
    from cb_riddles.models import Attempt

    if request is None or not (before := visitor(request)):
        return
    for attempt in Attempt.objects.filter(player=before):
        attempt.player = f"u{user.pk}"
        try:
            with transaction.atomic():
                attempt.save(update_fields=["player"])
        except IntegrityError:
            attempt.scored = False
            attempt.save(update_fields=["player", "scored"])
