"""Messages as they come from a topic: frames of bytes, each with its place in its stream and when it arrived there."""

import polars as pl

from feature_platform.compute.transforms.pushed import ORIGIN
from feature_platform.ground.working_columns import ARRIVED_AT, PUSH, PUSH_ROW, SPOOL

MESSAGE_KEY, MESSAGE_VALUE, REASON = "key", "value", "reason"
MESSAGES = pl.Schema(
    {
        SPOOL: pl.String(),
        PUSH: pl.Int64(),
        ARRIVED_AT: ORIGIN[ARRIVED_AT],
        MESSAGE_KEY: pl.Binary(),
        MESSAGE_VALUE: pl.Binary(),
    }
)
"""A message: its stream, its number there, when the broker got it (UTC), key and value; a tombstone has no value."""


def positions_after(messages: pl.DataFrame) -> dict[str, int]:
    """Return the number of the next message of each stream, after some were read."""
    return dict(messages.group_by(SPOOL).agg(pl.col(PUSH).max() + 1).iter_rows())


def refused_messages(messages: pl.DataFrame, reasons: pl.Series) -> pl.DataFrame:
    """Return messages that could not be taken as the table `unreadable/<source>` has them: with the reason."""
    origin = messages.with_columns(pl.lit(0, dtype=pl.Int64).alias(PUSH_ROW), reasons.alias(REASON))
    return origin.select(MESSAGE_KEY, MESSAGE_VALUE, REASON, *ORIGIN)
