"""Accepting messages: what a source makes of them, and why some cannot be taken; a message is taken whole or not."""

from datetime import datetime
from functools import partial

import polars as pl

from feature_platform.compute.transforms.messages import map_messages
from feature_platform.compute.transforms.pushed import fit_columns
from feature_platform.compute.transforms.rows import prepare_rows
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.ground import clock
from feature_platform.ground.working_columns import PUSH, PUSH_ROW
from feature_platform.offline.schema import make_storable
from feature_platform.pipelines.pushes.accepting import compares_rows, refused_pushed_rows, row_expectations


def accept_rows(
    source: Source, stored: pl.Schema | None, raw: pl.DataFrame, arrived_at: pl.Series, grid: Partitions
) -> tuple[pl.DataFrame, dict[int, str]]:
    """Return the rows of the source that messages make, as its table has them, and the reasons against some messages.

    Whether a message is taken depends on itself alone: its times are compared with when it arrived.

    Args:
        stored: the columns of the source's table, when it has one.
        raw: a row for each message, in the declared schema.
        arrived_at: when each message arrived.

    Returns:
        Rows with `fp_push`, the place of their message, and `fp_push_row`, their place in it; the reasons by the place
        of the message.

    Raises:
        TransformFailed, PolarsError: `prepare` cannot take the messages.
        PushRefused: its rows are not what the table of the source has.
    """
    made = map_messages(partial(prepare_rows, source), raw, PUSH)
    places, bare = made[PUSH], made.drop(PUSH)
    fitted = make_storable(source.asset, bare) if stored is None else fit_columns(source, stored, bare)
    arrived = arrived_at.gather(places)
    reasons: dict[int, str] = {}
    for wrong, reason in _wrong_times(source, fitted, arrived, grid):
        reasons |= dict.fromkeys(places.filter(wrong), reason)
    if source.known_at is not None:
        known = pl.max_horizontal(source.known_at, pl.lit(arrived))
        fitted = fitted.with_columns(known.alias(source.known_at))
    numbered = fitted.with_columns(places.cast(pl.Int64).alias(PUSH))
    numbered = numbered.with_columns(pl.int_range(pl.len()).over(PUSH).alias(PUSH_ROW))
    for expect in row_expectations(source):
        if not compares_rows(expect):
            broken = refused_pushed_rows(numbered, expect)[PUSH]
            reasons = dict.fromkeys(broken, f"it breaks the expectation `{expect.check_name}`") | reasons
    return numbered.filter(~pl.col(PUSH).is_in(list(reasons))), reasons


def _wrong_times(
    source: Source, rows: pl.DataFrame, arrived: pl.Series, grid: Partitions
) -> list[tuple[pl.Series, str]]:
    """Return which rows have a time that no event can have, or that nobody could have known, with what is wrong."""
    earliest = min(grid.start or clock.EARLIEST, clock.EARLIEST)
    latest = pl.max_horizontal(pl.lit(arrived) + clock.SKEW, pl.lit(grid.end or clock.EARLIEST, dtype=clock.UTC))
    event, known = source.event_time, source.known_at
    wrong: list[tuple[pl.Expr, str]] = []
    if known is not None:
        outside = clock.side_of_interval(pl.col(known), clock.ALWAYS, clock.NEVER) != 0
        wrong.append((outside, f"its time `{known}` is beyond all years"))
    if event is not None:
        wrong += [
            (pl.col(event).is_null(), f"its event time `{event}` is missing"),
            (pl.col(event) >= latest, f"its event time `{event}` lies in the future"),
            (pl.col(event) < earliest, f"its event time `{event}` lies before the year {earliest.year}"),
        ]
    return [(rows.select(condition.fill_null(value=False)).to_series(), reason) for condition, reason in wrong]


def wrong_arrivals(arrived_at: pl.Series, now: datetime) -> dict[int, str]:
    """Return why messages cannot be taken by when the broker got them, by their places.

    The time of the broker is part of the name of a message, so it is taken as it is, or not at all: another reading
    must give the message the same name. The clock of the broker may be ahead of ours a little.
    """
    reasons = dict.fromkeys(arrived_at.is_null().arg_true(), "the broker does not say when it got it")
    ahead = (arrived_at > now + clock.SKEW).fill_null(value=False)
    return reasons | dict.fromkeys(ahead.arg_true(), "the broker got it in the future")
