"""A riddle as it is played: what a visitor may see of it, and the answer. Pages, API and command all come here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import Http404

from cb_riddles.conf import current
from cb_riddles.models import Attempt, Riddle
from cb_riddles.play import Choice, grade, option_key, option_order
from cb_riddles.signals import riddle_answered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class UnknownOption(Exception):
    """Nothing was chosen, or something that is no option of the riddle."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An option as the public may know it: there is no correct flag in it."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Open:
    """A riddle that is published, and its options."""

    riddle: Riddle
    choices: tuple[Choice, ...]

    @property
    def several(self) -> bool:
        """Whether more than one option is correct: the visitor is told how many kinds of box there are, not which."""
        return sum(choice.correct for choice in self.choices) > 1

    def shown(self, player: str) -> list[Shown]:
        """Return the options in the order in which *player* sees them."""
        shown = dict(zip((choice.id for choice in self.choices), self.all_shown(), strict=True))
        return [shown[id_] for id_ in order(player, shown)]

    def all_shown(self) -> list[Shown]:
        """Return the options in the author's order, which nobody may see."""
        return [Shown(option_key(settings.SECRET_KEY, choice.id), choice.text) for choice in self.choices]


def order(player: str, ids: Iterable[int]) -> list[int]:
    """Return options' *ids* in the order in which *player* sees them."""
    return option_order(settings.SECRET_KEY, player, ids) if current().SHUFFLE else list(ids)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an answer."""

    riddle_id: int
    correct: bool
    scored: bool
    explanation: str


def find(riddle_id: int) -> Open:
    """Return a riddle that is published: one query, and nothing kept, so that any riddle costs the same.

    Raises:
        Http404: There is none.
    """
    try:
        found = Riddle.objects.opened(riddle_id)
    except OverflowError:
        found = None
    if found is None:
        raise Http404("No such riddle.")
    return _opened(*found)


def preview(riddle_id: int) -> Open:
    """Return a riddle that may not be published yet.

    Raises:
        Http404: There is none.
    """
    try:
        riddle = Riddle.objects.get(pk=riddle_id)
    except (Riddle.DoesNotExist, OverflowError):
        raise Http404("No such riddle.") from None
    return _opened(riddle, riddle.option_set.order_by("id").values_list("id", "text", "correct"))


def _opened(riddle: Riddle, options: Iterable[tuple[int, str, bool]]) -> Open:
    return Open(riddle, tuple(Choice(*option) for option in options))


def answer(opened: Open, player: str, keys: Sequence[str]) -> Outcome:
    """Grade the options that *player* chose, by their keys, and keep the attempt.

    Raises:
        UnknownOption: Nothing is chosen, or a key is none of this riddle's; nothing is kept.
    """
    ids = {option_key(settings.SECRET_KEY, choice.id): choice.id for choice in opened.choices}
    try:
        correct = grade(opened.choices, {ids[key] for key in keys})
    except KeyError:
        raise UnknownOption from None
    conf, riddle = current(), opened.riddle
    scored = conf.RECORD_ATTEMPTS and Attempt.objects.keep(riddle.pk, player, correct=correct)
    riddle_answered.send(Open, riddle_id=riddle.pk, player=player, correct=correct, scored=scored)
    revealed = conf.REVEAL == "after_answer" or (conf.REVEAL == "after_correct" and correct)
    return Outcome(riddle.pk, correct, scored, riddle.explanation if revealed else "")
