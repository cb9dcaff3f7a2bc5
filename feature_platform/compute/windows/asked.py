"""What is asked of windows: each feature with its window, and what it aggregates of each event.

Where only some events count, the values of the others are null, which every aggregation of the catalogue skips: so
all of them can do it, and in the same quick ways. An aggregation of a user may read other columns, too; it gets the
events that count, and no others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import polars as pl

from feature_platform.compute.plans.several import as_several
from feature_platform.compute.windows.bounds import ahead_of
from feature_platform.compute.windows.timeline import Timeline
from feature_platform.declarations.row_wise import is_row_wise
from feature_platform.ground.errors import InvalidDeclaration, TransformFailed
from feature_platform.ground.working_columns import MASKED, TICKS
from feature_platform.parts.aggregations import Aggregation, Mean, Std, Sum, Var
from feature_platform.parts.aggregations.windows import Window


@dataclass(frozen=True)
class AskedFeature:
    """One feature.

    Attributes:
        aggregation: it reads the column `MASKED` where there is a mask.
        declared: the same as it was declared.
        condition: which events count; None where all do.
        column: what is aggregated, as users know it.
        mask: the values of `MASKED`, from the columns of an event; None where all events count.
    """

    name: str
    window: Window
    aggregation: Aggregation
    declared: Aggregation
    condition: pl.Expr | None
    column: str
    mask: pl.Expr | None

    @cached_property
    def mask_text(self) -> bytes:
        """Return what tells the mask from others."""
        return b"" if self.mask is None else self.mask.meta.serialize()


@dataclass(frozen=True)
class AskedWindows:
    """The features of some aggregations.

    Attributes:
        reads: the columns of events that are read, each once.
        reach: how far before its moment an event may lie, in microseconds; below 0 where all lie after it.
        derived: features that are made of the others, row by row.
    """

    features: tuple[AskedFeature, ...]
    reads: tuple[str, ...]
    reach: int
    derived: Mapping[str, pl.Expr]

    @staticmethod
    def of(aggregations: Sequence[Aggregation], derived: Mapping[str, pl.Expr] | None = None) -> "AskedWindows":
        """Return what some aggregations ask for, and features that are derived from theirs."""
        features = tuple(feature for aggregation in aggregations for feature in _features_of(aggregation))
        reads = dict.fromkeys(name for aggregation in aggregations for name in aggregation.reads)
        return AskedWindows(
            features, tuple(reads), max(aggregation.reach for aggregation in aggregations), derived or {}
        )

    @property
    def names(self) -> list[str]:
        """Return the names of all features, in the order declared."""
        return [*(feature.name for feature in self.features), *self.derived]

    @cached_property
    def ahead_us(self) -> int:
        """Return how far after its moment an event may lie, in microseconds: 0 where windows look back."""
        return ahead_of(self.windows)

    @cached_property
    def groups(self) -> tuple[tuple[AskedFeature, ...], ...]:
        """Return the features by what they share: sums, means and spreads the values of a column, others a function."""
        groups: dict[tuple[object, bytes], list[AskedFeature]] = {}
        for each in self.features:
            shared = each.column if is_moment(each.aggregation) else each.aggregation
            groups.setdefault((shared, each.mask_text), []).append(each)
        return tuple(map(tuple, groups.values()))

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """Return the different windows."""
        return tuple(dict.fromkeys(feature.window for feature in self.features))


def is_moment(aggregation: Aggregation) -> bool:
    """Tell whether an aggregation is one of the catalogue's own sums, means and spreads."""
    return type(aggregation) in (Sum, Mean, Std, Var)


def add_ticks(line: Timeline, asked: AskedWindows) -> Timeline:
    """Return a timeline whose events have their times as the column `TICKS`, where features are made of these."""
    if not any(feature.aggregation.of_times for feature in asked.features):
        return line
    return _with_column(line, pl.Series(TICKS, line.codes_and_times()[1]))


def mask_events(line: Timeline, mask: pl.Expr | None) -> Timeline:
    """Return a timeline whose events have the values of a mask, too, as the column `MASKED`."""
    if mask is None:
        return line
    return _with_column(line, _evaluate(line, mask))


def keep_events(line: Timeline, condition: pl.Expr) -> Timeline:
    """Return a timeline of the events for which a condition holds."""
    rows = np.flatnonzero(_evaluate(line, condition).fill_null(value=False).to_numpy())
    events = line.events[rows] if line.events.width else line.events
    return replace(line, events=events, known=None if line.known is None else line.known[rows], line=line.line[rows])


def _evaluate(line: Timeline, expression: pl.Expr) -> pl.Series:
    """Return an expression over the columns of each event, named `MASKED`; one event is computed as one of several."""
    read = line.events.select(list(dict.fromkeys(expression.meta.root_names())))
    if not read.width:
        read = pl.DataFrame({TICKS: line.line})
    return as_several(read).with_columns_seq(expression.alias(MASKED)).get_column(MASKED).head(read.height)


def _with_column(line: Timeline, values: pl.Series) -> Timeline:
    return replace(line, events=line.events.with_columns(values) if line.events.width else values.to_frame())


def add_derived(values: pl.DataFrame, derived: Mapping[str, pl.Expr], owner: str) -> pl.DataFrame:
    """Return the values of features with those that are derived from them; one row is computed as one of several.

    Raises:
        TransformFailed: Polars refuses an expression.
        InvalidDeclaration: an expression looks at other rows.
    """
    if not derived:
        return values
    types = tuple(values.schema.items())
    for name, expression in derived.items():
        if not _is_row_wise(f"{owner}, derive, `{name}`", expression.meta.serialize(), types):
            raise InvalidDeclaration(
                f"{owner}, derive, `{name}`,", "looks at other rows", "Use the features of one row only."
            )
    made = as_several(values).with_columns_seq(expression.alias(name) for name, expression in derived.items())
    return made.head(values.height)


@lru_cache(maxsize=1024)
def _is_row_wise(owner: str, expression: bytes, columns: tuple[tuple[str, pl.DataType], ...]) -> bool:
    made, types = pl.Expr.deserialize(expression), dict(columns)
    try:
        pl.DataFrame(schema=types).select(made)  # which finds what the types of its plan do not show
        return is_row_wise(made, types)
    except pl.exceptions.PolarsError as error:
        raise TransformFailed(owner, "its expression", str(error).splitlines()[0], "Check names and types.") from error


def require_conditions(aggregations: Sequence[Aggregation], schema: pl.Schema, owner: str) -> None:
    """Refuse conditions that are no conditions, or that look at other rows than their own.

    Raises:
        TransformFailed: Polars refuses the condition.
        InvalidDeclaration: it is not a boolean, or not of one row.
    """
    for aggregation in aggregations:
        if aggregation.where is not None:
            fault = _fault_of(aggregation.where.meta.serialize(), tuple(schema.items()))
            if fault is not None:
                remedy = "Give a condition on columns of one row, e.g. pl.col('price') > 100."
                raise InvalidDeclaration(f"{owner}, {aggregation!r}", fault, remedy)


@lru_cache(maxsize=1024)
def _fault_of(condition: bytes, columns: tuple[tuple[str, pl.DataType], ...]) -> str | None:
    where, types = pl.Expr.deserialize(condition), dict(columns)
    try:
        dtype = pl.DataFrame(schema=types).select(where).dtypes
        row_wise = is_row_wise(where, types)
    except pl.exceptions.PolarsError as error:
        raise TransformFailed(
            "A window", "where", str(error).splitlines()[0], "Check its columns and types."
        ) from error
    if dtype != [pl.Boolean]:
        return f"has a `where` of type {dtype[0] if len(dtype) == 1 else dtype}, not Boolean"
    return None if row_wise else "has a `where` that looks at other rows"


def _features_of(aggregation: Aggregation) -> list[AskedFeature]:
    masks: Mapping[str | None, pl.Expr | None] = {
        category: _mask_of(aggregation, category)
        for category in dict.fromkeys(each.category for each in aggregation.windowed_features())
    }
    reading = aggregation.read_instead(MASKED)
    return [
        AskedFeature(
            each.name,
            each.window,
            aggregation if masks[each.category] is None else reading,
            aggregation,
            aggregation.condition_of(each.category),
            str(aggregation.column),
            masks[each.category],
        )
        for each in aggregation.windowed_features()
    ]


def _mask_of(aggregation: Aggregation, category: str | None) -> pl.Expr | None:
    condition, value = aggregation.condition_of(category), aggregation.event_value
    if aggregation.of_times:
        there = value.is_not_null()
        condition, value = there if condition is None else there & condition, pl.col(TICKS)
    return None if condition is None else pl.when(condition).then(value)
