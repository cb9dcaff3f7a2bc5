"""Short timelines of literal values, and all ranges of their rows."""

import numpy as np
import polars as pl
from hypothesis import strategies as st

from feature_platform.compute.windows.timeline import timeline
from feature_platform.ground.clock import UTC

NASTY = st.one_of(
    st.sampled_from([1e16, 1.0, -1e16, 1e100, -1e100, 1e-100, 0.0, -0.0, 0.1, 0.1]),
    st.floats(-1e120, 1e120),
    st.floats(-10, 10),
)
ANY_FLOAT = st.one_of(st.none(), st.sampled_from([float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1.0]), NASTY)


def line_of(values, dtype=pl.Float64, keys=None):
    """A microsecond between events; of one key, or of the keys given, ascending."""
    events = pl.DataFrame({"x": pl.Series(values, dtype=dtype)}).with_row_index("t")
    text = pl.Series([None if value is None else str(value) for value in values], dtype=pl.String)
    events = events.with_columns(pl.col("t").cast(pl.Int64).cast(UTC), text=text)
    types = {} if keys is None else {"key": pl.Int64()}
    if keys is not None:
        events = events.with_columns(key=pl.Series(keys, dtype=pl.Int64))
    return timeline(events, types, event_time="t", known_at=None, inputs=["x", "text"], owner="test")


def ranges_of(values):
    """All ranges `[low, high)`, empty ones too."""
    low, high = zip(*[(i, j) for i in range(len(values) + 1) for j in range(i, len(values) + 1)], strict=True)
    return np.array(low), np.array(high)
