"""Online features as a frame, for notebooks, tests and jobs: the same answer that the server gives."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from feature_platform.compute.features.service import Selected, selections_of
from feature_platform.compute.serving.served_rows import STATUSES
from feature_platform.compute.serving.values import series_of
from feature_platform.declarations.service import FeatureService
from feature_platform.ground.errors import ColumnCollision
from feature_platform.ground.frames import AnyFrame, as_polars
from feature_platform.ground.working_columns import refuse_working_names
from feature_platform.online.base import OnlineStore
from feature_platform.serving.service import ServedService

STATUS = pl.Enum(STATUSES)


def online_features(
    wanted: FeatureService | Selected | Sequence[Selected],
    entities: AnyFrame,
    online: OnlineStore,
    now: datetime | None = None,
) -> pl.DataFrame:
    """Return the newest values of features, one row for each entity, in order.

    They are what `historical_features` says of a spine row at `now`: what has happened and is known by then.

    Args:
        wanted: a feature service, a view, a selection `view["a"]`, or a list of views and selections.
        entities: the join keys, and the fields that request-time features need.
        now: the moment that the values are of, with a zone; the current time by default.

    Returns:
        The entities, the features, then `<feature>__status` (`PRESENT`, `NULL_VALUE`, `NOT_FOUND`,
        `OUTSIDE_MAX_AGE`: older than the time to live, so that the value is null) and `<feature>__event_time` (UTC).

    Raises:
        NotServed: a view was never published.
        MissingColumns: a join key is not given.
        InvalidKey: a value cannot be a join key.
        WrongColumnName: the entities have a column with the name of one that the platform adds.
        ColumnCollision: the answer would have two columns of one name.
    """
    rows = as_polars(entities, "The entities").lazy().collect()
    refuse_working_names("The entities", rows.columns)
    columns = {name: rows[name].to_list() for name in rows.columns}
    with online.reader() as reader:
        served = ServedService(selections_of(wanted), reader)
        types = served.types()
        _refuse_twice(rows.columns, list(types))
        answer = served.columns(columns, rows.height, now or datetime.now(UTC))
    values = [series_of(name, types[name], texts) for name, texts in answer.values.items()]
    statuses = [
        pl.Series(f"{name}__status", [text[1:-1].decode() for text in texts], dtype=STATUS)
        for name, texts in answer.statuses.items()
    ]
    moment = pl.Datetime("us", "UTC")
    times = [series_of(f"{name}__event_time", moment, texts) for name, texts in answer.times.items()]
    return rows.hstack([*values, *statuses, *times])


def _refuse_twice(asked: Sequence[str], features: Sequence[str]) -> None:
    """Refuse columns that the answer would have twice, as a feature `x__status` beside `x`."""
    added_names = [f"{name}__{what}" for name in features for what in ("status", "event_time")]
    names = [*asked, *features, *added_names]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        remedy = "Rename them among the entities, select other features, or pass full_names=True to the service."
        raise ColumnCollision("The answer of `online_features`", twice, remedy)
