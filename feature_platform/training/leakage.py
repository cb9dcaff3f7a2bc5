"""Leaks: columns of a training set that say more about its labels than anybody knew at the moment.

What is found is suspected, not proven. Values are looked at in a sample of the rows; none is drawn by chance.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from feature_platform.compute.transforms.lineage import column_lineage
from feature_platform.declarations.naming import LABEL_KNOWN_AT, SPINE_TIME
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import ChosenEvents
from feature_platform.declarations.split import EMBARGO, PART_COLUMN, WEIGHT_COLUMN
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.union import Union
from feature_platform.offline import OfflineStore
from feature_platform.pipelines.tables import read_rows

SAMPLE = 100_000  # rows that are looked at
EQUAL_SHARE = 0.999  # of rows, from which on a column is the label
TELLING_AUC = 0.995  # above which a column separates the classes too well to be known before
EMBARGO_SHARE = 0.5  # of rows, above which a split wastes most of the data
_FEWEST = 20  # rows of each class, below which chance separates them


class LeakKind(StrEnum):
    """The ways in which a training set may tell its labels."""

    SAME_ROW = "same_row"
    """A column of the spine is, by its lineage, a column that the label of the same row is made of."""

    EQUAL = "equal"
    """A column has the value of a label in nearly every row."""

    TELLING = "telling"
    """A column alone separates the two classes of a label."""

    EMBARGO = "embargo"
    """Most rows are in the embargo of the split, since their labels reach into the next part."""


@dataclass(frozen=True)
class Leak:
    """One way in which a training set seems to tell its labels.

    Attributes:
        column: that tells; of an embargo the column of parts.
        label: the label, or its column.
        measure: the share of equal rows, the AUC, or the share of rows in the embargo.
    """

    kind: LeakKind
    column: str
    label: str
    measure: float | None = None

    @property
    def is_critical(self) -> bool:
        """Tell whether it is certain from the declarations, without looking at values."""
        return self.kind is LeakKind.SAME_ROW

    def __str__(self) -> str:
        match self.kind:
            case LeakKind.SAME_ROW:
                return (
                    f"`{self.column}` of the spine is a column that label `{self.label}` is made of, and the label "
                    "begins with the row itself: leave it out, or let the label begin later"
                )
            case LeakKind.EQUAL:
                return f"`{self.column}` equals `{self.label}` in {self.measure:.2%} of the rows"
            case LeakKind.TELLING:
                return f"`{self.column}` alone tells `{self.label}` with an AUC of {self.measure:.4f}"
            case LeakKind.EMBARGO:
                return f"{self.measure:.0%} of the rows are in the embargo: their labels reach into the next part"


def find_leaks(
    training_set: TrainingSet,
    store: OfflineStore,
    stretches: Iterable[pl.LazyFrame],
    labels: Sequence[str],
    parts: Mapping[str, int],
) -> tuple[Leak, ...]:
    """Return what seems to tell the labels of a training set, the certain ones first.

    Args:
        stretches: the rows of the training set as it is stored, some at a time.
        labels: the columns of its labels.
        parts: the rows of each part of its split.
    """
    if not labels:
        return ()
    sample = _sample(stretches)
    of_values = () if sample.is_empty() else _leaks_of_values(training_set, sample, labels)
    return (*_leaks_of_same_rows(training_set, store), *of_values, *_wasted_rows(training_set, parts))


def _leaks_of_same_rows(training_set: TrainingSet, store: OfflineStore) -> Iterator[Leak]:
    """Yield the columns of a spine which the labels of the same rows are made of."""
    spine = training_set.spine
    source = spine if isinstance(spine, Source) else spine.rule.source if isinstance(spine.rule, ChosenEvents) else None
    for label in training_set.labels:
        if source is None or label.source is not source or not _has_tables(source, store):
            continue
        if label.look_ahead is not None and label.look_ahead.start > 0:
            continue
        schema = read_rows(source, store).collect_schema()
        behind = column_lineage(label, schema)
        told = {read for column, reads in behind.items() if column not in label.join_keys for read in reads}
        known = {source.event_time, source.known_at, label.known_at, *label.join_keys}
        yield from (Leak(LeakKind.SAME_ROW, name, label.name) for name in schema if name in told - known)


def _has_tables(source: Source | Union, store: OfflineStore) -> bool:
    return all(store.exists(each.asset) for each in source.members)


def _sample(stretches: Iterable[pl.LazyFrame]) -> pl.DataFrame:
    """Return every row of a small set, and every second, fourth, ... of a large one."""
    step, kept = 1, pl.DataFrame()
    for stretch in stretches:
        kept = pl.concat([kept, stretch.gather_every(step).collect()]) if kept.width else stretch.collect()
        while kept.height > SAMPLE:
            kept, step = kept.gather_every(2), step * 2
    return kept


def _leaks_of_values(training_set: TrainingSet, sample: pl.DataFrame, labels: Sequence[str]) -> Iterator[Leak]:
    """Yield the columns whose values tell a label; keys, clocks and what is made of the labels are left out."""
    keys = {key for view in training_set.service.views for key in view.join_keys}
    keys.update(key for label in training_set.labels for key in label.join_keys)
    others = {*keys, *labels, SPINE_TIME, LABEL_KNOWN_AT, PART_COLUMN, WEIGHT_COLUMN}
    columns = [name for name in sample.columns if name not in others]
    for label in labels:
        yield from _leaks_of_label(sample.filter(pl.col(label).is_not_null()), columns, label)


def _leaks_of_label(known: pl.DataFrame, columns: Sequence[str], label: str) -> Iterator[Leak]:
    """Yield the columns that equal a label, or tell it alone; lists and structs have no order and are not looked at."""
    if known[label].dtype.is_nested():
        return
    counts = known[label].value_counts(sort=True)
    if len(counts) < 2 or known.height < 2 * _FEWEST:
        return
    classes = counts[label] if len(counts) == 2 and counts["count"].min() >= _FEWEST else None  # type: ignore[operator]
    for name in columns:
        share = _share_of_equals(known, name, label)
        if share >= EQUAL_SHARE:
            yield Leak(LeakKind.EQUAL, name, label, share)
        elif classes is not None and (auc := _auc(known, name, known[label] == classes.max())) > TELLING_AUC:
            yield Leak(LeakKind.TELLING, name, label, auc)


def _share_of_equals(rows: pl.DataFrame, column: str, label: str) -> float:
    """Return the share of rows in which a column has the value of a label; truths count as numbers."""
    left, right = _as_number(rows[column]), _as_number(rows[label])
    if left.dtype != right.dtype or left.dtype.is_nested():
        return 0.0
    return float(left.eq_missing(right).mean() or 0.0)  # type: ignore[arg-type]


def _auc(rows: pl.DataFrame, column: str, positive: pl.Series) -> float:
    """Return how well the order of a column separates two classes, whichever is above; 0.5 for what has no order."""
    values = _as_number(rows[column])
    if values.dtype != pl.Float64:
        return 0.5
    ranks = values.fill_null(float("-inf")).rank("average")
    above, below = int(positive.sum()), int((~positive).sum())
    area = (float(ranks.filter(positive).sum()) - above * (above + 1) / 2) / (above * below)
    return max(area, 1 - area)


def _as_number(values: pl.Series) -> pl.Series:
    """Return numbers, truths and times as Float64; others as they are."""
    dtype = values.dtype
    if dtype.is_temporal():
        return values.to_physical().cast(pl.Float64)
    return values.cast(pl.Float64) if dtype.is_numeric() or dtype == pl.Boolean else values


def _wasted_rows(training_set: TrainingSet, parts: Mapping[str, int]) -> Iterator[Leak]:
    rows = sum(parts.values())
    share = parts.get(EMBARGO, 0) / rows if rows else 0.0
    if share > EMBARGO_SHARE:
        yield Leak(LeakKind.EMBARGO, PART_COLUMN, training_set.labels[0].name, share)
