"""Logged pushes that a version of the offline store was made without: they are added to its entries."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import polars as pl

from feature_platform.compute.serving.pushed import (
    batches_of_pushes,
    entries_of_pushes,
    is_fed_by,
    merge_function,
    pushes_as_read,
)
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.working_columns import ENTRY, KEY
from feature_platform.offline.newest import NewestSchemas
from feature_platform.online.base import Merge
from feature_platform.pipelines.pushes.merged import MergedPushes


def add_logged_pushes(
    batches: Iterable[pl.DataFrame], view: FeatureView, table: ServedTable, merged: MergedPushes, now: datetime
) -> Iterator[pl.DataFrame]:
    """Yield batches of entries with what logged pushes add to their keys, and at last the keys that only pushes have.

    Args:
        batches: entries of the table, sorted by key; no key is in two of them.
        merged: which pushed rows they were made with.
    """
    merge, waiting = merge_function(view, table, "", now), _logged_entries(view, table, merged, now)
    keys = pl.Series([key for each in waiting for key in each], dtype=pl.Binary)
    for batch in batches:
        here = batch.filter(pl.col(KEY).is_in(keys.implode())) if len(keys) else batch.clear()
        if here.is_empty():
            yield batch
            continue
        stored = dict(here.select(KEY, ENTRY).iter_rows())
        yield pl.concat([batch.join(here, on=KEY, how="anti"), _frame(_merge_all(waiting, stored, merge))]).sort(KEY)
    rest = _merge_all(waiting, dict.fromkeys(key for each in waiting for key in each), merge)
    if rest:
        yield _frame(rest).sort(KEY)


def _logged_entries(
    view: FeatureView, table: ServedTable, merged: MergedPushes, now: datetime
) -> list[dict[bytes, bytes]]:
    """Return what logged pushes add to each key, batch after batch in order."""
    fed = [source for source in merged.sources if is_fed_by(view, source)]
    schemas = NewestSchemas()
    batches = (
        pushes_as_read(view, source, pushes, lambda each: schemas.of(merged.store, each.asset))
        for source in fed
        for pushes in batches_of_pushes(merged.missing_pushes(source))
    )
    made = (entries_of_pushes(view, table, pushes, now, merged=merged) for pushes in batches)
    return [dict(entries) for entries in made if entries]


def _merge_all(
    waiting: Sequence[dict[bytes, bytes]], entries: Mapping[bytes, bytes | None], merge: Merge
) -> dict[bytes, bytes]:
    """Merge into entries what pushes add to them, and take it out of what waits."""
    merged = dict(entries)
    for added in waiting:
        keys = [key for key in merged if key in added]
        merged.update(zip(keys, merge([merged[key] for key in keys], [added.pop(key) for key in keys]), strict=True))
    return {key: entry for key, entry in merged.items() if entry is not None}


def _frame(entries: Mapping[bytes, bytes]) -> pl.DataFrame:
    schema = {KEY: pl.Binary, ENTRY: pl.Binary}
    return pl.DataFrame({KEY: [*entries], ENTRY: [*entries.values()]}, schema=schema)
