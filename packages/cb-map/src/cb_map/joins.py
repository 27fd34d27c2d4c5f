"""The latest row for each key, and attaching it to records: the chapter's products and prices."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from cb_map.errors import Incomparable, MissingField
from cb_map.paths import plain
from cb_map.transforms import Record

Attached = Literal["null", "keep", "skip", "raise"]


def latest(rows: Iterable[Record], *, by: str, on: str, iso: bool = False) -> dict[Hashable, Record]:
    """The row with the greatest *on* for each value of *by*: an index for `attach`, in order of first appearance.

    Of equal ones the last given counts. With *iso*, strings are read as ISO 8601 dates and times where they are such,
    so that ``Z``, offsets and fractions compare as moments. One pass; memory for one row a key.

    Raises:
        MissingField: a row without *by* or *on*.
        Incomparable: two rows of a key whose *on* cannot be compared, for one has a time zone and one has not;
            the message holds both.

    >>> prices = [{"id": 1, "product": 7, "day": "2016-02-01"}, {"id": 4, "product": 7, "day": "2016-02-05"}]
    >>> latest(prices, by="product", on="day")
    {7: {'id': 4, 'product': 7, 'day': '2016-02-05'}}
    """
    newest = Newest(by, on, iso=iso)
    for row in rows:
        newest.add(row)
    return newest.rows()


class Newest:
    """`latest`, a row at a time: one that is refused leaves the others as they are."""

    def __init__(self, by: str, on: str | None, *, iso: bool = False) -> None:
        self._by = by
        self._on = on
        self._iso = iso
        self._newest: dict[Hashable, tuple[Any, Record]] = {}

    def add(self, row: Record) -> None:
        """Take a row; without *on* any row is later than those before it. Raises MissingField and Incomparable."""
        key = key_of(row, self._by)
        if self._on is None:
            self._newest[key] = None, row
            return
        when = _value(row, self._on)
        if self._iso and isinstance(when, str):
            when = _moment(when)
        known = self._newest.get(key)
        try:
            later = known is None or when >= known[0]
        except TypeError as error:
            assert known is not None
            reason = f"{self._on} of {when!r} and {known[0]!r} cannot be compared: {error}"
            raise Incomparable(f"{reason} (write them alike; both are for {self._by} {key!r})") from error
        if later:
            self._newest[key] = when, row

    def rows(self) -> dict[Hashable, Record]:
        """The rows by their keys, in order of first appearance."""
        return {key: row for key, (_, row) in self._newest.items()}


class attach:  # noqa: N801  # used as a verb: map(attach(index, ...), products)
    """Put the row of *index* whose key is the record's *key* into the record, under the name *into*.

    Args:
        index: from key to row, as `latest` gives; read when a record comes, and an argument, not a global.
        key: the field of the record.
        into: the field that the row becomes.
        missing: for a record that has no row, or no *key*: ``"null"`` puts None there (the default), ``"keep"`` leaves
            the record as it is, ``"skip"`` returns None for it, so that `through` leaves it out, ``"raise"`` raises
            `MissingField`.
        text: look keys up by their text, in an index whose keys are text: CSV knows ``"1"`` and no 1.
        deep: copy the row with all in it; else its nested values are shared by all records that it is attached to.

    >>> attach({7: {"amount": 3.99}}, key="id", into="price")({"id": 7, "name": "Python Book"})
    {'id': 7, 'name': 'Python Book', 'price': {'amount': 3.99}}
    """

    def __init__(
        self,
        index: Mapping[Any, Record],
        *,
        key: str,
        into: str,
        missing: Attached = "null",
        deep: bool = False,
        text: bool = False,
    ) -> None:
        if missing not in {"null", "keep", "skip", "raise"}:
            raise ValueError(f"missing is {missing!r} (choose null, keep, skip, raise)")
        self.index: Mapping[Any, Record] = index
        self.key: str = key
        self.into: str = into
        self.missing: Attached = missing
        self.deep: bool = deep
        self.text: bool = text

    def __call__(self, record: Record, /) -> Record | None:
        row = None
        if self.key in record:
            key = key_of(record, self.key)
            row = self.index.get(str(key) if self.text else key)
        if row is not None:
            return {**record, self.into: copy.deepcopy(row) if self.deep else row.copy()}
        if self.missing == "raise":
            if self.key not in record:
                raise MissingField(self.key)
            raise MissingField(f"{self.into}: nothing for {self.key} {plain(record[self.key])!r}")
        if self.missing == "skip":
            return None
        return {**record, self.into: None} if self.missing == "null" else record.copy()


def key_of(row: Record, field: str) -> Hashable:
    """The value of a field that is used as a key."""
    value: Hashable = _value(row, field)
    if isinstance(value, dict | list):
        raise Incomparable(f"{field} is {type(value).__name__} and no key (take a field with a number or a string)")
    return value


def _value(row: Record, field: str) -> Any:
    if field not in row:
        raise MissingField(field)
    return plain(row[field])


def _moment(text: str) -> Any:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text
