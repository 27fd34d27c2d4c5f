"""How often a user or an address may answer: counted in Django's cache, so that servers which share one agree."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.core.cache import cache

from cb_riddles.conf import current

if TYPE_CHECKING:
    from django.http import HttpRequest


def wait_for(request: HttpRequest) -> int:
    """Count one answer; return 0, or for how many seconds this client must wait.

    A visitor is counted by the address that the server sees, for a cookie can be thrown away.
    """
    most, period = current().rate
    if not most:
        return 0
    user = getattr(request, "user", None)
    who = f"u{user.pk}" if user is not None and user.is_authenticated else request.META.get("REMOTE_ADDR", "")
    window, into = divmod(int(time.time()), period)
    key = f"riddles:{''.join(c if c.isalnum() else '-' for c in who)}:{window}"
    cache.add(key, 0, period)
    try:
        count = cache.incr(key)
    except ValueError:  # it ran out between the two calls
        count = 1
    return period - into if count > most else 0
