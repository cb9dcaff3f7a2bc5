"""An answer: values, statuses and times of some features for some entities, as JSON texts ready to be joined.

Everything is kept as the JSON texts that the store holds. Columns are made by splitting rows, rows by joining columns,
and nothing is parsed unless a feature is computed or filled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from operator import itemgetter

import msgspec
import polars as pl

from feature_platform.compute.serving.entries import EVENT, HAS_NULLS, HEADER, NULLS, TEXT
from feature_platform.compute.serving.packed import may_be_packed, unpack
from feature_platform.compute.serving.served_rows import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT, ServedRows
from feature_platform.compute.serving.values import BETWEEN, NULL
from feature_platform.ground.clock import microsecond_of
from feature_platform.ground.sortable_moments import YEAR_ONE

Texts = Sequence[bytes]
"""JSON texts, one for each entity."""

_PRESENT, _NULL_VALUE, _NOT_FOUND, _EXPIRED = (
    f'"{each}"'.encode() for each in (PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE)
)
_NULLS = itemgetter(NULLS)
_ROW = b'{"values":[%b],"statuses":[%b],"event_times":[%b],"ages":[%b]}'


@dataclass(frozen=True)
class FeaturePick:
    """The features of a view that are asked for, of those that its rows hold.

    Attributes:
        names: what they are called in the answer.
        places: where each is in a row; None when it is the whole row in order.
        packed: which of them may be packed in a row, and are JSON in the answer.
        timeless: facts without a date have no event time and no age.
    """

    view: str
    names: tuple[str, ...]
    places: tuple[int, ...] | None
    timeless: bool = False
    packed: tuple[int, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Tell whether the values asked for are those of a row as it stands."""
        return self.places is None and not self.packed

    @cached_property
    def around(self) -> tuple[bytes, bytes, bytes]:
        """Return what stands around the values, the event time and the age of a row whose values are all there."""
        statuses = b",".join([_PRESENT] * len(self.names))
        return b'{"values":[', b'],"statuses":[%b],"event_times":["' % statuses, b'"],"ages":['

    def values(self, row: bytes) -> Sequence[bytes]:
        """Return the values asked for of one row."""
        texts = row[HEADER:].split(BETWEEN)
        found = texts if self.places is None else _at(self.places, texts)
        if not self.packed:
            return found
        unpacked = list(found)
        for place in self.packed:
            unpacked[place] = unpack(unpacked[place])
        return unpacked


def _at(places: tuple[int, ...], texts: Sequence[bytes]) -> Sequence[bytes]:
    return itemgetter(*places)(texts) if len(places) > 1 else [texts[place] for place in places]


def pick_features(
    view: str,
    features: Sequence[str],
    columns: Mapping[str, pl.DataType],
    names: Sequence[str],
    *,
    timeless: bool = False,
    as_stored: bool = False,
) -> FeaturePick:
    """Pick some features of a view whose rows hold others, too.

    Args:
        features: those asked for; `names` are what they are called.
        columns: what the rows hold, in order, and their types.
        as_stored: leave vectors packed, for `packed.stored_series_of`.
    """
    order = list(columns)
    places = tuple(order.index(feature) for feature in features)
    packed = () if as_stored else tuple(n for n, each in enumerate(features) if may_be_packed(columns[each]))
    return FeaturePick(view, tuple(names), None if places == tuple(range(len(order))) else places, timeless, packed)


# ---------------------------------------------------------------- by column


@dataclass(frozen=True)
class AnswerColumns:
    """Some features of some entities, by feature.

    Attributes:
        values, statuses: the JSON texts of each feature.
        times: for each feature the event time of the row it is from, as JSON; `null` where there is none.
        row_times: of the columns of one view, the event time of each row that is not expired.
    """

    values: Mapping[str, Texts]
    statuses: Mapping[str, Texts]
    times: Mapping[str, Texts]
    row_times: Texts = ()

    @staticmethod
    def concat(parts: "Sequence[AnswerColumns]") -> "AnswerColumns":
        """Return the columns of several parts, in order."""
        if len(parts) == 1:
            return parts[0]
        return AnswerColumns(
            {name: texts for part in parts for name, texts in part.values.items()},
            {name: texts for part in parts for name, texts in part.statuses.items()},
            {name: texts for part in parts for name, texts in part.times.items()},
        )

    def in_order(self, names: Sequence[str]) -> "AnswerColumns":
        """Return some of the columns, in another order."""
        values, statuses, times = (
            {name: part[name] for name in names} for part in (self.values, self.statuses, self.times)
        )
        return AnswerColumns(values, statuses, times)


def answer_columns_of(picks: FeaturePick, served: ServedRows) -> AnswerColumns:
    """Return the features of one view by feature."""
    nulls = [NULL] * len(picks.names)
    rows = served.rows
    live = [None if n in served.expired else row for n, row in enumerate(rows)] if served.expired else rows
    values = list(zip(*[nulls if row is None else picks.values(row) for row in live], strict=True))
    if not rows:
        values = [() for _ in picks.names]
    statuses = _statuses(picks, served, values)
    times = [NULL if row is None or picks.timeless else b'"%b"' % row[TEXT] for row in rows]
    return AnswerColumns(
        dict(zip(picks.names, values, strict=True)),
        dict(zip(picks.names, statuses, strict=True)),
        dict.fromkeys(picks.names, times),
        [NULL if n in served.expired else time for n, time in enumerate(times)] if served.expired else times,
    )


def _statuses(picks: FeaturePick, served: ServedRows, values: Sequence[Texts]) -> Sequence[Texts]:
    """Return for each feature the status of each entity; one list for all where no row has a null or is missing."""
    rows = served.rows
    if _is_steady(served):
        return [[_PRESENT] * len(rows)] * len(picks.names)
    missing = [_NOT_FOUND if row is None else _EXPIRED if n in served.expired else None for n, row in enumerate(rows)]
    return [
        [why or (_NULL_VALUE if value == NULL else _PRESENT) for why, value in zip(missing, column, strict=True)]
        for column in values
    ]


# ---------------------------------------------------------------- by row


class RowTexts(msgspec.Struct, frozen=True):  # made for every request, so that it has to be cheap to make
    """Of one view, for each entity the inside of four JSON arrays."""

    values: Texts
    statuses: Texts
    times: Texts
    ages: Texts


def answer_rows_of(picks: FeaturePick, served: ServedRows, now: datetime) -> RowTexts:
    """Return the features of one view by entity: values and statuses, the event time and age of its row.

    Ages are seconds from the event time to `now`, with three digits.
    """
    rows, width = served.rows, len(picks.names)
    present = b",".join([_PRESENT] * width)
    if picks.is_whole and _is_steady(served):
        values, statuses = [row[HEADER:] for row in rows if row], [present] * len(rows)
    else:
        texts = [
            _values_and_statuses(picks, row, expired=n in served.expired, present=present) for n, row in enumerate(rows)
        ]
        values, statuses = [value for value, _ in texts], [status for _, status in texts]
    if picks.timeless:
        return RowTexts(values, statuses, [NULL] * len(rows), [NULL] * len(rows))
    moment = microsecond_of(now) - YEAR_ONE
    times = [b'"%b"' % row[TEXT] if row else NULL for row in rows]
    ages = [b"%.3f" % ((moment - int(row[EVENT])) / 1_000_000) if row else NULL for row in rows]
    return RowTexts(values, statuses, times, ages)


def write_rows_of_one(picks: FeaturePick, served: ServedRows, now: datetime) -> bytes:
    """Write what `join_rows` writes of a single view; in the usual case each row is written in one step."""
    if not picks.is_whole or picks.timeless or not _is_steady(served):
        return join_rows([answer_rows_of(picks, served, now)])
    moment, parts = microsecond_of(now) - YEAR_ONE, list[bytes]()
    before, between, behind = picks.around
    for row in served.rows:
        if row is not None:
            age = b"%.3f" % ((moment - int(row[EVENT])) / 1_000_000)
            parts += (before, row[HEADER:], between, row[TEXT], behind, age, b"]},")
    return b"".join(parts)[:-1]


def _values_and_statuses(
    picks: FeaturePick, row: bytes | None, *, expired: bool, present: bytes
) -> tuple[bytes, bytes]:
    """Return the values and statuses of one row."""
    if row is None or expired:
        width = len(picks.names)
        return b",".join([NULL] * width), b",".join([_NOT_FOUND if row is None else _EXPIRED] * width)
    texts = picks.values(row)
    if NULL not in texts:
        return b",".join(texts), present
    return b",".join(texts), b",".join([_NULL_VALUE if text == NULL else _PRESENT for text in texts])


def _is_steady(served: ServedRows) -> bool:
    """Tell whether every entity has a row, none is too old, and no value is null: the usual case."""
    rows = [row for row in served.rows if row is not None]
    return len(rows) == len(served.rows) and not served.expired and HAS_NULLS not in map(_NULLS, rows)


def join_rows(views: Sequence[RowTexts]) -> bytes:
    """Write the entities as the inside of a JSON array: objects with `values`, `statuses`, `event_times`, `ages`."""
    if len(views) == 1:
        (only,) = views
        parts = zip(only.values, only.statuses, only.times, only.ages, strict=True)
    else:
        parts = zip(
            *(
                [b",".join(texts) for texts in zip(*(getattr(view, name) for view in views), strict=True)]
                for name in RowTexts.__struct_fields__
            ),
            strict=True,
        )
    return b",".join([_ROW % view for view in parts])


def join_columns(columns: AnswerColumns, views: Sequence[RowTexts], height: int) -> bytes:
    """Write the same objects as `join_rows`, with the values and statuses of some columns."""
    empty = [b""] * height
    parts = [
        [b",".join(texts) for texts in zip(*each, strict=True)] if each else empty
        for each in (
            list(columns.values.values()),
            list(columns.statuses.values()),
            [view.times for view in views],
            [view.ages for view in views],
        )
    ]
    return b",".join([_ROW % each for each in zip(*parts, strict=True)])
