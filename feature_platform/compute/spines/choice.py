"""The choice of rows for a spine: by a stable hash of each row alone.

So a larger share holds every row of a smaller one, and rows that come late change no choice that was made before.
"""

from collections.abc import Sequence

import polars as pl

from feature_platform.compute.keys.buckets import stable_hash
from feature_platform.ground.clock import UTC, utc

_HASHES = 2**64


def choose_rows(rows: pl.DataFrame, share: float, by: Sequence[str], salt: str) -> pl.DataFrame:
    """Return the rows whose hash falls into a share of all hashes, in their order.

    Rows with equal values in `by` are chosen together or not at all. A null is a value like any other.

    Args:
        share: above 0, at most 1.
        by: the columns whose values decide.
        salt: the name of what chooses; another one chooses other rows.

    Raises:
        MissingColumns, WrongColumnType: a column of `by` is absent or cannot be hashed.

    >>> orders = pl.DataFrame({"order": range(1000)})
    >>> few, more = (choose_rows(orders, share, ["order"], "some")["order"] for share in (0.1, 0.3))
    >>> len(few), len(more), set(few) <= set(more)
    (98, 296, True)
    """
    if share >= 1:
        return rows
    return rows.filter(stable_hash(rows, by, salt) < int(share * _HASHES))


def moment_of_rows(schema: pl.Schema, event_time: str, known_at: str | None, owner: str) -> pl.Expr:
    """Return when each row can be asked about: from its event time on, and not before it was known.

    It is null where a clock is.

    Raises:
        MissingColumns, NotUtc, WrongColumnType: a clock is absent or no time with a zone.
    """
    happened = utc(schema, event_time, owner)
    if known_at is None:
        return happened
    known = utc(schema, known_at, owner)
    return pl.when(happened.is_not_null() & known.is_not_null()).then(pl.max_horizontal(happened, known)).cast(UTC)


def hashable_columns(schema: pl.Schema) -> list[str]:
    """Return the columns that a stable hash can read: all but lists, structs, arrays and objects."""
    return [name for name, dtype in schema.items() if not dtype.is_nested() and dtype != pl.Object]
