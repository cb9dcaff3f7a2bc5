"""Rules that compare a value with its whole column: z-scores and outliers.

The statistics are those of the judged rows, without nulls and NaN. Where they are of no use (an empty or constant
column, an infinite mean), nothing is an outlier. A NaN always is one.
"""

import polars as pl

from feature_platform.quality.target import NotComputable, RuleTarget


def far_by_z_score(target: RuleTarget) -> pl.Expr:
    """Return an expression that is true where a z-score reaches `threshold`; on either side when `double_sided`.

    The score is `(value - mean) / deviation`.
    """
    cells, numbers = _cells(target)
    threshold = _number(target, "threshold")
    deviation = numbers.std()
    score = (cells - numbers.mean()) / deviation
    far = score.abs() >= abs(threshold) if target.values.get("double_sided", True) else score >= threshold
    return _where(far & score.is_not_nan(), (deviation > 0) & deviation.is_finite()) | cells.is_nan()


def outliers(target: RuleTarget) -> pl.Expr:
    """Return an expression that is true where a value is an outlier.

    It lies outside Tukey's fences (`iqr`), or `multiplier` deviations from the mean (`std`).
    """
    cells, numbers = _cells(target)
    multiplier = _number(target, "multiplier", 1.5)
    method = target.values.get("method") or "iqr"
    if method == "iqr":
        low, high = numbers.quantile(0.25, "linear"), numbers.quantile(0.75, "linear")
        reach = (high - low) * multiplier
        far = (cells < low - reach) | (cells > high + reach)
        return _where(far, low.is_finite() & high.is_finite()) | cells.is_nan()
    if method != "std":
        raise NotComputable(f"`method` is {method!r}. Use iqr or std.")
    mean, deviation = numbers.mean(), numbers.std()
    reach = deviation * multiplier
    far = pl.when(reach > 0).then((cells - mean).abs() >= reach).otherwise(cells != mean)
    return _where(far, mean.is_finite() & deviation.is_finite()) | cells.is_nan()


def _cells(target: RuleTarget) -> tuple[pl.Expr, pl.Expr]:
    target.require("a number")
    cells = pl.col(target.name).cast(pl.Float64)
    return cells, cells.drop_nulls().drop_nans()


def _where(far: pl.Expr, basis: pl.Expr) -> pl.Expr:
    return pl.when(basis.fill_null(value=False)).then(far).otherwise(pl.lit(value=False))


def _number(target: RuleTarget, key: str, default: float | None = None) -> float:
    number = target.values.get(key, default)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise NotComputable(f"`{key}` is {number!r}, but a number is needed.")
    return number
