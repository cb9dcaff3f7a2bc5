"""Comparisons of what is not watched: a run looks at it once a week, and a plan says when that is due.

A connector may bound by `watch` what is compared at each look, since a database has to count it. A row that is
committed half a year late is found all the same: the first run after a week compares everything.
"""

from collections.abc import Collection
from datetime import datetime

import polars as pl

from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.ground import clock
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import OfflineStore
from feature_platform.pipelines.candidates.deliveries import Delivery
from feature_platform.pipelines.candidates.ledger import last_comparison, read_events

_EVERY = "7d"


def compares_everything(source: Source, store: OfflineStore, now: datetime) -> bool:
    """Tell whether a run has to compare what is not watched, too."""
    if source.connector.watch is None:
        return False
    return _is_due(read_events(store, TableKind.UNITS.of(source.name)), now)


def overdue_comparison(
    source: Source,
    delivery: Delivery,
    published: Collection[str],
    asked: Collection[str],
    grid: Partitions,
    now: datetime,
) -> dict[str, str]:
    """Return the newest published partition among those asked about, whose run will compare what is not watched.

    It is empty when that is not due.
    """
    watch = source.connector.watch
    if watch is None or delivery.inventory is None or not asked or not _is_due(delivery.inventory.events, now):
        return {}
    if delivery.is_in_one_piece:  # which is compared at each look
        return {}
    watched_from = clock.shift_moment(now, -clock.microseconds(watch, source.name))
    if clock.partition_bounds(min(published), grid.grain, "The data")[0] >= watched_from:
        return {}
    last = last_comparison(delivery.inventory.events)
    when = "were never compared" if last is None else f"were last compared on {last.date()}"
    return {max(asked): f"rows older than {watch} {when}"}


def _is_due(events: pl.DataFrame, now: datetime) -> bool:
    last = last_comparison(events)
    return last is None or now >= clock.shift_moment(last, clock.microseconds(_EVERY, "A comparison"))
