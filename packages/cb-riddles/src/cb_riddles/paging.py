"""Pages by place, not by number: page 10,000 costs what the first one does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.http import Http404

from cb_riddles.models import Category, Riddle

if TYPE_CHECKING:
    from collections.abc import Mapping

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def place(riddle: Riddle) -> str:
    """Return where *riddle* stands in the list, as an address may hold it."""
    return f"{(riddle.pub_date - _EPOCH) // timedelta(microseconds=1)}-{riddle.pk}"


def page(asked: Mapping[str, str], count: int) -> tuple[list[Riddle], str]:
    """Return the *count* riddles that the query *asked* (q, category, before) wants, and the place to go on, if any.

    Raises:
        Http404: The place or the category is none.
    """
    riddles = Riddle.objects.search(asked.get("q", "")[:200].replace("\0", ""))
    if slug := asked.get("category", ""):
        if not (category := Category.objects.filter(slug=slug.replace("\0", "")).first()):
            raise Http404("No such category.")
        riddles = riddles.filter(category=category)
    if before := asked.get("before", ""):
        when, _, id_ = before.partition("-")
        try:
            than = (_EPOCH + timedelta(microseconds=int(when)), int(id_))
            riddles = Riddle.objects.older(than, riddles)
            found = list(riddles[: count + 1])
        except (ValueError, OverflowError):
            raise Http404("No such place in the list.") from None
    else:
        found = list(riddles[: count + 1])
    return found[:count], place(found[count - 1]) if len(found) > count else ""
