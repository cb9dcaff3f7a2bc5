"""Counting: the profiles of a frame's columns in one pass over its rows, batch by batch."""

from collections.abc import Container, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import polars as pl

from feature_platform.compute.profiles import distinct
from feature_platform.compute.profiles.kinds import comparable, without_nulls
from feature_platform.compute.profiles.layout import Layout, layout_of
from feature_platform.compute.profiles.moments import Starts, moments_of_sorted
from feature_platform.compute.profiles.profile import EXAMPLES, ColumnProfile, empty_profile
from feature_platform.compute.profiles.segments import profile_stretches
from feature_platform.compute.profiles.totals import NOTHING
from feature_platform.ground.working_columns import PROFILED_ROW
from feature_platform.parts.drift.base import Counts, Floats, Kind

Profile = Mapping[str, ColumnProfile]

SAMPLE = 1 << 18  # rows from which layouts are learnt
BATCH = 1 << 18  # rows that are held at once
_BATCH_OF_WINDOWS = 1 << 20  # more, so that the rows of a window are counted in few pieces
_THREADS = 2
_WORTH_A_THREAD = 50_000  # rows; below, handing over costs more than it saves


def layouts_of(frame: pl.DataFrame | pl.LazyFrame, columns: Sequence[str]) -> dict[str, Layout]:
    """Learn the layouts of some columns from all rows, or from about `SAMPLE` spread over all when there are more."""
    rows = sample_rows(frame.lazy().select(columns), SAMPLE)
    if rows.height <= _WORTH_A_THREAD:
        return {name: layout_of(rows[name]) for name in columns}
    with ThreadPoolExecutor(_THREADS) as threads:
        return dict(zip(columns, threads.map(lambda name: layout_of(rows[name]), columns), strict=True))


def sample_rows(rows: pl.LazyFrame, about: int) -> pl.DataFrame:
    """Return all rows, or about so many of them when there are more: spread over all and always the same ones."""
    many = rows.select(pl.len()).collect(engine="streaming").item()
    if many > about:
        chosen = pl.col(PROFILED_ROW).hash(seed=0) < int(about / many * 2.0**64)
        rows = rows.with_row_index(PROFILED_ROW).filter(chosen).drop(PROFILED_ROW)
    return rows.collect(engine="streaming")


def profile_of(frame: pl.DataFrame | pl.LazyFrame, layouts: Mapping[str, Layout]) -> dict[str, ColumnProfile]:
    """Return the profile of all rows of a frame.

    >>> rows = pl.DataFrame({"x": [1.0, 2.0, None]})
    >>> profile_of(rows, layouts_of(rows, ["x"]))["x"].mean
    1.5
    """
    by_window = profiles_by(frame, layouts, None)
    return by_window.get(None, {name: empty_profile(layout) for name, layout in layouts.items()})


def profiles_by(
    frame: pl.DataFrame | pl.LazyFrame, layouts: Mapping[str, Layout], by: pl.Expr | None, *, sketched: bool = True
) -> dict[Hashable, dict[str, ColumnProfile]]:
    """Return the profiles of the rows of each window, in one pass. Rows whose window is null count nowhere.

    Args:
        by: the window of each row; None puts all rows into one, called None.
        sketched: whether different values are counted within windows; without, sketches are empty.
    """
    by_window: dict[Hashable, dict[str, ColumnProfile]] = {}
    for batch in _batches(frame.lazy(), layouts, by):
        windows, starts, rows = _windows(batch, many=by is not None)
        counted = profiles_within(rows, starts, layouts, layouts if sketched else ())
        for window, new in zip(windows, counted, strict=True):
            old = by_window.get(window)
            by_window[window] = new if old is None else {name: old[name] + profile for name, profile in new.items()}
    return dict(sorted(by_window.items(), key=lambda item: str(item[0])))


def profiles_within(
    rows: pl.DataFrame, starts: Starts, layouts: Mapping[str, Layout], sketched: Container[str]
) -> list[dict[str, ColumnProfile]]:
    """Return the profile of each of some neighbouring stretches of rows.

    `starts` says where each begins, and where the last one ends.

    Args:
        sketched: the columns of which different values are counted; sketches of the others are empty.
    """

    def count(name: str) -> list[ColumnProfile]:
        if len(starts) == 2:  # to sort the values is quicker than to tell where each belongs
            return [_profile_column(rows[name], layouts[name], sketched=name in sketched)]
        return profile_stretches(rows[name], starts, layouts[name], sketched=name in sketched)

    if rows.height > _WORTH_A_THREAD:
        with ThreadPoolExecutor(_THREADS) as threads:
            columns = list(threads.map(count, layouts))
    else:
        columns = [count(name) for name in layouts]
    return [{name: found[at] for name, found in zip(layouts, columns, strict=True)} for at in range(len(starts) - 1)]


def starts_of(lengths: Iterable[int]) -> Starts:
    """Return where neighbouring stretches of some lengths start, and last where the last one ends."""
    return np.cumsum([0, *lengths], dtype=np.intp)


def _batches(frame: pl.LazyFrame, layouts: Mapping[str, Layout], by: pl.Expr | None) -> Iterator[pl.DataFrame]:
    window = [] if by is None else [by.alias(PROFILED_ROW)]
    rows, size = frame.select(*layouts, *window), BATCH if by is None else _BATCH_OF_WINDOWS
    return iter(rows.collect_batches(chunk_size=size, maintain_order=False, engine="streaming"))


def _windows(batch: pl.DataFrame, *, many: bool) -> tuple[list[Hashable], Starts, pl.DataFrame]:
    """Return the windows of the rows of a batch, where each starts, and the rows in their order."""
    if not many:
        return [None], np.array([0, batch.height]), batch
    rows = batch.drop_nulls(PROFILED_ROW).sort(PROFILED_ROW)
    windows = rows[PROFILED_ROW].rle().struct.unnest()
    return windows["value"].to_list(), starts_of(windows["len"]), rows.drop(PROFILED_ROW)


def _profile_column(values: pl.Series, layout: Layout, *, sketched: bool = True) -> ColumnProfile:
    rows, nulls = len(values), values.null_count()
    if layout.kind is Kind.OTHER:
        return replace(empty_profile(layout), rows=rows, nulls=nulls, counts=np.array([rows - nulls]))
    known = without_nulls(comparable(values, layout.kind))
    if layout.kind is Kind.CATEGORY:
        return _profile_of_categories(known, layout, rows, nulls, sketched=sketched)
    return _profile_of_numbers(known, layout, rows, nulls, sketched=sketched)


def _profile_of_numbers(known: pl.Series, layout: Layout, rows: int, nulls: int, *, sketched: bool) -> ColumnProfile:
    ordered = np.sort(known.to_numpy())  # many times quicker than to look for each value's bin
    reached = np.searchsorted(ordered, layout.edges, side="right")
    first, end = np.searchsorted(ordered, -np.inf, side="right"), np.searchsorted(ordered, np.inf, side="left")
    finite = ordered[first:end]
    total, squares = moments_of_sorted(finite, layout.shift)
    return ColumnProfile(
        layout,
        rows,
        nulls,
        rows - nulls - len(ordered),
        len(ordered) - len(finite),
        np.diff(reached, prepend=0, append=len(ordered)),
        total,
        squares,
        float(finite[0]) + 0.0 if len(finite) else np.nan,  # of 0.0 and -0.0 either may have come first
        float(finite[-1]) + 0.0 if len(finite) else np.nan,
        _sketch(ordered) if sketched else distinct.EMPTY,
        (),
    )


def _profile_of_categories(known: pl.Series, layout: Layout, rows: int, nulls: int, *, sketched: bool) -> ColumnProfile:
    value_counts = known.rename("value").value_counts(name="n").join(layout.codes, on="value", how="left")
    bins = value_counts["bin"].fill_null(layout.bins - 1).to_numpy()
    counts: Counts = np.bincount(bins, weights=value_counts["n"].to_numpy(), minlength=layout.bins).astype(np.int64)
    unknown = value_counts.filter(pl.col("bin").is_null())["value"].bottom_k(EXAMPLES).sort().to_list()
    sketch = distinct.sketch_of(value_counts["value"]) if sketched else distinct.EMPTY
    return ColumnProfile(layout, rows, nulls, 0, 0, counts, NOTHING, NOTHING, np.nan, np.nan, sketch, tuple(unknown))


def _sketch(ordered: Floats) -> distinct.Sketch:
    """Return the sketch of sorted values, of which equal ones are neighbours."""
    new = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
    return distinct.sketch_of(pl.Series(ordered[new]))
