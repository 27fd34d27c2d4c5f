"""The same game as JSON. What goes out is listed here field by field; nothing is copied from a model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.http import Http404, HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from cb_riddles import limit, player, playing
from cb_riddles.conf import current
from cb_riddles.openapi import document
from cb_riddles.paging import page

if TYPE_CHECKING:
    from cb_riddles.models import Riddle


def _brief(riddle: Riddle) -> dict[str, Any]:
    return {
        "id": riddle.pk,
        "riddle": riddle.riddle_text,
        "published": riddle.pub_date.isoformat(),
        "url": reverse("riddles:api-detail", args=[riddle.pk]),
    }


def _refused(status: int, why: str) -> JsonResponse:
    return JsonResponse({"error": why}, status=status)


@require_safe
def index(request: HttpRequest) -> JsonResponse:
    """List riddles, newest first: ``q``, ``category``, and ``before``, which is the last page's ``next``."""
    try:
        found = page(request.GET.dict(), current().LATEST)
    except Http404 as error:
        return _refused(404, str(error))
    return JsonResponse({"riddles": [_brief(riddle) for riddle in found.riddles], "next": found.before or None})


@require_safe
def detail(request: HttpRequest, riddle_id: int) -> JsonResponse:
    """Give a riddle, and its options in the caller's order."""
    try:
        opened = playing.find(riddle_id)
    except Http404 as error:
        return _refused(404, str(error))
    who = player.of(request)
    options = [{"key": option.key, "text": option.text} for option in opened.shown(who)]
    more = {"hint": opened.riddle.hint, "several": opened.several, "options": options}
    response = JsonResponse(_brief(opened.riddle) | more)
    player.remember(request, response, who)
    return response


@require_safe
def openapi(request: HttpRequest) -> JsonResponse:
    """Give the description of this API."""
    del request
    return JsonResponse(document(reverse("riddles:index").rstrip("/") or "/"))


@csrf_exempt  # JSON alone is taken, which no form of another site can send
@require_POST
def answer(request: HttpRequest, riddle_id: int) -> JsonResponse:
    """Grade ``{"options": [KEY, ...]}``."""
    if request.content_type != "application/json":
        return _refused(415, "the body must be application/json")
    if seconds := limit.wait_for(request):
        response = _refused(429, "too many answers")
        response["Retry-After"] = str(seconds)
        return response
    try:
        keys = json.loads(request.body)["options"]
    except (ValueError, KeyError, TypeError, RecursionError):
        keys = None
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        return _refused(400, 'the body must be like {"options": ["KEY"]}')
    who = player.of(request)
    try:
        outcome = playing.answer(playing.find(riddle_id), who, keys)
    except Http404 as error:
        return _refused(404, str(error))
    except playing.UnknownOption:
        return _refused(422, "Option does not exist")
    response = JsonResponse({"correct": outcome.correct, "explanation": outcome.explanation})
    player.remember(request, response, who)
    return response
