"""The app: ``"cb_riddles"`` in INSTALLED_APPS. Its label is ``riddles``, so tables and URL names are the book's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


class RiddlesConfig(AppConfig):
    """Riddles with options, of which one or more are correct."""

    name: str = "cb_riddles"
    label: str = "riddles"
    verbose_name: StrPromise = _("Riddles")
    default_auto_field: str = "django.db.models.AutoField"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from cb_riddles import checks, player, triggers

        register(checks.check_settings)
        register(checks.check_database)
        post_migrate.connect(triggers.install, sender=self, dispatch_uid="riddles.install")
        user_logged_in.connect(player.merge, dispatch_uid="riddles.merge")
