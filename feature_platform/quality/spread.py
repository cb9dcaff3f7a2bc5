"""Rules that hold a value against its whole column: z-scores and outliers.

The statistics are those of the rows judged, nulls and NaN left out; where there are none to hold a value
against (an empty or constant column, an infinite mean), nothing is an outlier. A NaN is one always.
"""

import polars as pl

from feature_platform.quality.subject import NotComputable, Subject


def far_by_z_score(subject: Subject) -> pl.Expr:
    """True where `(value - mean) / deviation` reaches `threshold`; on either side when `double_sided`."""
    cells, known = _cells(subject)
    threshold = _number(subject, "threshold")
    deviation = known.std()
    score = (cells - known.mean()) / deviation
    far = score.abs() >= abs(threshold) if subject.values.get("double_sided", True) else score >= threshold
    return _where(far & score.is_not_nan(), (deviation > 0) & deviation.is_finite()) | cells.is_nan()


def outlying(subject: Subject) -> pl.Expr:
    """True where a value lies outside Tukey's fences (`iqr`), or `multiplier` deviations from the mean (`std`)."""
    cells, known = _cells(subject)
    multiplier = _number(subject, "multiplier", 1.5)
    method = subject.values.get("method") or "iqr"
    if method == "iqr":
        low, high = known.quantile(0.25, "linear"), known.quantile(0.75, "linear")
        reach = (high - low) * multiplier
        far = (cells < low - reach) | (cells > high + reach)
        return _where(far, low.is_finite() & high.is_finite()) | cells.is_nan()
    if method != "std":
        raise NotComputable(f"`method` is {method!r}. Use iqr or std.")
    mean, deviation = known.mean(), known.std()
    reach = deviation * multiplier
    far = pl.when(reach > 0).then((cells - mean).abs() >= reach).otherwise(cells != mean)
    return _where(far, mean.is_finite() & deviation.is_finite()) | cells.is_nan()


def _cells(subject: Subject) -> tuple[pl.Expr, pl.Expr]:
    subject.needs("a number")
    cells = pl.col(subject.name).cast(pl.Float64)
    return cells, cells.drop_nulls().drop_nans()


def _where(far: pl.Expr, basis: pl.Expr) -> pl.Expr:
    return pl.when(basis.fill_null(value=False)).then(far).otherwise(pl.lit(value=False))


def _number(subject: Subject, key: str, default: float | None = None) -> float:
    found = subject.values.get(key, default)
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise NotComputable(f"`{key}` is {found!r}, but a number is needed.")
    return found
