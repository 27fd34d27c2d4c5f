"""A riddle as it is played: what a visitor may see of it, and the answer. Pages, API and command all come here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import Http404

from cb_riddles.conf import current
from cb_riddles.models import Attempt, Option, Riddle
from cb_riddles.play import Choice, grade, option_key, option_order
from cb_riddles.signals import riddle_answered

if TYPE_CHECKING:
    from collections.abc import Sequence


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
        texts = {choice.id: choice.text for choice in self.choices}
        key = settings.SECRET_KEY
        ids = option_order(key, player, texts) if current().SHUFFLE else list(texts)
        return [Shown(option_key(key, id_), texts[id_]) for id_ in ids]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an answer."""

    riddle_id: int
    correct: bool
    scored: bool
    explanation: str


def find(riddle_id: int, *, hidden: bool = False) -> Open:
    """Return a riddle that is published, in one query; with *hidden*, one that is not, too.

    Raises:
        Http404: There is none.
    """
    try:
        options = list(Option.objects.of(riddle_id))
        if options:
            riddle = options[0].riddle
        else:  # no options yet, or not published
            riddle = (Riddle.objects.all() if hidden else Riddle.objects.published()).get(pk=riddle_id)
            options = list(riddle.option_set.order_by("id")) if hidden else []
    except (Riddle.DoesNotExist, OverflowError):
        raise Http404("No such riddle.") from None
    return Open(riddle, tuple(Choice(option.pk, option.text, option.correct) for option in options))


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
