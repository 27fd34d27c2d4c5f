"""The site's settings as they are, but for the limit of answers, which a bench of one visitor would meet at once."""

from __future__ import annotations

from cb_riddles.site.settings import *  # noqa: F403

RIDDLES = {"RATE_LIMIT": ""}
