"""System checks: what is wrong with the settings is said when Django starts, not when a visitor comes."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks
from django.db import connections, router

from cb_riddles.conf import wrong
from cb_riddles.triggers import VENDORS


def check_settings(app_configs: Any = None, **options: Any) -> list[checks.CheckMessage]:
    """Check the dict ``RIDDLES``: every key is known, every value of the right kind."""
    del app_configs, options
    return [checks.Error(line, id="riddles.E001") for line in wrong(getattr(settings, "RIDDLES", {}))]


def check_database(app_configs: Any = None, **options: Any) -> list[checks.CheckMessage]:
    """Check that the database is one that counts and tells of changes by itself."""
    del app_configs, options
    from cb_riddles.models import Riddle

    if (vendor := connections[router.db_for_write(Riddle)].vendor) in VENDORS:
        return []
    what = f"{vendor} gets no triggers: no leaders, no success rates, and no page is kept in memory"
    return [checks.Warning(what, hint=f"Use one of {', '.join(VENDORS)}.", id="riddles.W001")]
