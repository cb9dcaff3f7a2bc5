"""Enrichment: columns of another table, joined to each event of a feature view at the event's own time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feature_platform.declarations.naming import describe_value
from feature_platform.ground.errors import InvalidDeclaration

if TYPE_CHECKING:
    from feature_platform.declarations.source import Source
    from feature_platform.declarations.view import FeatureView


@dataclass(frozen=True)
class Enrichment:
    """What a view takes of one other table, the dimension: the newest row of a key at the time of an event.

    Attributes:
        dimension: the source or feature view whose table it is.
        on: the columns of an event that find a row, and the columns of the dimension that they find it by.
        columns: the columns that an event gets, and those of the dimension that they are.
        ttl_us: how old a row may be at the time of the event, in microseconds; None for any age.
    """

    dimension: "Source | FeatureView"
    on: Mapping[str, str]
    columns: Mapping[str, str]
    ttl_us: int | None = None

    @property
    def asset(self) -> str:
        """Return the table of the dimension."""
        return self.dimension.asset

    @property
    def event_time(self) -> str | None:
        """Return the clock of the dimension; None for facts without a date, which hold at all times."""
        return self.dimension.event_time

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the columns of the dimension that are read, each once."""
        clock = () if self.event_time is None else (self.event_time,)
        return tuple(dict.fromkeys([*self.on.values(), *clock, *self.columns.values()]))


def require_enrichments(culprit: str, enrichments: Sequence[Enrichment], clocks: Sequence[str | None]) -> None:
    """Refuse enrichments that two columns of one name come from, that need a time, or whose rows may come late.

    Args:
        clocks: the event time and the known-at column of the view's source.

    Raises:
        InvalidDeclaration: says what is wrong and what would do.
    """
    owners: dict[str, str] = {name: "its source" for name in clocks if name}
    for each in enrichments:
        named = describe_value(each.dimension)
        _require_on_time(culprit, each, named)
        if clocks[0] is None and each.event_time is not None:
            raise InvalidDeclaration(
                culprit,
                f"is enriched by {named}, which has an event time, and its own rows have none",
                "Give the view's source an event_time, or enrich by facts without one.",
            )
        for name in each.columns:
            if name in owners:
                raise InvalidDeclaration(
                    culprit,
                    f"gets `{name}` from both {owners[name]} and {named}",
                    'Select fewer columns, or `.alias("other", keys={...})`.',
                )
            owners[name] = named


def _require_on_time(culprit: str, enrichment: Enrichment, named: str) -> None:
    """Refuse a dimension whose rows may be known later than they hold: what an event saw would change afterwards."""
    known_at = enrichment.dimension.known_at
    if known_at is not None:
        raise InvalidDeclaration(
            culprit,
            f"is enriched by {named}, whose rows are known later than they hold (`{known_at}`)",
            "Enrich by rows without a known-at clock: a source without known_at, or a row view of one. "
            "To use late rows from when they are known, make that their event_time.",
        )
