"""Decisions: which of many p-values are no chance, and which differences last."""

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.parts.drift.base import Floats

Flags = npt.NDArray[np.bool_]


def discoveries(p_values: Floats, rate: float) -> Flags:
    """Tell which p-values are no chance by Benjamini and Hochberg (1995). NaN is none and does not count as a try.

    >>> discoveries(np.array([0.001, 0.2, 0.012, np.nan]), 0.05).tolist()
    [True, False, True, False]
    """
    known = np.flatnonzero(~np.isnan(p_values))
    ordered = known[np.argsort(p_values[known], kind="stable")]
    below = p_values[ordered] <= rate * np.arange(1, len(ordered) + 1) / max(len(ordered), 1)
    last = int(np.flatnonzero(below)[-1]) + 1 if below.any() else 0
    chosen = np.zeros(len(p_values), dtype=np.bool_)
    chosen[ordered[:last]] = True
    return chosen


def lasting(differs: pl.Expr, certain: pl.Expr, needed: int, of: int) -> pl.Expr:
    """Tell whether something differs in so many of the last windows, this one included, or for certain in this one.

    Windows are rows in order of time; one without an answer (null) counts as one that does not differ.

    >>> frame = pl.DataFrame({"d": [True, False, True, False, False], "c": [False] * 4 + [True]})
    >>> frame.select(lasting(pl.col("d"), pl.col("c"), 2, 3)).to_series().to_list()
    [False, False, True, False, True]
    """
    flags = differs.fill_null(value=False)
    recent = flags.cast(pl.UInt32).rolling_sum(of, min_samples=1)
    return certain.fill_null(value=False) | (flags & (recent >= needed))
