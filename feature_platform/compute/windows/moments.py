"""Sums, means and spreads of the windows of one column.

Each is a function of the values of its own range alone, whatever their order and whatever else is loaded: a sum is the
true sum rounded once, a mean is that divided by the count, a variance is made of the true sums of values and of their
squares or, where these nearly cancel, of distances. So any cut of time, keys or rows gives the same bits.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.windows.asked import AskedFeature
from feature_platform.compute.windows.exact_spreads import ExactSpreads
from feature_platform.compute.windows.exact_sums import exact_sum, nearest_float
from feature_platform.compute.windows.non_nulls import non_null_values
from feature_platform.compute.windows.spans import Ranges, longest_range, spans
from feature_platform.compute.windows.timeline import Whole
from feature_platform.compute.windows.true_sums import OddValues, PlainValues, TrueSums
from feature_platform.compute.windows.whole_sums import WholeSums
from feature_platform.parts.aggregations import Mean, Std, Sum, Var
from feature_platform.parts.aggregations.windows import Window

Numbers = npt.NDArray[np.float64]
NumbersByWindow = dict[Window, Numbers]  # a number for each range

LOST = 8 * 2.0**-53  # of the sum of squares, by all roundings on the way to a variance; generous
FEW = 10_000  # values that are not worth a thread
_VERY_FEW = 3_000  # values in all ranges at most, which are added up before numpy has begun
_CLOSE = 5e-10  # of the promised 1e-9
_SMALL = 2.0**-900  # of squares; below it they may have lost digits


class Moments:
    """The sums, means and spreads of one column over windows, which share what they are made of.

    Attributes:
        beyond: by feature the positions of ranges of whole numbers whose sum does not fit 64 bits.
    """

    def __init__(self, column: pl.Series) -> None:
        self.non_nulls = non_null_values(column)
        self.is_whole = column.dtype.is_integer() or column.dtype == pl.Boolean
        self.beyond: dict[str, Whole] = {}

    def values(self, asked: Sequence[AskedFeature], ranges: Mapping[Window, Ranges]) -> dict[str, pl.Series]:
        """Return some sums, means and spreads of the column.

        Args:
            ranges: of events, by window.
        """
        among = {each.window: self._among(*ranges[each.window]) for each in asked}
        spread = {each.window: among[each.window] for each in asked if type(each.aggregation) in (Std, Var)}
        whole = WholeSums(self.non_nulls.values, longest_range(list(among.values()))) if self.is_whole else None
        sums, squares = self._sums_and_squares(whole, among, spread)
        spreads = {window: self._spreads(sums[window], each, *among[window]) for window, each in squares.items()}
        columns: dict[str, pl.Series] = {}
        for each in asked:
            (low, high), total = among[each.window], sums[each.window]
            if type(each.aggregation) is Sum:
                columns[each.name] = pl.Series(total) if whole is None else self._whole(each.name, whole, low, high)
            elif type(each.aggregation) is Mean:
                columns[each.name] = self._mean(total, low, high)
            else:
                columns[each.name] = spreads[each.window].feature(root=type(each.aggregation) is Std)
        return columns

    @cached_property
    def _floats(self) -> Numbers:
        return self.non_nulls.values.cast(pl.Float64).to_numpy()

    @cached_property
    def _exact(self) -> tuple[ExactSpreads, OddValues | None]:
        """Return what computes spreads again, and where there are values that have none."""
        values = self.non_nulls.values
        if self.is_whole and values.dtype not in (pl.Int128, pl.UInt128):
            return ExactSpreads(values.cast(pl.UInt64 if values.dtype == pl.UInt64 else pl.Int64).to_numpy()), None
        finite = np.isfinite(self._floats)
        if finite.all():
            return ExactSpreads(self._floats), None
        return ExactSpreads(np.where(finite, self._floats, 0.0)), OddValues(self._floats)

    def _among(self, low: Whole, high: Whole) -> Ranges:
        return self.non_nulls.among(low), self.non_nulls.among(high)

    def _sums_and_squares(
        self, whole: WholeSums | None, among: Mapping[Window, Ranges], spread: Mapping[Window, Ranges]
    ) -> tuple[NumbersByWindow, NumbersByWindow]:
        """Return the sums of all ranges, and the sums of squares of those that spreads are asked of."""

        def sums() -> NumbersByWindow:
            return _true_sums(self._floats, among) if whole is None else _float_sums(whole, among)

        if not spread or len(self.non_nulls.values) < FEW:
            return sums(), self._squares(spread)
        with ThreadPoolExecutor(1, thread_name_prefix="feature_platform-squares") as threads:
            squares = threads.submit(self._squares, spread)
            return sums(), squares.result()

    def _squares(self, ranges: Mapping[Window, Ranges]) -> NumbersByWindow:
        return _true_sums(self._floats, ranges, squared=True)

    def _whole(self, feature: str, sums: WholeSums, low: Whole, high: Whole) -> pl.Series:
        totals, beyond = sums.over(low, high)
        if beyond.any():
            self.beyond[feature] = np.flatnonzero(beyond)
        return pl.Series(totals)

    def _mean(self, sums: Numbers, low: Whole, high: Whole) -> pl.Series:
        with np.errstate(divide="ignore", invalid="ignore"):
            means = sums / (high - low)
        for place in np.flatnonzero(np.isinf(means)):  # the sum of finite values may be beyond floats, its mean is not
            values = self._floats[low[place] : high[place]]
            if np.isfinite(values).all():
                means[place] = nearest_float(exact_sum(values.tolist()) / len(values))
        return pl.Series(means).set(pl.Series(high == low), None)

    def _spreads(self, sums: Numbers, squares: Numbers, low: Whole, high: Whole) -> "Spreads":
        """Compute variances from sums and sums of squares; where these nearly cancel, compute them exactly."""
        count = high - low
        exact, odd = self._exact
        exponents = np.zeros(len(low), dtype=np.int64)
        with np.errstate(all="ignore"):
            around = squares - sums * (sums / count)
            variances = around / (count - 1)
            certain = (LOST * squares <= _CLOSE * around) & (around >= _SMALL) & np.isfinite(squares)
        doubtful = (count > 1) & ~certain
        if odd is not None:
            doubtful &= ~(is_odd := odd.among(low, high))
            variances[is_odd] = np.nan
        if doubtful.any():
            variances[doubtful], exponents[doubtful] = exact.over(low[doubtful], high[doubtful])
        return Spreads(variances, exponents, count > 1)


@dataclass(frozen=True)
class Spreads:
    """Variances as `m * 4**e`, and which ranges have one."""

    variances: Numbers
    exponents: Whole
    there: npt.NDArray[np.bool_]

    def feature(self, *, root: bool) -> pl.Series:
        """Return the variances, or the deviations."""
        with np.errstate(all="ignore"):
            if root:
                values = np.ldexp(np.sqrt(self.variances), self.exponents)
            else:
                values = np.ldexp(self.variances, 2 * self.exponents)
        return pl.Series(values).set(pl.Series(~self.there), None)


def _true_sums(values: Numbers, ranges: Mapping[Window, Ranges], *, squared: bool = False) -> NumbersByWindow:
    """Return the true sum of the values, or of their squares, of each range."""
    totals = {window: np.zeros(len(low)) for window, (low, _) in ranges.items()}
    if not ranges:
        return totals
    most = longest_range(list(ranges.values()))
    for stretch, first, last in spans(list(ranges.values())):
        part = values[first:last]
        if squared:
            with np.errstate(all="ignore"):
                part = part * part
        lows, highs = ([ends[side][stretch] - first for ends in ranges.values()] for side in (0, 1))
        for window, sums in zip(ranges, _sums(part, lows, highs, most), strict=True):
            totals[window][stretch] = sums
    return totals


def _sums(values: Numbers, lows: Sequence[Whole], highs: Sequence[Whole], most: int) -> Sequence[Numbers]:
    """Return the true sums of several windows; of few ranges all at once, of very few one by one."""
    count = sum(len(low) for low in lows)
    if count > FEW:
        of_all = TrueSums(values, most)
        return [of_all.over(low, high) for low, high in zip(lows, highs, strict=True)]
    one_by_one = count * len(values) <= _VERY_FEW
    over = PlainValues(values).over if one_by_one else TrueSums(values, most).over
    return np.split(over(np.concatenate(lows), np.concatenate(highs)), np.cumsum([len(low) for low in lows])[:-1])


def _float_sums(sums: WholeSums, ranges: Mapping[Window, Ranges]) -> NumbersByWindow:
    return {window: sums.float_sums(low, high) for window, (low, high) in ranges.items()}
