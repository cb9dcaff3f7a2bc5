"""Polars and numpy by hand: the floor, what a good user could write without the platform."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.engines.base import NotOffered, Prepared
from benchmarks.place import Place
from benchmarks.shapes import (
    AMOUNT,
    DAY_US,
    KEY,
    KNOWN,
    ROW,
    START,
    START_US,
    TIME,
    Join,
    Publish,
    Table,
    Windows,
    Work,
    feature_name,
)

INVERTIBLE = ("count", "sum", "mean", "std")
_TIME_BITS = 46  # microseconds of two years
_SEEN, _RANK, _EVENT = "seen", "rank", "happened"

Whole = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def prepare(work: Work, place: Place) -> Prepared[pl.DataFrame] | Prepared[None]:
    """A work, ready to start."""
    match work:
        case Join(stored=True):
            file = place.answers / "joined.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            return Prepared(lambda: joined(work, place).sink_parquet(file), lambda _: pl.scan_parquet(file))
        case Join():
            return Prepared(lambda: joined(work, place).collect(), pl.DataFrame.lazy)
        case Windows() if set(work.aggregations) <= set(INVERTIBLE):
            return Prepared(lambda: windows_by_prefix_sums(work, place), pl.DataFrame.lazy)
        case Publish():
            return Prepared(lambda: last_day(work, place).collect(), pl.DataFrame.lazy)
        case _:
            raise NotOffered("raw", work)


def joined(work: Join, place: Place) -> pl.LazyFrame:
    """One as-of join for each table."""
    spine = pl.scan_parquet(place.spine(work.spine)).sort(TIME)
    for table in work.tables:
        spine = _joined_when_known(spine, table, work, place) if work.known else _joined(spine, table, work, place)
    return spine


def _joined(spine: pl.LazyFrame, table: Table, work: Join, place: Place) -> pl.LazyFrame:
    rows = pl.scan_parquet(place.files(table)).select(KEY, TIME, *table.columns).sort(TIME)
    return spine.join_asof(rows, on=TIME, by=KEY, tolerance=f"{work.ttl_days}d", check_sortedness=False)


def _joined_when_known(spine: pl.LazyFrame, table: Table, work: Join, place: Place) -> pl.LazyFrame:
    """The newest row among those seen so far, in the order in which they are seen."""
    rows = (
        pl.scan_parquet(place.files(table))
        .select(KEY, pl.col(TIME).alias(_EVENT), pl.max_horizontal(TIME, KNOWN).alias(_SEEN), *table.columns)
        .sort(_EVENT, _SEEN)
        .with_row_index(_RANK)
        .sort(_SEEN, _RANK)
        .filter(pl.col(_RANK) == pl.col(_RANK).cum_max().over(KEY))
    )
    found = spine.join_asof(rows, left_on=TIME, right_on=_SEEN, by=KEY, check_sortedness=False)
    fresh = pl.col(TIME) - pl.col(_EVENT) <= timedelta(days=work.ttl_days)
    values = [pl.when(fresh).then(pl.col(name)).alias(name) for name in table.columns]
    return found.with_columns(values).drop(_SEEN, _EVENT, _RANK)


def windows_by_prefix_sums(work: Windows, place: Place) -> pl.DataFrame:
    """Differences of running sums over events sorted by key and time, found by binary search."""
    events = pl.scan_parquet(place.files(work.events)).select(_place_of(0).alias("place"), AMOUNT).sort("place")
    found = events.collect()
    places, amounts = found["place"].to_numpy(), found[AMOUNT].to_numpy()
    middle = amounts.mean()  # sums of squares lose fewer digits around it
    sums = {power: np.append(0.0, np.cumsum((amounts - middle) ** power)) for power in (1, 2)}
    spine = pl.scan_parquet(place.spine(work.spine)).select(ROW, _place_of(0).alias("high"), TIME, KEY).collect()
    order = spine["high"].arg_sort()
    spine = spine.gather(order)  # neighbours are searched for one after the other
    high = np.searchsorted(places, spine["high"].to_numpy())
    columns: dict[str, pl.Series | Floats | Whole] = {ROW: spine[ROW]}
    for days in work.days:
        low = np.searchsorted(places, spine.select(_place_of(days)).to_series().to_numpy())
        columns |= _of_window(work.aggregations, days, high, low, sums, middle)
    return pl.DataFrame(columns, nan_to_null=True)


def _place_of(days_before: int) -> pl.Expr:
    """Key and time as one number; a time before the first day is the first instant of the key."""
    since = pl.col(TIME).cast(pl.Int64) - START_US - days_before * DAY_US
    return since.clip(lower_bound=0) + pl.col(KEY) * (1 << _TIME_BITS)


def _of_window(
    aggregations: Sequence[str], days: int, high: Whole, low: Whole, sums: Mapping[int, Floats], middle: float
) -> dict[str, Floats | Whole]:
    """Invertible aggregations of the events between two places each."""
    counts = high - low
    first, second = (sums[power][high] - sums[power][low] for power in (1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(counts > 1, (second - first**2 / counts) / (counts - 1), np.nan)
        values = {
            "count": counts,
            "sum": first + counts * middle,
            "mean": middle + first / counts,
            "std": np.sqrt(np.maximum(variance, 0)),
        }
    return {feature_name(name, days): values[name] for name in aggregations}


def last_day(work: Publish, place: Place) -> pl.LazyFrame:
    """The windows that end with the last day, of every key with an event in the longest."""
    end = START + timedelta(days=work.end_day)
    events = pl.scan_parquet(place.files(work.events)).filter(_within(end, max(work.days)))
    values: dict[str, pl.Expr] = {}
    for days in work.days:
        amounts = pl.col(AMOUNT).filter(_within(end, days))
        values |= {feature_name("count", days): amounts.len(), feature_name("mean", days): amounts.mean()}
    wanted = [feature_name(name, days) for name in work.aggregations for days in work.days]
    return events.group_by(pl.col(KEY).alias(ROW)).agg(values[name].alias(name) for name in wanted)


def _within(end: datetime, days: int) -> pl.Expr:
    return pl.col(TIME).is_between(end - timedelta(days=days), end, closed="left")
