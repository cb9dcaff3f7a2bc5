"""Enrichment: columns of another table, joined to each event of a feature view at the event's own time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feature_platform.declarations.cadence import Cadence
from feature_platform.declarations.naming import KNOWN_AT, KNOWN_UNTIL, describe_value
from feature_platform.ground.errors import InvalidDeclaration

if TYPE_CHECKING:
    from feature_platform.declarations.source import Source
    from feature_platform.declarations.view import FeatureView


@dataclass(frozen=True)
class Enrichment:
    """What a view takes of one other table, the dimension: the newest row of a key at the time of an event.

    Of a windowed view the rows are instants: the newest one counts, and a key without a row there has the default row.

    Attributes:
        dimension: the source or feature view whose table it is.
        on: the columns of an event that find a row, and the columns of the dimension that they find it by.
        columns: the columns that an event gets, and those of the dimension that they are.
        ttl_us: how old a row may be at the time of the event, in microseconds; None for any age.
        cadence: of a windowed view, the instants that it publishes; None for rows.
    """

    dimension: "Source | FeatureView"
    on: Mapping[str, str]
    columns: Mapping[str, str]
    ttl_us: int | None = None
    cadence: Cadence | None = None

    @property
    def asset(self) -> str:
        """Return the table of the dimension."""
        return self.dimension.asset

    @property
    def event_time(self) -> str | None:
        """Return the clock of the dimension; None for facts without a date, which hold at all times."""
        return self.dimension.event_time

    @property
    def known_at(self) -> str | None:
        """Return the column that says from when on a row is known; None where that is its own time.

        A windowed view has no such column: an instant is known as late as its cadence says.
        """
        if self.cadence is None:
            return self.dimension.known_at
        return KNOWN_AT if self.cadence.delay_us else None

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the columns of the dimension's table that are read, each once."""
        stored = (self.event_time, None if self.cadence else self.known_at)
        clocks = (clock for clock in stored if clock is not None)
        return tuple(dict.fromkeys([*self.on.values(), *clocks, *self.columns.values()]))


def require_enrichments(culprit: str, enrichments: Sequence[Enrichment], clocks: Sequence[str | None]) -> None:
    """Refuse enrichments of which two give one column, or that need a time.

    Args:
        clocks: the event time and the known-at column of the view's source.

    Raises:
        InvalidDeclaration: says what is wrong and what would do.
    """
    owners: dict[str, str] = {name: "its source" for name in clocks if name}
    if any(each.known_at is not None for each in enrichments):
        owners |= dict.fromkeys((clocks[1] or KNOWN_AT, KNOWN_UNTIL), "the versions of its events")
    for each in enrichments:
        named = describe_value(each.dimension)
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
