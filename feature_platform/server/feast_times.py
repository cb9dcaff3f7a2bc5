"""Times as Feast writes them: whole seconds since 1970, where the store holds RFC 3339 text."""

from collections.abc import Sequence
from datetime import date, datetime, timezone

import msgspec
import polars as pl

from feature_platform.compute.serving.values import NULL
from feature_platform.ground.clock import microsecond_of


def seconds_of(texts: Sequence[bytes], dtype: pl.DataType) -> Sequence[bytes]:
    """Convert the JSON texts of a column of times, days, or lists of these into seconds; `null` stays.

    >>> seconds_of([b'"1970-01-02T00:00:00.900000Z"', b"null"], pl.Datetime("us", "UTC"))
    [b'86400', b'null']
    """
    if isinstance(dtype, (pl.List, pl.Array)):
        return [NULL if text == NULL else _list(text) for text in texts]
    return [NULL if text == NULL else b"%d" % _seconds(text[1:-1].decode()) for text in texts]


def _list(text: bytes) -> bytes:
    values = msgspec.json.decode(text, type=list[str | None])
    return msgspec.json.encode([None if value is None else _seconds(value) for value in values])


def _seconds(text: str) -> int:
    """Return the second that a moment is in; a day is its first moment, a time without a zone is UTC."""
    moment = (
        datetime.fromisoformat(text) if "T" in text else datetime.combine(date.fromisoformat(text), datetime.min.time())
    )
    return microsecond_of(moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)) // 1_000_000
