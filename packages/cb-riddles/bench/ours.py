"""The site as it is served, but for the limit of answers, which one visitor of a bench would meet at once."""

from __future__ import annotations

import os

if os.environ.get("DJANGO_SETTINGS_MODULE") == "ours":
    from cb_riddles.site.settings import *  # noqa: F403

    RIDDLES = {"RATE_LIMIT": ""}
else:
    os.environ["DJANGO_SETTINGS_MODULE"] = "ours"
    from cb_riddles.site.wsgi import application  # noqa: F401
