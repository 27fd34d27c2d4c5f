"""Pages by place, not by number: page 10,000 costs what the first one does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.http import Http404

from cb_riddles.models import Category, Riddle
from cb_riddles.revision import stamp_of, stamped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cb_riddles.revision import Stamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page:
    """Some riddles, each with its category."""

    riddles: list[Riddle]
    before: str
    """The place to go on, or nothing where these are the last."""
    category: Category | None
    """The one that was asked for."""
    stamp: Stamp | None


def query(asked: Mapping[str, str]) -> str:
    """Return *asked* as the end of an address."""
    return f"?{urlencode(asked)}"


def place(riddle: Riddle) -> str:
    """Return where *riddle* stands in the list, as an address may hold it."""
    return f"{(riddle.pub_date - _EPOCH) // timedelta(microseconds=1)}-{riddle.pk}"


def page(asked: Mapping[str, str], count: int) -> Page:
    """Return the *count* riddles that the query *asked* (q, category, before) wants: one query of the database.

    Raises:
        Http404: The place or the category is none.
    """
    riddles = stamped(Riddle.objects.search(asked.get("q", "")[:200].replace("\0", ""))).select_related("category")
    if slug := asked.get("category", "").replace("\0", ""):
        riddles = riddles.filter(category__slug=slug)
    if before := asked.get("before", ""):
        when, _, id_ = before.partition("-")
        try:
            riddles = Riddle.objects.older((_EPOCH + timedelta(microseconds=int(when)), int(id_)), riddles)
            found = list(riddles[: count + 1])
        except (ValueError, OverflowError):
            raise Http404("No such place in the list.") from None
    else:
        found = list(riddles[: count + 1])
    category = found[0].category if slug and found else None
    if slug and not found and not (category := Category.objects.filter(slug=slug).first()):
        raise Http404("No such category.")
    more = place(found[count - 1]) if len(found) > count else ""
    return Page(found[:count], more, category, stamp_of(found[0]) if found else None)
