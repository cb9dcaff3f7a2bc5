"""Windows by running totals: the value of a range of rows from what lies before its two ends.

Its cost does not grow with the length of windows. Counts, whole sums, shares, first and last values come out
exactly as if gathered. Sums of floats are within 1e-9 of the sum of magnitudes in the window, variances within
1e-9 of themselves; ranges where that cannot be promised are named, so that they are gathered instead.
"""

import json
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.aggregations import Aggregation, Count, First, Last, Mean, Rate, Std, Sum, Var
from feature_platform.compute.timeline import Timeline, Whole

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Exact = Callable[[Whole, Whole], pl.Series]
Summed = Callable[[Whole, Whole], tuple[pl.Series, Flags]]

_ULP = 2.0**-52
_CLOSE = 1e-10  # of the promised 1e-9; the rest is for the roundings that are not counted here


def exactly(aggregation: Aggregation, line: Timeline) -> Exact | None:
    """The aggregation over ranges `[low, high)` of rows to the last bit; none for those it cannot do."""
    if line.known is not None:
        return None
    kind = type(aggregation)
    if kind is Count:
        return _count(line, aggregation.column)
    if kind is Sum and _is_whole(line.events.schema[str(aggregation.column)]):
        return _whole_sum(line, str(aggregation.column))
    if isinstance(aggregation, Rate) and kind is Rate and _is_rowwise(aggregation.condition):
        return _share(line, aggregation.condition)
    if kind in (First, Last):
        return _end(line, str(aggregation.column), first=kind is First)
    return None


def summed(aggregation: Aggregation, line: Timeline) -> Summed | None:
    """The aggregation of floats over ranges `[low, high)`, and the ranges for which to gather instead.

    None for what it cannot do, which includes columns whose total is beyond the range of floats.
    """
    kind = type(aggregation)
    if line.known is not None or kind not in (Sum, Mean, Std, Var):
        return None
    values = line.events.get_column(str(aggregation.column)).cast(pl.Float64)
    with np.errstate(over="ignore"):
        largest = _finite(values) ** (1 if kind in (Sum, Mean) else 2)
        if not np.isfinite(4 * np.abs(largest).sum()):
            return None
    if kind in (Sum, Mean):
        return _float_sum(values, mean=kind is Mean)
    return _spread_of(values, line, root=kind is Std)


def _is_whole(dtype: pl.DataType) -> bool:
    return dtype.is_integer() or dtype == pl.Boolean


def _is_rowwise(condition: pl.Expr) -> bool:
    """Whether a condition is made of columns, single values and binary operators: it looks at one row only.

    `Expr.meta.is_row_separable` cannot be asked: it says yes to `col("x") > col("x").mean()`.
    """
    try:
        nodes = [json.loads(condition.meta.serialize(format="json"))]
    except pl.exceptions.PolarsError:  # Python code inside
        return False
    while nodes:
        match nodes.pop():
            case {"Column": _} | {"Literal": {"Dyn": _}} | {"Literal": {"Scalar": _}}:
                pass
            case {"BinaryExpr": {"left": left, "right": right}}:
                nodes += [left, right]
            case _:
                return False
    return True


# ---------------------------------------------------------------- exact


def _running(values: npt.NDArray[np.int64] | Flags) -> Whole:
    return np.append(0, np.cumsum(values, dtype=np.int64))


def _count(line: Timeline, column: str | None) -> Exact:
    if column is None:
        return lambda low, high: pl.Series(high - low)
    counts = _running(line.events.get_column(column).is_not_null().to_numpy())
    return lambda low, high: pl.Series(counts[high] - counts[low])


def _whole_sum(line: Timeline, column: str) -> Exact:
    sums = _running(line.events.get_column(column).cast(pl.Int64).fill_null(0).to_numpy())
    return lambda low, high: pl.Series(sums[high] - sums[low])


def _share(line: Timeline, condition: pl.Expr) -> Exact:
    holds = line.events.select(condition.cast(pl.Boolean).alias("holds")).to_series()
    yes, known = _running(holds.fill_null(value=False).to_numpy()), _running(holds.is_not_null().to_numpy())
    return lambda low, high: _ratio((yes[high] - yes[low]).astype(np.float64), known[high] - known[low])


def _end(line: Timeline, column: str, *, first: bool) -> Exact:
    """The first or last value: for each row the nearest one that is not null, in the direction of the range."""
    values = line.events.get_column(column)
    rows, is_value = np.arange(len(values)), values.is_not_null().to_numpy()
    if first:
        nearest = np.append(np.minimum.accumulate(np.where(is_value, rows, len(values))[::-1])[::-1], len(values))
    else:
        nearest = np.append(-1, np.maximum.accumulate(np.where(is_value, rows, -1)))

    def over(low: Whole, high: Whole) -> pl.Series:
        row = nearest[low if first else high]
        found = pl.Series(row).set(pl.Series((row < low) | (row >= high)), None)
        return values.gather(found)

    return over


def _ratio(sums: Numbers, counts: Whole) -> pl.Series:
    with np.errstate(divide="ignore", invalid="ignore"):
        return pl.Series(sums / counts).set(pl.Series(counts == 0), None)


# ---------------------------------------------------------------- floats


class _Totals:
    """Running totals in twice the precision of floats: rounded sums, and the sum of what rounding lost.

    Cascaded summation, Ogita, Rump and Oishi, "Accurate sum and dot product" (2005), Sum2.
    """

    def __init__(self, values: Numbers) -> None:
        self.sums = np.append(0.0, np.cumsum(values))
        self.lost = np.append(0.0, np.cumsum(_rounding(self.sums[:-1], values, self.sums[1:])))

    def between(self, low: Whole, high: Whole) -> Numbers:
        """The sum of the rows `[low, high)`."""
        start, end = self.sums[low], self.sums[high]
        apart = end - start
        result: Numbers = apart + (_rounding(end, -start, apart) + (self.lost[high] - self.lost[low]))
        return result


def _rounding(left: Numbers, right: Numbers, rounded: Numbers) -> Numbers:
    """What `rounded = left + right` lost, exactly (Knuth's two-sum)."""
    shadow = rounded - left
    lost: Numbers = (left - (rounded - shadow)) + (right - shadow)
    return lost


def _finite(values: pl.Series) -> Numbers:
    """The values as an array, with 0 for those that are null, NaN or infinite."""
    numbers = values.fill_null(0.0).to_numpy()
    return np.where(np.isfinite(numbers), numbers, 0.0)


class _NotFinite:
    """Counts of values, NaN and infinities, so that each shows in the ranges that hold it and in no other."""

    def __init__(self, values: pl.Series) -> None:
        numbers = values.fill_null(0.0).to_numpy()
        self.values = _running(values.is_not_null().to_numpy())
        self.nan, self.up, self.down = (
            _running(each) for each in (np.isnan(numbers), numbers == np.inf, numbers == -np.inf)
        )

    def count(self, low: Whole, high: Whole) -> Whole:
        return self.values[high] - self.values[low]

    def added(self, low: Whole, high: Whole) -> Numbers:
        """What they add to a sum: NaN, an infinity or 0."""
        nan, up, down = ((each[high] - each[low]) > 0 for each in (self.nan, self.up, self.down))
        return np.where(nan | (up & down), np.nan, np.where(up, np.inf, np.where(down, -np.inf, 0.0)))


def _float_sum(values: pl.Series, *, mean: bool) -> Summed:
    numbers, others = _finite(values), _NotFinite(values)
    totals, sizes = _Totals(numbers), _Totals(np.abs(numbers))

    def over(low: Whole, high: Whole) -> tuple[pl.Series, Flags]:
        lost = 8 * len(numbers) * _ULP**2 * sizes.sums[high]
        doubtful = lost > _CLOSE * sizes.between(low, high)
        sums = totals.between(low, high) + others.added(low, high)
        return _ratio(sums, others.count(low, high)) if mean else pl.Series(sums), doubtful & (high > low)

    return over


def _spread_of(values: pl.Series, line: Timeline, *, root: bool) -> Summed:
    """Variance from sums of distances, and squared distances, to the mean of the key."""
    numbers, others, rows = _finite(values), _NotFinite(values), len(values)
    held = (values.is_not_null().to_numpy() & np.isfinite(values.fill_null(0.0).to_numpy())).astype(np.float64)
    weights = np.bincount(line.codes, weights=held)
    middle = (np.bincount(line.codes, weights=numbers) / np.maximum(weights, 1))[line.codes]
    distances = np.where(held > 0, numbers - middle, 0.0)
    first, second = _Totals(distances), _Totals(distances**2)
    largest = np.append(np.maximum.accumulate(np.abs(numbers) + np.abs(middle)), 0.0)

    def over(low: Whole, high: Whole) -> tuple[pl.Series, Flags]:
        count, sums, squares = others.count(low, high), first.between(low, high), second.between(low, high)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            around = np.maximum(squares - sums**2 / count, 0)
            cut = 2 * _ULP * largest[high - 1]  # how far a distance may be off
            before = second.sums[high]
            running = 8 * rows * _ULP**2 * (before + np.sqrt(rows * before) * np.sqrt(squares / count))
            lost = 8 * _ULP * squares + running + 2 * np.sqrt(count * around) * cut + count * cut**2
            variance = around / (count - 1) + others.added(low, high) * 0
            doubtful = (count > 1) & ~(lost <= _CLOSE * around)
        found = pl.Series(np.sqrt(variance) if root else variance)
        return found.set(pl.Series(count < 2), None), doubtful

    return over
