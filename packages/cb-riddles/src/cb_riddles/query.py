"""What is asked of the database, in one place: what is published, in which order, and who answered what."""

from __future__ import annotations

import hashlib
from contextlib import nullcontext
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connections, models, router, transaction
from django.db.models import Count, Q
from django.utils import timezone

if TYPE_CHECKING:
    from datetime import date

    from django.db.backends.base.base import BaseDatabaseWrapper

    from cb_riddles.models import Attempt, Riddle


# One statement where the ORM needs two, and a third when the answer was right before.
_KEEP = """
INSERT INTO riddles_attempt (riddle_id, player, correct, created, scored) VALUES (%s, %s, %s, %s,
%s AND NOT EXISTS (SELECT 1 FROM riddles_attempt WHERE riddle_id = %s AND player = %s AND scored)) RETURNING scored
"""
# SQLite takes the index of what scored only where its condition is written as in the index: one way by Django 5.2 and
# 6.0, another by 6.1.
_KEEP_SQLITE = _KEEP.replace("AND scored)", "AND scored AND scored = 1)")

# The page of any riddle is made by it: the ORM takes twenty times as long to write it and to make rows into models.
_OPEN = """
SELECT o.id, o.text, o.correct, r.id, r.riddle_text, r.pub_date, r.hint, r.explanation, r.category_id, c.name, c.slug
FROM riddles_riddle r
LEFT JOIN riddles_option o ON o.riddle_id = r.id LEFT JOIN riddles_category c ON c.id = r.category_id
WHERE r.id = %s AND r.pub_date <= %s ORDER BY o.id
"""
_RIDDLE = ("id", "riddle_text", "pub_date", "hint", "explanation", "category_id")


def adapted_now(connection: BaseDatabaseWrapper) -> Any:
    """Return the time of now as a statement of our own takes it."""
    return connection.ops.adapt_datetimefield_value(timezone.now())


def _first(riddles: models.QuerySet[Riddle], limit: datetime) -> Riddle | None:
    """Return the first of *riddles* that is published at *limit*: most are, so some rows of the index are enough.

    Asked for both order and date, a database may sort all riddles.
    """
    near = (riddle for riddle in riddles[:20] if riddle.pub_date <= limit)
    return next(near, None) or riddles.filter(pub_date__lte=limit).first()


class RiddleManager(models.Manager["Riddle"]):
    """Riddles; the public sees those of :meth:`published` alone."""

    def published(self, now: datetime | None = None) -> models.QuerySet[Riddle]:
        """Return the riddles whose publication date has come, newest first; the later id first on one date."""
        return self.filter(pub_date__lte=now or timezone.now()).order_by("-pub_date", "-id")

    def newest(self, count: int = 5) -> models.QuerySet[Riddle]:
        """Return the *count* newest published riddles: one step in the index, however many there are."""
        return self.published()[:count]

    def older(self, than: tuple[datetime, int], riddles: models.QuerySet[Riddle]) -> models.QuerySet[Riddle]:
        """Return those of *riddles* after the place *than* (date, id) in the list: the index is entered there."""
        when, id_ = than
        return riddles.filter(Q(pub_date__lt=when) | Q(pub_date=when, id__lt=id_), pub_date__lte=when)

    def search(self, words: str) -> models.QuerySet[Riddle]:
        """Return the published riddles whose text holds every one of *words*, without regard to case."""
        found = self.published()
        for word in words.split():
            found = found.filter(riddle_text__icontains=word)
        return found

    def of_the_day(self, day: date) -> Riddle | None:
        """Return the riddle of *day*, the same for everybody, or None where nothing is published."""
        now = timezone.now()
        begin = timezone.make_aware(datetime.combine(day, time.min))
        # What is published later in the day must not change it, unless there is nothing else.
        number = int.from_bytes(hashlib.sha256(day.isoformat().encode()).digest()[:8])
        for limit in (min(begin, now), now):
            last = _first(self.order_by("-id"), limit)
            first = _first(self.order_by("id"), limit)
            if first and last:
                place = first.pk + number % (last.pk - first.pk + 1)
                return _first(self.filter(pk__gte=place).order_by("id"), limit)
        return None

    def opened(self, riddle_id: int) -> tuple[Riddle, list[tuple[int, str, bool]]] | None:
        """Return a riddle that is published, with its category, and its options as (id, text, correct): one query."""
        from cb_riddles.models import Category

        connection = connections[router.db_for_read(self.model)]
        with connection.cursor() as cursor:
            cursor.execute(_OPEN, [riddle_id, adapted_now(connection)])
            rows = cursor.fetchall()
        if not rows:
            return None
        *values, name, slug = rows[0][3:]
        field: Any = self.model._meta.get_field("pub_date")  # noqa: SLF001 - Django's documented name
        column = field.cached_col
        for convert in connection.ops.get_db_converters(column):
            values[2] = convert(values[2], column, connection)
        riddle = self.model.from_db(connection.alias, _RIDDLE, values)
        if values[-1] is not None:
            riddle.category = Category.from_db(connection.alias, ("id", "name", "slug"), (values[-1], name, slug))
        return riddle, [(row[0], row[1], bool(row[2])) for row in rows if row[0] is not None]

    def unwinnable(self) -> models.QuerySet[Riddle]:
        """Return the riddles that nobody can answer: fewer than two options, or none correct."""
        counted = self.annotate(options=Count("option"), right=Count("option", filter=Q(option__correct=True)))
        return counted.filter(Q(options__lt=2) | Q(right=0)).order_by("id")


class AttemptManager(models.Manager["Attempt"]):
    """Answers that were given."""

    def keep(self, riddle_id: int, player: str, *, correct: bool) -> bool:
        """Keep an answer; return whether it scored: right, and this player's first right one for this riddle."""
        connection = connections[router.db_for_write(self.model)]
        created = adapted_now(connection)
        values: list[Any] = [riddle_id, player, correct, created, correct, riddle_id, player]
        statement = _KEEP_SQLITE if connection.vendor == "sqlite" else _KEEP
        # One statement is a transaction of its own: only within another one must a failure be kept apart.
        apart = transaction.atomic(using=connection.alias) if connection.in_atomic_block else nullcontext()
        while True:
            try:
                with apart, connection.cursor() as cursor:
                    cursor.execute(statement, values)
                    ((scored,),) = cursor.fetchall()  # to the end, or SQLite has not committed
                    return bool(scored)
            except IntegrityError:
                if not correct or not self.filter(riddle_id=riddle_id, player=player, scored=True).exists():
                    raise  # the riddle is gone
                # Another answer scored between the look and the insert: this one will see it.

    def solved(self, player: str) -> models.QuerySet[Attempt]:
        """Return what *player* has solved: one attempt for each riddle."""
        return self.filter(player=player, scored=True)

    def results(self, player: str, riddle: Riddle) -> list[bool]:
        """Return which of *player*'s answers to a riddle were right, in their order, up to the first right one."""
        own = self.filter(player=player, riddle=riddle).order_by("id").values_list("correct", flat=True)
        results = list(own[:100])
        return results[: results.index(True) + 1] if True in results else []

    def days(self, player: str) -> set[date]:
        """Return the days on which *player* gave a right answer, in the current time zone."""
        right = self.filter(player=player, correct=True)
        return {timezone.localtime(created).date() for created in right.values_list("created", flat=True)}

    def leaders(self, count: int = 10) -> list[tuple[str, int]]:
        """Return the *count* users who solved most, as (player, solved): as many steps in an index."""
        from cb_riddles.models import Score

        best = Score.objects.filter(solved__gt=0).order_by("-solved", "player")
        return list(best.values_list("player", "solved")[:count])
