"""Riddles, their options, and the answers that were given.

Riddle and Option have the fields of the book's models and its table names; migration 0001 makes exactly its schema. An
Attempt is never changed: a right answer is *scored* the first time only, which a unique index makes true under races.
Tally, Score and Revision are written by the database's own triggers (:mod:`cb_riddles.triggers`), and only read here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cb_riddles.query import AttemptManager, RiddleManager

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models.fields.related_descriptors import RelatedManager
    from django_stubs_ext import StrPromise


class Category(models.Model):
    """What riddles may be filed under."""

    name: models.CharField[str, str] = models.CharField(_("name"), max_length=100, unique=True)
    slug: models.SlugField[str, str] = models.SlugField(_("slug"), max_length=100, unique=True)

    class Meta:
        """How categories are named and listed."""

        ordering: ClassVar[list[str]] = ["name"]
        verbose_name: ClassVar[StrPromise] = _("category")
        verbose_name_plural: ClassVar[StrPromise] = _("categories")

    def __str__(self) -> str:
        return self.name


class Riddle(models.Model):
    """A question with options; the public sees it from its publication date on."""

    riddle_text: models.CharField[str, str] = models.CharField(_("riddle"), max_length=255)
    pub_date: models.DateTimeField[datetime, datetime] = models.DateTimeField(_("date published"), default=timezone.now)
    hint: models.TextField[str, str] = models.TextField(_("hint"), blank=True, default="")
    explanation: models.TextField[str, str] = models.TextField(
        _("explanation"), blank=True, default="", help_text=_("Shown after the answer.")
    )
    category: models.ForeignKey[Category | None, Category | None] = models.ForeignKey(
        Category, models.SET_NULL, null=True, blank=True, verbose_name=_("category")
    )

    if TYPE_CHECKING:
        option_set: RelatedManager[Option]
    objects: ClassVar[RiddleManager] = RiddleManager()

    class Meta:
        """How riddles are named, and the index of the list."""

        verbose_name: ClassVar[StrPromise] = _("riddle")
        verbose_name_plural: ClassVar[StrPromise] = _("riddles")
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["-pub_date", "-id"], name="riddles_newest")]

    def __str__(self) -> str:
        return self.riddle_text

    def get_absolute_url(self) -> str:
        """Return where the public finds it."""
        return reverse("riddles:detail", args=[self.pk])


class Option(models.Model):
    """One possible answer of a riddle."""

    riddle: models.ForeignKey[Riddle, Riddle] = models.ForeignKey(Riddle, models.CASCADE, verbose_name=_("riddle"))
    text: models.CharField[str, str] = models.CharField(_("text"), max_length=255)
    correct: models.BooleanField[bool, bool] = models.BooleanField(_("correct"), default=False)

    class Meta:
        """How options are named."""

        verbose_name: ClassVar[StrPromise] = _("option")
        verbose_name_plural: ClassVar[StrPromise] = _("options")

    def __str__(self) -> str:
        return self.text


class Attempt(models.Model):
    """An answer that was given; written once, never changed."""

    riddle: models.ForeignKey[Riddle, Riddle] = models.ForeignKey(Riddle, models.CASCADE, verbose_name=_("riddle"))
    player: models.CharField[str, str] = models.CharField(_("player"), max_length=64)
    correct: models.BooleanField[bool, bool] = models.BooleanField(_("correct"))
    scored: models.BooleanField[bool, bool] = models.BooleanField(_("scored"), default=False)
    created: models.DateTimeField[datetime, datetime] = models.DateTimeField(_("given"), default=timezone.now)

    objects: ClassVar[AttemptManager] = AttemptManager()

    class Meta:
        """How attempts are named, and what keeps a score from counting twice."""

        verbose_name: ClassVar[StrPromise] = _("attempt")
        verbose_name_plural: ClassVar[StrPromise] = _("attempts")
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["player", "created"], name="riddles_player")]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["player", "riddle"], condition=models.Q(scored=True), name="riddles_scored_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.player}: {'right' if self.correct else 'wrong'}"


class Tally(models.Model):
    """How often a riddle was answered; a riddle that never was has none."""

    riddle: models.OneToOneField[Riddle, Riddle] = models.OneToOneField(Riddle, models.CASCADE, primary_key=True)
    answers: models.IntegerField[int, int] = models.IntegerField()
    correct: models.IntegerField[int, int] = models.IntegerField()


class Score(models.Model):
    """How many riddles a user has solved; visitors, who have no name, have none."""

    player: models.CharField[str, str] = models.CharField(max_length=64, primary_key=True)
    solved: models.IntegerField[int, int] = models.IntegerField()

    class Meta:
        """The index of the leaders' page."""

        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["-solved", "player"], name="riddles_leaders")]


class Revision(models.Model):
    """One row: a number that is another one after every change of riddles, options or categories."""

    token: models.BigIntegerField[int, int] = models.BigIntegerField()
