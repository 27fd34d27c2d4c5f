"""System checks: what is wrong with the settings is said when Django starts, not when a visitor comes."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from cb_riddles.conf import wrong


def check_settings(app_configs: Any = None, **options: Any) -> list[CheckMessage]:
    """Check the dict ``RIDDLES``: every key is known, every value of the right kind."""
    del app_configs, options
    return [Error(line, id="riddles.E001") for line in wrong(getattr(settings, "RIDDLES", {}))]
