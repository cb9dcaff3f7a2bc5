"""How a view makes its values: each row for itself, windows at published instants, or windows at each moment.

`ViewKind` is decided here and nowhere else; `FeatureView` has what depends on it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

import polars as pl

from feature_platform.declarations.cadence import Cadence
from feature_platform.declarations.derived import validate_derived
from feature_platform.declarations.naming import AS_OF, describe_value, validate_added_column, validate_kind
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.parts.aggregations import Aggregation

Accuracy = Literal["snapshot", "exact"]


class ViewKind(StrEnum):
    """The kinds of feature views, and of their tables online.

    A `match` on the kind ends with `assert_never`, so that mypy names each place that a fourth kind would miss.

    Attributes:
        ROW: every row is a feature row at its event time.
        SNAPSHOT: windows at the instants of a cadence; a reader sees the newest that is published.
        EXACT: its table is that of a snapshot view; a reader sees windows that end at the reader's own moment,
            computed from the events of its source.
    """

    ROW = "row"
    SNAPSHOT = "snapshot"
    EXACT = "exact"


@dataclass(frozen=True)
class Windowing:
    """What makes a view a windowed one: its aggregations, when they are published, and how exactly."""

    aggregations: tuple[Aggregation, ...]
    cadence: Cadence
    accuracy: Accuracy
    derived: Mapping[str, pl.Expr] = field(default_factory=dict, repr=False)  # code versions have its text

    @property
    def features(self) -> tuple[str, ...]:
        """Return the features in order of declaration, those that are derived last."""
        return (*features_of(self.aggregations), *self.derived)

    def only(self, wanted: Collection[str]) -> "Windowing":
        """Return what makes some of the features, and nothing that they do not need."""
        derived = {name: expression for name, expression in self.derived.items() if name in wanted}
        needed = {*wanted, *(root for expression in derived.values() for root in expression.meta.root_names())}
        aggregations = tuple(each for each in self.aggregations if needed.intersection(each.features))
        return replace(self, aggregations=aggregations, derived=derived)


def features_of(aggregations: Sequence[Aggregation]) -> tuple[str, ...]:
    """Return the names of the features of some aggregations."""
    return tuple(name for aggregation in aggregations for name in aggregation.features)


def kind_of(windowing: Windowing | None) -> ViewKind:
    """Return the kind of a view with such windows, or without any."""
    return ViewKind.ROW if windowing is None else ViewKind(windowing.accuracy)


def validate_aggregations(culprit: str, aggregations: object) -> None:
    """Refuse what is no list of aggregations.

    Raises:
        InvalidDeclaration: says what was found.
    """
    if not isinstance(aggregations, Sequence) or not all(isinstance(each, Aggregation) for each in aggregations):
        raise InvalidDeclaration(
            culprit,
            f"has aggregations={describe_value(aggregations)}",
            'Give a list: aggregations=[fp.Mean("x", windows=["1d"])].',
        )


def declare_windowing(
    culprit: str,
    aggregations: Sequence[Aggregation],
    cadence: Cadence | None,
    accuracy: Accuracy,
    derived: Mapping[str, pl.Expr] | None,
    *,
    join_keys: Sequence[str],
    event_time: str | None,
) -> Windowing | None:
    """Return the windows of a view as they are declared; None for a row view.

    Args:
        join_keys: the columns that find a row of the view.
        event_time: the clock of its source.

    Raises:
        InvalidDeclaration: says what is wrong and what would do.
    """
    validate_aggregations(culprit, aggregations)
    for each in aggregations:
        if each.direction == "ahead":
            raise InvalidDeclaration(
                f"{culprit}, {each!r},",
                "looks ahead, which only a label may",
                "Use fp.Recency, or declare an fp.label.",
            )
    if cadence is not None:
        validate_kind(culprit, "cadence", cadence, Cadence, 'Give fp.Cadence(every="1d").')
    if accuracy not in ("snapshot", "exact"):
        raise InvalidDeclaration(culprit, f"has accuracy={describe_value(accuracy)}", 'Use "snapshot" or "exact".')
    if not aggregations:
        if cadence is not None or accuracy == "exact" or derived:
            raise InvalidDeclaration(
                culprit,
                "has a cadence, exact accuracy or derived features but no aggregations",
                "Add aggregations=[...] or drop them.",
            )
        return None
    if event_time is None:
        raise InvalidDeclaration(
            culprit, "aggregates a source without event_time", "Windows need to know when rows happened."
        )
    expressions = validate_derived(culprit, derived, features_of(aggregations))
    windowing = Windowing(tuple(aggregations), cadence or Cadence(), accuracy, expressions)
    _refuse_names_that_are_taken(culprit, windowing.features, {AS_OF, *join_keys})
    return windowing


def _refuse_names_that_are_taken(culprit: str, features: Sequence[str], taken: set[str]) -> None:
    for feature in features:
        validate_added_column(culprit, feature)
        if feature in taken:
            raise InvalidDeclaration(
                culprit, f"has the feature `{feature}` twice", "Features and join keys need different names."
            )
        taken.add(feature)
