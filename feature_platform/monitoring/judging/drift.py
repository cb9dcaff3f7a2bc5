"""Drift of a partition: its windows against those of the reference, and whether a difference lasts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from feature_platform.compute.drift.decision import lasting
from feature_platform.compute.drift.reference import LEAST_WINDOWS, Reference
from feature_platform.compute.drift.scores import INSUFFICIENT, ScoredWindow, score_windows
from feature_platform.compute.drift.words import drift_in_words
from feature_platform.compute.profiles.kinds import why_not
from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.watches.monitored import JUDGED
from feature_platform.declarations.drift_rule import DriftRule
from feature_platform.declarations.monitor import Range
from feature_platform.ground.clock import microsecond_of, season_of, shift_moment, windows_between
from feature_platform.ground.findings import FindingKind
from feature_platform.monitoring.judging.alike import with_alike
from feature_platform.monitoring.judging.teaching import Teaching
from feature_platform.monitoring.judging.versions import thing_of
from feature_platform.monitoring.judging.volume import window_volumes
from feature_platform.monitoring.judging.windows import WindowCounts, Windows

VOLUMES = thing_of(FindingKind.VOLUME, None)


@dataclass(frozen=True)
class DriftJudgement:
    """The answers about one partition.

    Attributes:
        rows: in columns of `JUDGED`.
        references: what each column was compared with.
        current: its windows.
        every: how long they are, in microseconds; None without any.
    """

    rows: pl.DataFrame
    references: Mapping[str, Reference] = field(default_factory=dict)
    current: Windows = field(default_factory=dict)
    every: int | None = None


def judge_drift(
    window_counts: WindowCounts, key: str, before: pl.DataFrame, teaching: Teaching, entities: int | None = None
) -> DriftJudgement:
    """Compare the windows that end in a partition with those of its reference; no rows without a reference.

    Args:
        before: the answers about earlier partitions of the table, for differences that last.
        teaching: which windows of the reference teach, and about what.
        entities: how many different keys the partition has, about; None in a table without any.
    """
    snapshot, monitor, every = window_counts.snapshot, window_counts.monitor, window_counts.every
    bounds = snapshot.bounds(key)
    span = _leave_out_unsettled(monitor.range_of(*bounds), bounds, every * monitor.rule.sustained[1])
    if not (span[0] < span[1] and snapshot.between(*span)):
        return DriftJudgement(pl.DataFrame(schema=JUDGED))
    special = teaching.windows(key, span, trailing=monitor.trailing and monitor.season is None)
    taught = {column: starts for (_, column), starts in special.items() if column is not None}
    layouts = window_counts.turn_to(key, span, taught)
    reference = window_counts.within(span, layouts)
    if not reference:
        return DriftJudgement(pl.DataFrame(schema=JUDGED))
    own = shift_moment(bounds[0], 1 - every), bounds[1]
    current = window_counts.within(own, layouts)
    older = window_counts.windows_at(
        {start for starts in special.values() for start in starts if start < span[0]}, layouts
    )
    references = references_of(reference, layouts, every) | {
        name: _reference({**older, **reference}, starts, name, layouts[name], every)
        for name, starts in taught.items()
        if name in layouts
    }
    compared = [ScoredWindow(start, season_of(start, every), columns, entities) for start, columns in current.items()]
    reasons = {name: reason for name in layouts if (reason := why_not(snapshot.types[name]))}
    scores = score_windows(references, compared, monitor.rule, why_not=reasons)
    if by_key := with_alike(window_counts, compared, scores):
        scores = score_windows(references, by_key, monitor.rule, why_not=reasons)
    answers = (
        _as_monitoring_rows(scores, before, monitor.rule, span, taught) if current else pl.DataFrame(schema=JUDGED)
    )
    lists = {name for name in layouts if isinstance(snapshot.types[name], pl.List)}
    answers = _add_words(answers, references, current, every, lists)
    known = [*older, *windows_between(min(reference), span[1], every)]
    usual = [each for each in special[VOLUMES] if each >= min(known)] if VOLUMES in special else known[len(older) :]
    calendar = snapshot.calendar if microsecond_of(bounds[1]) - microsecond_of(bounds[0]) == every else None
    now = _rows(current, windows_between(*own, every))
    volumes = window_volumes(_rows({**older, **reference}, usual), now, every, calendar)
    return DriftJudgement(pl.concat([answers, volumes]), references, current, every)


def _leave_out_unsettled(span: Range, bounds: Range, length: int) -> Range:
    """Return a reference without the windows right before the partition, which are judged themselves and not settled.

    Otherwise a difference would be usual on its second day.
    """
    high = min(span[1], shift_moment(bounds[0], -length))
    return span[0], max(span[0], high)


def references_of(windows: Windows, layouts: Mapping[str, Layout], every: int) -> dict[str, Reference]:
    """Return the reference of each column."""
    seasons = [season_of(start, every) for start in windows]
    return {
        name: Reference(layout, [each[name] for each in windows.values()], seasons) for name, layout in layouts.items()
    }


def _reference(windows: Windows, starts: Sequence[datetime], name: str, layout: Layout, every: int) -> Reference:
    """Return the reference of a column for which only some windows teach."""
    there = [each for each in starts if each in windows]
    return Reference(layout, [windows[each][name] for each in there], [season_of(each, every) for each in there])


def _as_monitoring_rows(
    scores: pl.DataFrame, before: pl.DataFrame, rule: DriftRule, span: Range, taught: Mapping[str, Sequence[datetime]]
) -> pl.DataFrame:
    """Return scores as rows of a monitoring table."""
    few = (pl.col("n_windows") < LEAST_WINDOWS) & ~pl.col("status").str.starts_with("not compared")
    answers = scores.with_columns(
        found=pl.when(~few).then("drifted"),
        certain=pl.when(~few).then("certain"),
        status=pl.when(few).then(pl.lit(INSUFFICIENT)).otherwise("status"),
    )
    flags = _flags(answers, before, rule)
    reference = pl.lit(f"in {span[0]:%Y-%m-%d} to {span[1]:%Y-%m-%d}")
    if taught:  # what alarmed is left out, and older windows are taken in
        periods = {name: f"in {min(each):%Y-%m-%d} to {max(each):%Y-%m-%d}" for name, each in taught.items() if each}
        chosen = pl.col("column").replace_strict(periods, default=None, return_dtype=pl.String)
        reference = pl.coalesce(pl.format("{} without what alarmed", chosen), reference)
    rows = answers.join(flags, on=["window", "column"], how="left", maintain_order="left").with_columns(
        kind=pl.lit(FindingKind.DRIFT),
        alarm=pl.col("lasts") & pl.col("found").fill_null(value=False),
        severity=pl.lit("warning"),
        measure=pl.col("metric"),
        compared_to=pl.format("{} values {}", "n_reference", reference),
        evidence=pl.when("found").then(
            pl.format("{} {} (threshold {})", "metric", pl.col("score").round(4), pl.col("threshold").round(4))
        ),
    )
    return rows.select(JUDGED.names()).cast(JUDGED)


def _add_words(
    rows: pl.DataFrame, references: Mapping[str, Reference], current: Windows, every: int, lists: Collection[str]
) -> pl.DataFrame:
    """Replace the evidence of each drifted column by words that say what it was and what it is."""
    drifted = rows.filter(pl.col("found")).select("window", "column").unique(maintain_order=True)
    words = [
        drift_in_words(
            references[column].for_season(season_of(window, every)), current[window][column], lengths=column in lists
        )
        for window, column in drifted.iter_rows()
    ]
    texts = drifted.with_columns(words=pl.Series(words, dtype=pl.String).replace("", None))
    worded = rows.join(texts, on=["window", "column"], how="left", maintain_order="left")
    return worded.with_columns(evidence=pl.coalesce("words", "evidence")).select(rows.columns)


def _flags(answers: pl.DataFrame, before: pl.DataFrame, rule: DriftRule) -> pl.DataFrame:
    """Tell for each window and column whether its difference lasts; earlier windows count, too."""
    earlier = before.filter(pl.col("kind") == FindingKind.DRIFT, pl.col("window") < answers["window"].min())
    both = pl.concat([each.select("window", "column", "found", "certain") for each in (earlier, answers)])
    flags = both.group_by("window", "column").agg(pl.col("found", "certain").any()).sort("column", "window")
    lasts = lasting(pl.col("found"), pl.col("certain"), *rule.sustained).over("column")
    return flags.select("window", "column", lasts=lasts)


def _rows(windows: Windows, expected: Sequence[datetime]) -> dict[datetime, int]:
    """Return how many rows each expected window has; 0 where there are none."""
    return {start: next(iter(windows[start].values())).rows if start in windows else 0 for start in expected}
