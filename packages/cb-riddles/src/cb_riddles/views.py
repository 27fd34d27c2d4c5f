"""The pages. An answer is a POST that redirects, so that a reload asks for the page again and sends nothing."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from cb_riddles import flash, frames, limit, pages, player, playing, revision
from cb_riddles.conf import current
from cb_riddles.models import Attempt, Riddle
from cb_riddles.play import share, streak

if TYPE_CHECKING:
    from collections.abc import Sequence


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """List the newest riddles, or those that a search, a category or a place in the list asks for."""
    asked = {key: request.GET[key] for key in ("q", "category", "before") if request.GET.get(key)}
    said = flash.heard(request)
    if not said and (kept := pages.listed(request, asked)):
        return as_kept(request, kept)
    context, _stamp = pages.listing(asked, current().LATEST)
    if said.get("correct"):
        context["message"] = _("Nice! Choose another one!")
        context["explanation"] = said.get("explanation", "")
    response = render(request, "riddles/index.html", context)
    flash.forget(request, response)
    return response


@require_safe
@csrf_protect
def detail(request: HttpRequest, riddle_id: int) -> HttpResponse:
    """Show a riddle and its options; one that is not published yet to those who may see it in the admin."""
    said = flash.heard(request)
    mine = said if said.get("riddle") == riddle_id else {}
    try:
        if not mine and (kept := frames.riddle(request, riddle_id)):
            return as_kept(request, kept)
        opened = playing.find(riddle_id)
    except Http404:
        user: Any = getattr(request, "user", None)
        if user is None or not user.has_perm("riddles.view_riddle"):
            raise
        opened = playing.preview(riddle_id)
    response = _riddle(
        request,
        opened,
        player.of(request),
        error=_("Wrong Answer!") if mine else "",
        explanation=mine.get("explanation", ""),
        chosen=mine.get("chosen", ()),
    )
    flash.forget(request, response)
    return response


@csrf_protect
def as_kept(request: HttpRequest, page: str | frames.Filled) -> HttpResponse:
    """Answer with a page that is kept, and in a riddle's what is the visitor's own."""
    if isinstance(page, frames.Filled):
        who = player.of(request)
        response = HttpResponse(page.whole(_token(request), who))
        player.remember(request, response, who)
    else:
        response = HttpResponse(page)
    flash.forget(request, response)
    return response


def _token(request: HttpRequest) -> str:
    """Return the token against forgery.

    Who is new gets a secret of ours, by one call of the system: Django's own asks for each of its 32 characters.
    """
    if "CSRF_COOKIE" not in request.META:
        request.META.update(CSRF_COOKIE=secrets.token_hex(16))
    return get_token(request)


@require_POST
@csrf_protect
def answer(request: HttpRequest, riddle_id: int) -> HttpResponse:
    """Grade the chosen options, and redirect: to the list when right, else to the riddle."""
    if seconds := limit.wait_for(request):
        text = _("Too many answers. Please wait a little.")
        response = render(request, "riddles/message.html", {"message": text}, status=429)
        response["Retry-After"] = str(seconds)
        return response
    opened = playing.find(riddle_id)
    who, keys = player.of(request), request.POST.getlist("option")
    try:
        outcome = playing.answer(opened, who, keys)
    except playing.UnknownOption:
        return _riddle(request, opened, who, error=_("Option does not exist"), status=422)
    to = reverse("riddles:index") if outcome.correct else reverse("riddles:detail", args=[riddle_id])
    response = HttpResponseRedirect(to, status=303)
    words: dict[str, Any] = {"correct": True} if outcome.correct else {"riddle": riddle_id, "chosen": keys}
    # A cookie holds 4 kB: a longer explanation is cut.
    flash.say(request, response, **words, explanation=outcome.explanation[:600])
    player.remember(request, response, who)
    return response


def _riddle(
    request: HttpRequest,
    opened: playing.Open,
    who: str,
    *,
    error: str = "",
    explanation: str = "",
    chosen: Sequence[str] = (),
    status: int = 200,
) -> HttpResponse:
    context = {
        "riddle": opened.riddle,
        "options": opened.shown(who),
        "several": opened.several,
        "error_message": error,
        "explanation": explanation,
        "chosen": chosen,
    }
    response = render(request, "riddles/detail.html", context, status=status)
    player.remember(request, response, who)
    return response


@require_safe
def today(request: HttpRequest) -> HttpResponse:
    """Go to the riddle of the day."""
    del request
    day = timezone.localdate()

    def load() -> tuple[Riddle | None, revision.Stamp | None]:
        stamp = revision.stamp()
        return Riddle.objects.of_the_day(day), stamp

    if not (riddle := revision.recall(("today", day), load)):
        raise Http404("No riddles are available right now.")
    return redirect(riddle)


@require_safe
@never_cache
def me(request: HttpRequest) -> HttpResponse:
    """Show the player how many riddles are solved, and for how many days in a row."""
    who, today_ = player.of(request), timezone.localdate()
    days = streak(Attempt.objects.days(who), today_)
    context: dict[str, Any] = {
        "solved": Attempt.objects.solved(who).count(),
        "available": Riddle.objects.published().count(),
        "streak": days,
    }
    if (riddle := Riddle.objects.of_the_day(today_)) and (results := Attempt.objects.results(who, riddle)):
        context["share"] = share(results, today_, days, request.build_absolute_uri(reverse("riddles:today")))
    return render(request, "riddles/me.html", context)


@require_safe
def leaders(request: HttpRequest) -> HttpResponse:
    """Show the users who solved most."""
    best = {who[1:]: solved for who, solved in Attempt.objects.leaders()}
    users = {str(user.pk): user for user in get_user_model().objects.filter(pk__in=best)}
    rows = [(str(users[key]), solved) for key, solved in best.items() if key in users]
    return render(request, "riddles/leaders.html", {"rows": rows})
