"""A riddle's page without its template: any riddle is one query and some text.

A frame is the page with gaps for all that is the riddle's or the visitor's own, rendered once for each language and
shape: one right option or several, with a hint or without, and so on. It is kept for a minute, and no riddle is.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import quote

from django.http import Http404
from django.template.loader import render_to_string

from cb_riddles import playing, revision
from cb_riddles.models import Category, Riddle
from cb_riddles.pages import asked_from, ours

if TYPE_CHECKING:
    from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Frame:
    """A riddle's page without a riddle, and one of its rows, as texts for ``%``."""

    page: str
    row: str


@dataclass(frozen=True, slots=True)
class Filled:
    """A riddle in its frame."""

    frame: Frame
    opened: playing.Open

    def whole(self, token: str, player: str) -> str:
        """Return the page as *player* sees it."""
        riddle, category = self.opened.riddle, self.opened.riddle.category
        rows = [self.frame.row % {"key": one.key, "option": escape(one.text)} for one in self.opened.shown(player)]
        return self.frame.page % {
            "text": escape(riddle.riddle_text),
            "hint": escape(riddle.hint),
            "category": escape(str(category)),
            "slug": escape(quote(category.slug)) if category else "",
            "number": riddle.pk,
            "token": token,
            "rows": "\n".join(rows),
        }


_GAPS = {name: secrets.token_hex() for name in ("text", "hint", "category", "slug", "token", "key", "option")}
_NUMBER = 10**17 + secrets.randbelow(10**17)  # the riddle's, of which the form's address is made
_ROW = re.compile(r"<label>.*?</label>", re.DOTALL)  # a gap holds none
_ADDRESS = re.compile(r"(.*/)([1-9][0-9]{0,17})/")  # /01/ is riddle 1, too, but not its address

_Frames = dict[tuple[bool, ...], Frame]  # by the riddle's shape
_frames: dict[tuple[str | None, ...], tuple[float, _Frames]] = {}
_MOST = 100  # places with frames: when there are more, all go


def riddle(request: HttpRequest, riddle_id: int) -> Filled | None:
    """Return a riddle's page; None where it must be made for this visitor.

    Raises:
        Http404: There is no such riddle.
    """
    place, number = _asked(request)
    if number != riddle_id:
        return None
    if (frames := _fresh(place)) is None:
        if not ours("riddles/detail.html"):
            return None
        if len(_frames) >= _MOST:
            _frames.clear()
        frames = {}
        _frames[place] = monotonic(), frames
    opened = playing.find(riddle_id)
    if not opened.choices:
        return None
    shape = _shape(opened)
    if shape not in frames:
        frames[shape] = _frame(request, opened)
    return Filled(frames[shape], opened)


def kept(request: HttpRequest) -> Filled | None:
    """Return the riddle's page that *request* asks for, if there is a frame for it."""
    place, number = _asked(request)
    if number and (frames := _fresh(place)):
        with suppress(Http404):
            opened = playing.find(number)
            if frame := frames.get(_shape(opened)):
                return Filled(frame, opened)
    return None


def _asked(request: HttpRequest) -> tuple[tuple[str | None, ...], int]:
    """Return where the frames for the address are, and the riddle's number; 0 where it is no riddle's address."""
    address = _ADDRESS.fullmatch(request.path)
    return ((address[1], *asked_from(request)), int(address[2])) if address else ((), 0)


def _fresh(place: tuple[str | None, ...]) -> _Frames | None:
    since, frames = _frames.get(place, (0.0, None))
    return frames if monotonic() - since < revision.AGE else None


def _shape(opened: playing.Open) -> tuple[bool, ...]:
    """What decides which parts a riddle's page has."""
    riddle = opened.riddle
    return bool(opened.choices), opened.several, bool(riddle.hint), riddle.category is not None


def _frame(request: HttpRequest, opened: playing.Open) -> Frame:
    """Render the page of a riddle like *opened* that consists of gaps."""
    gaps = Riddle(pk=_NUMBER, riddle_text=_GAPS["text"], hint=opened.riddle.hint and _GAPS["hint"])
    if opened.riddle.category:
        gaps.category = Category(name=_GAPS["category"], slug=_GAPS["slug"])
    context = {
        "riddle": gaps,
        "options": [playing.Shown(_GAPS["key"], _GAPS["option"])],
        "several": opened.several,
        "csrf_token": _GAPS["token"],
    }
    page = render_to_string("riddles/detail.html", context, request).replace("%", "%%")
    for name, gap in {**_GAPS, "number": str(_NUMBER)}.items():
        page = page.replace(gap, f"%({name})s")
    (row,) = _ROW.findall(page)
    return Frame(page.replace(row, "%(rows)s"), row)
