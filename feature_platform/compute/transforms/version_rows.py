"""Rows of a row view whose events have versions: from when on each is known, and no word of until when.

A join takes, of the newest event time of a key, the row that was known last. So each version ends where the next one
of its event is known, and where another event of the same key and time is: that one is the newest from then on, also
when an older event gets another version later. Versions behind such an end are left out. That a version ends and none
follows cannot be told by rows, and is refused.
"""

import polars as pl

from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.working_columns import EVENT_PLACE, VERSION_FROM, VERSION_UNTIL

KEEP_VERSIONS = (
    "Let it keep all versions of an event, with one key and time; aggregate the events where they are to be filtered; "
    "or enrich by rows without a known-at clock."
)


def rows_of_versions(view: FeatureView, versions: pl.LazyFrame) -> pl.LazyFrame:
    """Return the rows of a row view from the versions that its function made of events, those of each side by side.

    Raises:
        InvalidDeclaration: a version ends and the next row is none of its key and time; when the rows are made.
    """
    schema = versions.collect_schema()
    kept = pl.Schema({name: dtype for name, dtype in schema.items() if name != view.event_known_until})

    def arrange(made: pl.DataFrame) -> pl.DataFrame:
        _require_whole_events(view, made)
        return _without_replaced(view, made).select(kept.names())

    return versions.map_batches(arrange, schema=kept)


def _require_whole_events(view: FeatureView, made: pl.DataFrame) -> None:
    """Refuse versions of which one ends without another."""
    known, until = str(view.event_known_at), str(view.event_known_until)
    of_event = [*view.join_keys, str(view.source.event_time)]
    same = (pl.col(name).shift(-1).eq_missing(pl.col(name)) for name in of_event)
    follows = pl.all_horizontal(pl.col(known).shift(-1) == pl.col(until), *same)
    broken = made.select((pl.col(until).is_not_null() & ~follows.fill_null(value=False)).sum()).item()
    if broken:
        raise InvalidDeclaration(
            f"Feature view `{view.name}`",
            f"has a function that leaves {broken:,} version(s) without the next one",
            KEEP_VERSIONS,
        )


def _without_replaced(view: FeatureView, made: pl.DataFrame) -> pl.DataFrame:
    """Leave out versions that are known when a later event of the same key and time is known already."""
    known, until = pl.col(str(view.event_known_at)), pl.col(str(view.event_known_until))
    of_time = [*view.join_keys, str(view.source.event_time)]
    numbered = made.with_columns(until.is_null().shift(1, fill_value=True).cum_sum().alias(EVENT_PLACE))
    first = numbered.select(*of_time, EVENT_PLACE, known.alias(VERSION_FROM)).unique(EVENT_PLACE, keep="first")
    ordered = first.sort(VERSION_FROM, EVENT_PLACE)
    ends = ordered.select(EVENT_PLACE, pl.col(VERSION_FROM).shift(-1).over(of_time).alias(VERSION_UNTIL))
    counted = numbered.join(ends, on=EVENT_PLACE, how="left", maintain_order="left")
    end = pl.col(VERSION_UNTIL)
    return counted.filter(end.is_null() | known.is_null() | (known < end))
