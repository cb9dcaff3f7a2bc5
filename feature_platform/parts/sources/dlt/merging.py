"""Merging what a pipeline brought into its Delta table: the newest row of each key, in one commit.

Rows that are there already, or are older than what is there, change nothing, so that an overlap makes no new files. The
commit has the number of the state by which the pipeline goes on, so that rows and state cannot differ.
"""

from collections.abc import Sequence

import polars as pl
import polars.selectors as cs
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from feature_platform.ground.working_columns import STORED_CURSOR

_WRITER = "feature_platform.dlt"
_TIDY_EVERY = 20  # merges; each adds a file
_KEPT_HOURS = 168  # files that no version needs any more; a run that reads takes less


class CannotMerge(Exception):
    """Rows that cannot be merged: what was found, and what would do."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.remedy = remedy


def last_merge(uri: str) -> int:
    """Return the number of the last merge into a table; 0 when there is none."""
    if not DeltaTable.is_deltatable(uri):
        return 0
    return DeltaTable(uri).transaction_version(_WRITER) or 0


def merge_rows(uri: str, fetched: pl.DataFrame, key: Sequence[str], cursor: str, number: int) -> bool:
    """Merge rows into a table, and tell whether anything changed; otherwise nothing is committed.

    Args:
        number: of this merge.

    Raises:
        CannotMerge: a column has another type than the table, or a row has no key.
    """
    fetched = storable(fetched)
    keyless = fetched.filter(pl.any_horizontal(pl.col(key).is_null())).height
    if keyless:
        found = f"{keyless} rows have no {' and '.join(f'`{name}`' for name in key)}, which is their key"
        raise CannotMerge(found, "Give the fields that every row has as `key`.")
    newest = fetched.sort(cursor, nulls_last=False, maintain_order=True).unique(key, keep="last", maintain_order=True)
    properties = CommitProperties(app_transactions=[Transaction(_WRITER, number)])
    if not DeltaTable.is_deltatable(uri):
        if newest.height:
            write_deltalake(uri, newest, commit_properties=properties)
        return newest.height > 0
    table = DeltaTable(uri)
    news = _news_of(newest, pl.scan_delta(table), key, cursor)
    if news.is_empty():
        return False
    same = " AND ".join(f'target."{name}" = source."{name}"' for name in key)
    merging = table.merge(news, same, "source", "target", merge_schema=True, commit_properties=properties)
    merging.when_matched_update_all().when_not_matched_insert_all().execute()
    if number % _TIDY_EVERY == 0:
        tidy_table(uri)
    return True


def tidy_table(uri: str) -> None:
    """Join the small files of a table, and remove those that no version of the last week needs."""
    table = DeltaTable(uri)
    table.optimize.compact()
    table.vacuum(_KEPT_HOURS, dry_run=False)


def storable(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with types that Delta has: a time of day becomes text, and a column without a value is left out."""
    return rows.select(~cs.by_dtype(pl.Null)).with_columns(cs.time().cast(pl.String))


def _news_of(newest: pl.DataFrame, stored: pl.LazyFrame, key: Sequence[str], cursor: str) -> pl.DataFrame:
    """Return the rows that a table does not have, or has older."""
    schema = stored.collect_schema()
    rows = _as_stored(newest, schema)
    there = stored.join(rows.lazy().select(key), on=key, how="semi").collect()
    added = [pl.lit(None, dtype).alias(name) for name, dtype in rows.schema.items() if name not in schema]
    changed = rows.join(there.with_columns(added), on=rows.columns, how="anti", nulls_equal=True)
    before = there.select(*key, pl.col(cursor).alias(STORED_CURSOR))
    compared = changed.join(before, on=key, how="left", maintain_order="left")
    return compared.filter(pl.col(STORED_CURSOR).is_null() | (pl.col(cursor) >= pl.col(STORED_CURSOR))).drop(
        STORED_CURSOR
    )


def _as_stored(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return rows with all columns of a table, in its types."""
    for name, dtype in rows.schema.items():
        if name in schema and not _fits(dtype, schema[name]):
            found = f"column `{name}` is {dtype} now where the table has {schema[name]}"
            raise CannotMerge(found, "Give the column its type in the pipeline: @dlt.resource(columns={...}).")
    wanted = {**schema, **{name: dtype for name, dtype in rows.schema.items() if name not in schema}}
    columns = (
        pl.col(name).cast(dtype) if name in rows.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in wanted.items()
    )
    return rows.select(columns)


def _fits(found: pl.DataType, wanted: pl.DataType) -> bool:
    """Tell whether values are the same in another type, or are refused when they are cast."""
    if found.is_integer():
        return wanted.is_integer() or wanted.is_float()
    return found == wanted or (found.is_float() and wanted.is_float())
