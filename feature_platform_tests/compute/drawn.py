"""Small frames drawn by hypothesis: few keys and few instants, so that ties and gaps are common."""

from datetime import UTC as ZONE
from datetime import datetime, timedelta

import polars as pl
from hypothesis import settings
from hypothesis import strategies as st

from feature_platform.ground.clock import UTC
from feature_platform_tests.effort import is_thorough, tries


def drawn(examples: int) -> settings:
    """Return settings for so many examples of the full profile; only the thorough one draws new ones each time."""
    return settings(derandomize=not is_thorough(), max_examples=tries(examples))


DRAWN = drawn(100)

EPOCH = datetime(1970, 1, 1, tzinfo=ZONE)  # drawn hours lie on both sides of it
KEYS = st.sampled_from(["UA", "UA", "UA", "UA", "航", "航", None])
PARTS = st.sampled_from([1, 1, 1, 1, 1, 1, 2, None])
HOURS = st.sampled_from([*range(-5, 6), *range(-5, 6), None])
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


def drawn_rows(*columns, max_size=14):
    """Lists of rows, one strategy for each column: mostly long enough for rows to meet, at times none."""
    row = st.tuples(*columns)
    long = [st.lists(row, min_size=size, max_size=max_size) for size in range(max_size - 6, max_size + 1)]
    return st.one_of(*long, st.lists(row, max_size=3))


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
