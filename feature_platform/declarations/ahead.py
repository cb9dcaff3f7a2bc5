"""What a label says of the time after its moment: where its windows begin, and how late events may be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from feature_platform.declarations.naming import LABEL_KNOWN_AT, describe_value, validate_added_column
from feature_platform.declarations.windowing import validate_aggregations
from feature_platform.ground.clock import microseconds
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.parts.aggregations import Aggregation, TimeTo

HAPPENED = "_happened"  # ends the name of the column that says whether there was an event


@dataclass(frozen=True)
class LookAhead:
    """When a label is final, and what it is over a window.

    Attributes:
        aggregations: those of windows, looking ahead; none for the first row from the moment on.
        start: how long after the moment windows begin, in microseconds.
        lateness: how long after its end an event may become known and still count, in microseconds.
        otherwise: the values of a row label that is final and without a row.
    """

    aggregations: tuple[Aggregation, ...] = ()
    start: int = 0
    lateness: int = 0
    otherwise: Mapping[str, object] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns of its windows, in the order declared."""
        return tuple(
            column for each in self.aggregations for name in each.features for column in columns_of(each, name)
        )


def columns_of(aggregation: Aggregation, feature: str) -> tuple[str, ...]:
    """Return the columns that a feature of an aggregation has in a label.

    >>> columns_of(TimeTo(windows=["90d"]), "time_to_next_90d")
    ('time_to_next_90d', 'time_to_next_90d_happened')
    """
    return (feature, f"{feature}{HAPPENED}") if isinstance(aggregation, TimeTo) else (feature,)


def declare_look_ahead(
    culprit: str,
    aggregations: Sequence[Aggregation],
    start: str | None,
    lateness: str | None,
    otherwise: Mapping[str, object] | None,
    *,
    join_keys: Sequence[str],
) -> LookAhead | None:
    """Return what a label says of the time after its moment; None for a row label that does not say when it is final.

    Raises:
        InvalidDeclaration: says what is wrong and what would do.
    """
    validate_aggregations(culprit, aggregations)
    if isinstance(start, str) and start.startswith("-"):
        raise InvalidDeclaration(
            culprit, f"starts {start} after its moment", "Begin at 0d or later: earlier events are features."
        )
    values = _validate_otherwise(culprit, otherwise)
    if not aggregations and start is not None:
        raise InvalidDeclaration(
            culprit, "has a start but no aggregations", "Add aggregations=[...], or leave out start."
        )
    if aggregations and values:
        raise InvalidDeclaration(
            culprit,
            "has aggregations and otherwise",
            "Leave out otherwise: over nothing counts and sums are 0, and fp.Any is False.",
        )
    if not aggregations and lateness is None and not values:
        return None
    begin, late = _length(start, f"{culprit}, start,"), _length(lateness, f"{culprit}, lateness,")
    looking = tuple(each.look_ahead(start=begin, lateness=late, owner=culprit) for each in aggregations)
    declared = LookAhead(looking, begin, late, values)
    _refuse_names_that_are_taken(culprit, declared.columns, {LABEL_KNOWN_AT, *join_keys})
    return declared


def _length(duration: str | None, owner: str) -> int:
    """Return a duration in microseconds; none at all is 0, and so is `0d`."""
    return 0 if duration in (None, "0s", "0m", "0h", "0d", "0w") else microseconds(str(duration), owner)


def _validate_otherwise(culprit: str, otherwise: object) -> Mapping[str, object]:
    if otherwise is None:
        return {}
    texts = isinstance(otherwise, Mapping) and all(isinstance(name, str) for name in otherwise)
    if not isinstance(otherwise, Mapping) or not texts or not otherwise:
        raise InvalidDeclaration(
            culprit,
            f"has otherwise={describe_value(otherwise)}",
            'Give values by column: otherwise={"refunded": False}.',
        )
    return dict(otherwise)


def _refuse_names_that_are_taken(culprit: str, columns: Sequence[str], taken: set[str]) -> None:
    for column in columns:
        validate_added_column(culprit, column)
        if column in taken:
            raise InvalidDeclaration(
                culprit, f"has the column `{column}` twice", "Labels and join keys need different names."
            )
        taken.add(column)
