"""Pictures of a monitoring table: the columns that drifted most, and their scores over time."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from feature_platform.compute.drift.drawings import FEW_BINS, draw_distributions, metric_name
from feature_platform.compute.drift.reference import Reference
from feature_platform.compute.drift.summaries import (
    describe_moment,
    describe_row,
    format_score,
    sort_by_strength,
)
from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.ground.clock import microsecond_of, season_of
from feature_platform.ground.findings import FindingKind
from feature_platform.ground.pictures.embedded import INLINE, embed
from feature_platform.ground.pictures.facts import cut_to_room, share_text
from feature_platform.ground.pictures.markdown import escape_markdown
from feature_platform.ground.pictures.panels import Panel, panels_sheet
from feature_platform.ground.pictures.svg import number_text
from feature_platform.ground.pictures.trends import Trend, sparkline, trends_sheet
from feature_platform.parts.drift.base import Kind

WORST = 6  # columns or trends in one picture
_CATEGORIES = 6
_LETTERS = 60  # of a name where it stands
_SERIES = ["kind", "column", "metric"]


def drift_picture(
    references: Mapping[str, Reference],
    current: Mapping[datetime, Mapping[str, ColumnProfile]],
    rows: pl.DataFrame,
    every: int | None = None,
) -> str:
    """Draw the reference and the current values of the columns that drifted most, as a Markdown image; "" without any.

    Args:
        references: what each column was compared with.
        current: the windows that were compared, by their start; of a column the one that differs most is shown.
        rows: of the monitoring table, of one partition.
        every: the length of windows in microseconds, so that those of the season are shown; defaults to all.
    """
    drifted = rows.filter(pl.col("kind") == FindingKind.DRIFT, pl.col("found"))
    worst = sort_by_strength(drifted).unique("column", keep="first", maintain_order=True)
    panels = [
        _panel(row, references[row["column"]], current[row["window"]][row["column"]], every)
        for row in worst.iter_rows(named=True)
        if row["column"] in references and row["column"] in current.get(row["window"], {})
    ]
    if not panels:
        return ""
    caption = "Grey is the reference, blue what is there now."
    if len(panels) > WORST:
        caption += f" {len(panels) - WORST} more columns have drifted."
    return embed(panels_sheet("What has drifted most", caption, panels[:WORST]))


def score_trends(rows: pl.DataFrame) -> str:
    """Draw how the strongest alarming scores went over time, as a Markdown image; "" without an alarm.

    Args:
        rows: of the monitoring table, of all partitions that are to be seen.
    """
    trends = _trends(rows, WORST)
    return embed(trends_sheet("How scores went; dashed is the threshold, red an alarm", trends)) if trends else ""


def strongest_trend(rows: pl.DataFrame) -> str:
    """Return the strongest of `score_trends` in words and as an image.

    The image is so small that Dagster shows it in its place.
    """
    trends = _trends(rows, 1)
    if not trends:
        return ""
    caption = escape_markdown(
        f"{cut_to_room(trends[0].name, _LETTERS)}: {trends[0].said}, {trends[0].first} to {trends[0].last}"
    )
    return f"{caption}\n\n{sparkline(trends[0], INLINE - 2 * len(caption) - 2)}"  # a letter may count twice


def _panel(row: Mapping[str, object], column_reference: Reference, current: ColumnProfile, every: int | None) -> Panel:
    score = (
        f"{metric_name(str(row['metric']))} {format_score(row['score'])}, threshold {format_score(row['threshold'])}"
    )
    window = row["window"]
    reference = column_reference.whole
    if every is not None and isinstance(window, datetime):
        reference = column_reference.for_season(season_of(window, every))
    caption = [describe_moment(row)]
    if reference.layout.kind is Kind.NUMBER:
        caption.append(f"median {number_text(reference.quantile(0.5))} → {number_text(current.quantile(0.5))}")
    absent = [each.missing / each.rows if each.rows else 0.0 for each in (reference, current)]
    if any(absent):
        caption.append(f"missing {share_text(absent[0])} → {share_text(absent[1])}")
    return Panel(
        str(row["column"]), (score, " · ".join(caption)), draw_distributions(reference, current, FEW_BINS, _CATEGORIES)
    )


def _trends(rows: pl.DataFrame, most: int) -> list[Trend]:
    """Return a trend for each alarming thing: first those that alarm in the newest partition, then by strength."""
    newest = pl.col("partition") == pl.col("partition").max()
    alarms = sort_by_strength(rows.with_columns(now=newest).filter("alarm", pl.col("score").is_finite()), "now")
    chosen = alarms.unique(["kind", "column"], keep="first", maintain_order=True).head(most)
    return [_trend(_series(rows, row)) for row in chosen.select(_SERIES).iter_rows(named=True)]


def _series(rows: pl.DataFrame, row: Mapping[str, object]) -> pl.DataFrame:
    """Return all rows about the same thing, in order of time."""
    same = [pl.col(name).eq_missing(pl.lit(row[name], pl.String)) for name in _SERIES]
    return rows.filter(same).sort("partition", "window", nulls_last=False)


def _trend(series: pl.DataFrame) -> Trend:
    windows = [each for each in series["window"].to_list() if isinstance(each, datetime)]
    in_time = len(windows) == series.height
    newest = series.row(-1, named=True)
    return Trend(
        describe_row(newest) + (f" · {metric_name(newest['metric'])}" if newest["metric"] else ""),
        f"{format_score(newest['score'])}, threshold {format_score(newest['threshold'])}",
        [float(microsecond_of(each)) for each in windows] if in_time else [float(at) for at in range(series.height)],
        series["score"].to_list(),
        series["threshold"].to_list(),
        series["alarm"].fill_null(value=False).to_list(),
        describe_moment(series.row(0, named=True)),
        describe_moment(newest),
        below=(1 / series["threshold"]).to_list() if newest["kind"] == FindingKind.VOLUME else (),
    )
