"""Records into the database, all or nothing; and out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from django.db import connections, router, transaction
from django.utils import timezone
from django.utils.text import slugify

from cb_riddles.formats.record import Fault, Record
from cb_riddles.models import Category, Option, Riddle
from cb_riddles.play import faults

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BATCH = 1000


@dataclass(slots=True)
class Report:
    """What an import did, or would have done."""

    created: int = 0
    updated: int = 0
    skipped: int = 0
    errors: list[Fault] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)


def load(
    records: Iterable[Record | Fault],
    *,
    dry_run: bool = False,
    on_duplicate: Literal["skip", "update", "error"] = "skip",
) -> Report:
    """Put *records* into the database in one transaction; with any error, or a *dry_run*, nothing is changed.

    A duplicate is a riddle with the very same text. All errors are in the report, not the first alone. Memory does not
    grow with the number of records.
    """
    report = Report()
    with transaction.atomic():
        for batch in _batches(_checked(records, report)):
            if on_duplicate == "error" or not report.errors:
                _write(batch, report, on_duplicate)
        if report.errors or dry_run:
            transaction.set_rollback(True)
    return report


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    for record in records:
        batch.append(record)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _checked(records: Iterable[Record | Fault], report: Report) -> Iterator[Record]:
    for record in records:
        if isinstance(record, Fault):
            report.errors.append(record)
            continue
        report.notes += [Fault(record.line, note) for note in record.notes]
        found = faults(record.riddle_text, record.options)
        if len(record.category) > 100 or (record.category and not slugify(record.category)):
            found.append(f"{record.category[:20]!r} is no name for a category (1 to 100 characters, with a letter)")
        if any("\0" in text for text in (record.hint, record.explanation, record.category)):
            found.append("a NUL character in the hint, the explanation or the category")
        report.errors += [Fault(record.line, reason) for reason in found]
        if not found:
            yield record


def _write(batch: list[Record], report: Report, on_duplicate: str) -> None:
    texts = [record.riddle_text.strip() for record in batch]
    there = {riddle.riddle_text: riddle for riddle in Riddle.objects.filter(riddle_text__in=texts)}
    categories = _categories({record.category for record in batch if record.category})
    new: dict[str, tuple[Riddle, Record]] = {}
    for record, text in zip(batch, texts, strict=True):
        known = there.get(text)
        if text in new or (known and on_duplicate != "update"):
            report.skipped += 1
            if on_duplicate == "error":
                report.errors.append(Fault(record.line, f"the riddle {text[:40]!r} is there already"))
            continue
        riddle = known or Riddle(riddle_text=text)
        riddle.hint, riddle.explanation = record.hint, record.explanation
        riddle.category = categories.get(record.category)
        if record.pub_date or not known:
            riddle.pub_date = record.pub_date or timezone.now()
        new[text] = riddle, record
    changed = [riddle for riddle, _ in new.values() if riddle.pk]
    Riddle.objects.bulk_update(changed, ["hint", "explanation", "category", "pub_date"])
    Option.objects.filter(riddle__in=changed).delete()
    report.updated += len(changed)
    created = Riddle.objects.bulk_create([riddle for riddle, _ in new.values() if not riddle.pk])
    report.created += len(created)
    options = [(riddle.pk, text.strip(), right) for riddle, record in new.values() for text, right in record.options]
    # Most of an import's rows: model instances would take half of its time.
    with connections[router.db_for_write(Option)].cursor() as cursor:
        cursor.executemany("INSERT INTO riddles_option (riddle_id, text, correct) VALUES (%s, %s, %s)", options)


def _categories(names: set[str]) -> dict[str, Category]:
    found = {category.name: category for category in Category.objects.filter(name__in=names)}
    for name in sorted(names - found.keys()):
        # Two names may have one slug, "C" and "C++": the slug's owner is the category of both.
        found[name], _ = Category.objects.get_or_create(slug=slugify(name), defaults={"name": name})
    return found


def records() -> Iterator[Record]:
    """Give every riddle, in the order of ids; memory does not grow with their number."""
    riddles = Riddle.objects.order_by("id").select_related("category").prefetch_related("option_set")
    for riddle in riddles.iterator(_BATCH):
        yield Record(
            riddle.riddle_text,
            tuple((option.text, option.correct) for option in riddle.option_set.all()),
            riddle.hint,
            riddle.explanation,
            riddle.category.name if riddle.category else "",
            riddle.pub_date,
        )
