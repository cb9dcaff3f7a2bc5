"""Comparison: how far two frames are apart, as scores or as a page, and whether that is more than chance and habit."""

from collections.abc import Sequence

import polars as pl

from feature_platform.compute.drift.between import compare_frames, windows_of, with_first_values
from feature_platform.compute.drift.classifier import ROWS, measure_separation
from feature_platform.compute.drift.report import drift_page
from feature_platform.compute.profiles.counting import sample_rows
from feature_platform.declarations.drift_rule import DriftRule
from feature_platform.ground.frames import AnyFrame, as_polars
from feature_platform.ground.pictures.page import HtmlPage
from feature_platform.ground.working_columns import refuse_working_names


def drift_scores(
    reference: AnyFrame,
    current: AnyFrame,
    columns: Sequence[str] | None = None,
    event_time: str | None = None,
    every: str | None = None,
    *,
    rule: DriftRule | None = None,
) -> pl.DataFrame:
    """Compare two frames: return one row for each column and metric.

    A metric has drifted when its score reaches its threshold and Benjamini-Hochberg over all scores
    calls it no chance. Numbers, durations and times of day are compared as numbers; text, booleans and
    bytes as categories; of dates, moments and nested values only the absence (`null_rate`), and a row of the
    metric `values` says so. A NaN counts as absent.

    Args:
        columns: what to compare; all columns of the reference but its event time when None.
        event_time: a time column of the reference; with `every`, thresholds are learnt from its windows.
            Rows without a time are in no window and do not count. A current frame that has the column and
            lies in one window is compared with windows of the same weekday (days) or time of day (hours).
        every: the length of such a window, e.g. `1d`.
        rule: when a difference counts; `DriftRule()` when None. `sustained` has no meaning for two frames.

    Returns:
        `column`, `metric`, `score`, `threshold`, `drifted` (null when it cannot be said), `status` (`drifted`,
        `no drift`, `insufficient` below `rule.least_rows` rows, `not compared: ...`), `p_value`, `certain`
        (so far that it needs no second window), `n_reference` and `n_current` (rows with a value; all rows for
        `null_rate`), `n_windows` (that the threshold was learnt from, 0 when it is the metric's floor).

    Raises:
        MissingColumns: a frame lacks a column.
        WrongColumnType: a column holds numbers in one frame and categories in the other.
        InvalidDeclaration: an argument that means nothing, or a reference without rows.

    A lazy frame is read in batches, so that memory does not grow with its rows: the current one once, the
    reference once to count and once before for a sample that bins are made from.

    >>> import polars as pl
    >>> before = pl.DataFrame({"carrier": ["UA", "AA"] * 500})
    >>> after = pl.DataFrame({"carrier": ["UA", "B6"] * 500})
    >>> scores = drift_scores(before, after)
    >>> scores.filter("drifted").select("metric", "score").tail(2).rows()
    [('new_categories', 0.5), ('vanished_categories', 0.5)]
    """
    sides = with_first_values(_rows(reference, "The reference"), _rows(current, "The current frame"))
    frames = compare_frames(*sides, columns, windows_of(event_time, every))
    return frames.scores(rule or DriftRule())


def drift_report(
    reference: AnyFrame,
    current: AnyFrame,
    columns: Sequence[str] | None = None,
    event_time: str | None = None,
    every: str | None = None,
    *,
    rule: DriftRule | None = None,
    title: str = "Drift report",
) -> HtmlPage:
    """Return the scores of `fp.drift_scores` as one HTML page without scripts or anything loaded from elsewhere.

    Columns that drifted come first, with both distributions. A classifier judges all columns together on a
    sample of the rows; it is seeded, so the same frames give the same page.

    Args:
        columns, event_time, every, rule: as in `fp.drift_scores`.
        title: of the page.

    Returns:
        The HTML as text. A notebook shows it; `save(path)` writes it to a file.

    Raises:
        as `fp.drift_scores`.

    >>> import polars as pl
    >>> before = pl.DataFrame({"x": range(1000)})
    >>> html = drift_report(before, before.select(pl.col("x") + 500))
    >>> "1 of 1" in html, html.count("<svg") > 2, "<script" in html
    (True, True, False)
    """
    chosen, sides = (
        rule or DriftRule(),
        with_first_values(_rows(reference, "The reference"), _rows(current, "The current frame")),
    )
    frames = compare_frames(*sides, columns, windows_of(event_time, every))
    rows = [sample_rows(side.select(list(frames.references)), ROWS) for side in sides]
    separation = measure_separation(rows[0], rows[1], list(frames.references), chosen.least_rows)
    return drift_page(frames, frames.scores(chosen), separation, title)


def _rows(frame: AnyFrame, owner: str) -> pl.LazyFrame:
    rows = as_polars(frame, owner).lazy()
    refuse_working_names(owner, rows.collect_schema())
    return rows
