"""Authors' pages: a riddle is written with its options, and saved only if it can be won."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cb_riddles.models import Attempt, Category, Option, Riddle
from cb_riddles.play import faults

if TYPE_CHECKING:  # generic for type checkers alone
    from collections.abc import Sequence

    _FormSet = BaseInlineFormSet[Option, Riddle, ModelForm[Option]]
    _Inline = admin.TabularInline[Option, Riddle]
    _RiddleAdmin = admin.ModelAdmin[Riddle]
    _CategoryAdmin = admin.ModelAdmin[Category]
    _AttemptAdmin = admin.ModelAdmin[Attempt]
else:
    _FormSet, _Inline = BaseInlineFormSet, admin.TabularInline
    _RiddleAdmin = _CategoryAdmin = _AttemptAdmin = admin.ModelAdmin


class OptionFormSet(_FormSet):
    """The options of a riddle, which must make it one that can be won."""

    def clean(self) -> None:
        super().clean()
        kept = [form.cleaned_data for form in self.forms if form.is_valid() and form.cleaned_data]
        options = [(row.get("text", ""), row.get("correct", False)) for row in kept if not row.get("DELETE")]
        if not any(self.errors) and (found := faults("-", options, gettext)):
            raise ValidationError([line[0].upper() + line[1:] + "." for line in found])


class OptionInline(_Inline):
    """The options, on the riddle's own page."""

    model: type[Option] = Option
    formset: type[OptionFormSet] = OptionFormSet

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:  # noqa: ARG002
        return 0 if obj else 4  # empty rows: a new riddle has some, and none has to be filled


@admin.register(Riddle)
class RiddleAdmin(_RiddleAdmin):
    """Riddles with their options."""

    inlines: ClassVar[tuple[type[OptionInline], ...]] = (OptionInline,)
    list_display: tuple[str, ...] = ("riddle_text", "pub_date", "category", "success")
    list_filter: ClassVar[tuple[str, ...]] = ("pub_date", "category")
    list_select_related: ClassVar[tuple[str, ...]] = ("category",)
    search_fields: ClassVar[tuple[str, ...]] = ("riddle_text", "option__text")
    date_hierarchy: ClassVar[str] = "pub_date"
    ordering: ClassVar[tuple[str, ...]] = ("-pub_date", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Riddle]:
        return super().get_queryset(request).select_related("tally")

    @admin.display(description=_("success rate"))
    def success(self, riddle: Any) -> str:
        """Return how many of the answers were right."""
        tally = getattr(riddle, "tally", None)
        return f"{100 * tally.correct / tally.answers:.0f} % of {tally.answers}" if tally and tally.answers else "-"


@admin.register(Category)
class CategoryAdmin(_CategoryAdmin):
    """What riddles may be filed under."""

    list_display: tuple[str, ...] = ("name", "slug")
    prepopulated_fields: ClassVar[dict[str, Sequence[str]]] = {"slug": ("name",)}


@admin.register(Attempt)
class AttemptAdmin(_AttemptAdmin):
    """Answers that were given: to be read, not written."""

    list_display: tuple[str, ...] = ("riddle", "player", "correct", "scored", "created")
    list_select_related: ClassVar[tuple[str, ...]] = ("riddle",)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - the base's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False
