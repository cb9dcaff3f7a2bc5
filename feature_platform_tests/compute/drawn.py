"""Small frames drawn by hypothesis: few keys and few instants, so that ties and gaps are common."""

from datetime import UTC as ZONE
from datetime import datetime, timedelta

import polars as pl
from hypothesis import settings
from hypothesis import strategies as st

from feature_platform.clock import UTC

DRAWN = settings(derandomize=True, deadline=None, max_examples=100)

EPOCH = datetime(1970, 1, 1, tzinfo=ZONE)  # drawn hours lie on both sides of it
KEYS = st.sampled_from(["UA", "é", "航", None])
PARTS = st.sampled_from([1, 2, None])
HOURS = st.one_of(st.none(), st.integers(-12, 12))
VALUES = st.one_of(
    st.none(),
    st.sampled_from([0.0, 1.0, 1.0, 2.5, -3.0, 1e16, -1e16, float("nan"), float("inf"), float("-inf")]),
    st.floats(-1e6, 1e6),
)


def at(hour: float) -> datetime:
    """The moment that many hours after the epoch."""
    return EPOCH + timedelta(hours=hour)


def day(number: int, hour: int = 0) -> datetime:
    """A moment of March 2013."""
    return datetime(2013, 3, number, hour, tzinfo=ZONE)


def drawn_rows(*columns, max_size=12):
    """Lists of rows, one strategy for each column."""
    return st.lists(st.tuples(*columns), max_size=max_size)


def frame(rows, **schema) -> pl.DataFrame:
    """Rows as a frame; a column of type `UTC` is drawn in whole hours."""
    columns = {
        name: pl.Series(
            name,
            [at(row[i]) if dtype == UTC and row[i] is not None else row[i] for row in rows],
            dtype=dtype,
        )
        for i, (name, dtype) in enumerate(schema.items())
    }
    return pl.DataFrame(columns)
