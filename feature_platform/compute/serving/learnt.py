"""What the imputations of a service have learnt, as a served table: one entry for each feature and group."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from feature_platform.compute.serving.entries import entries_of
from feature_platform.compute.serving.keys import key_expr
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.compute.serving.values import texts_of
from feature_platform.compute.transforms.fitted import values_of
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.clock import rfc3339

GROUP_KEYS: Mapping[str, pl.DataType] = {"feature": pl.String(), "group": pl.String()}
NO_GROUP = ""
_VALUE: Mapping[str, pl.DataType] = {"value": pl.String()}


def learnt_table(service: str) -> str:
    """Return the name of the table of a service; no view can have it.

    >>> learnt_table("delay_v1")
    'imputation.delay_v1'
    """
    return f"imputation.{service}"


def served_statistics(
    service: str, statistics: pl.DataFrame, *, versions: Mapping[str, int], now: datetime
) -> tuple[ServedTable, pl.DataFrame]:
    """Return the table of a service and its entries: groups and values as JSON, by feature and group.

    Args:
        statistics: as `compute.fitted.fitted_statistics` gives them.
    """
    parts = [pl.DataFrame(schema={**GROUP_KEYS, **_VALUE})]
    for feature in statistics["feature"].unique(maintain_order=True):
        learnt_values = values_of(statistics, feature)
        groups = [NO_GROUP] * learnt_values.height
        if learnt_values.width > 1:
            groups = [text.decode() for text in texts_of(learnt_values.to_series(0))]
        values = [text.decode() for text in texts_of(learnt_values["value"])]
        parts.append(pl.DataFrame({"feature": feature, "group": groups, "value": values}, schema=parts[0].schema))
    name, moment = learnt_table(service), rfc3339(now)
    table = ServedTable(name, ViewKind.ROW, GROUP_KEYS, _VALUE, versions=versions, published_at=moment)
    rows = pl.concat(parts)
    return table, entries_of(rows, key_expr(GROUP_KEYS), pl.Schema(_VALUE), event=None, now=now)
