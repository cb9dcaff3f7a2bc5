"""Trials: run the functions of partitioned tables on some rows before a run relies on them.

A table without partitions is made of all rows at once, so its functions may do anything.
"""

from collections.abc import Iterable, Mapping
from functools import partial

import polars as pl

from feature_platform.compute.plans.cuts import TRIED, Cut
from feature_platform.compute.transforms.rows import as_events, prepare_rows, transform_rows
from feature_platform.compute.transforms.separable import is_separable
from feature_platform.compute.transforms.steady_functions import require_steady_function
from feature_platform.declarations.label import Label
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.ground import clock
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.pipelines.candidates.upstream import Upstream

_PARTITIONS = 20  # that a trial reads at most


def try_prepare(source: Source, raw: pl.LazyFrame, grid: Partitions) -> None:
    """Try `prepare` of a partitioned source on the first rows of it.

    Raises:
        NotTheSameInParts: rows of one partition depend on those of another.
        NotRepeatable: the same rows give other results.
    """
    if source.prepare is None or not source.partitioned:
        return
    half = TRIED // 2
    Cut(
        owner=f"Source `{source.name}`",
        role="prepare",
        function=partial(prepare_rows, source),
        time=str(source.event_time),
        given=None,
        part_of=partial(clock.partition_start_of, grain=grid.grain),
        remedy="A partition is made of its own rows. Work row by row, or within one event time "
        f'(`unique` and `over` with "{source.event_time}" among their columns); '
        "or give the source partitioned=False, and each run makes all of it.",
    ).check(
        raw.collect_schema(),
        lambda most: raw.head(most).collect(),
        lambda: pl.concat([raw.head(half).collect(), raw.tail(half).collect()]),
    )


def try_function(upstream: Upstream, schema: pl.Schema, upto: str) -> None:
    """Try the function of a view or label over a partitioned source on rows that the source has.

    Args:
        schema: the columns that the function is given.
        upto: the newest partition of the run; older ones are tried as well when it has few rows.

    Raises:
        NotTheSameInParts: rows of one moment depend on those of another.
        NotRepeatable: the same rows give others.
    """
    asset, source = upstream.asset, upstream.asset.source
    kind = "Label" if isinstance(asset, Label) else "Feature view"

    def sample(most: int) -> pl.DataFrame:
        stored = upstream.read_partitions(_trial_partitions(upstream.rows, upto))
        return upstream.enrich(as_events(source, stored).head(most)).collect()

    Cut(
        owner=f"{kind} `{asset.name}`",
        role="its function",
        function=partial(transform_rows, asset),
        time=str(source.event_time),
        given=str(source.event_time),
        part_of=lambda time: time,
        remedy=f"A run makes some days at a time. Work row by row, {_alternative_to(asset)}; "
        "or give the source partitioned=False, and each run makes all of it.",
    ).check(schema, sample, pl.DataFrame)


def require_single_rows(upstream: Upstream, schema: pl.Schema) -> None:
    """Refuse the function of a view whose events may have several versions unless it works on single rows.

    Versions of one event come as rows of one time, and only one of them counts at a moment.

    Args:
        schema: the columns that the function is given.

    Raises:
        InvalidDeclaration: Polars does not prove that each of its rows comes of one row; or a row view decides by what
            may be known late which rows there are.
    """
    asset = upstream.asset
    if isinstance(asset, Label) or not asset.has_versions:
        return
    if is_separable(asset.transform, schema):
        if not is_windowed(asset):
            require_steady_function(asset, schema)
        return
    raise InvalidDeclaration(
        f"Feature view `{asset.name}`",
        "has a function that Polars does not show to work on single rows, and its events may have several versions",
        "Use expressions on one row, without group_by, unique, over, sort and Python functions, or enrich by rows "
        "without a known-at clock.",
    )


def _alternative_to(asset: FeatureView | Label) -> str:
    """Return what to write instead, as a part of the remedy."""
    if isinstance(asset, Label) or is_windowed(asset):
        return f'or within one event time (`over` and `group_by` with "{asset.source.event_time}" among their columns)'
    return "or aggregate earlier rows by aggregations=[...]"


def _trial_partitions(rows: Mapping[str, int], upto: str) -> list[str]:
    """Return the newest partitions that a trial reads, as many as it needs."""
    return list(_newest({key: count for key, count in rows.items() if count and key <= upto}))


def _newest(rows: Mapping[str, int]) -> Iterable[str]:
    seen = 0
    for key in sorted(rows, reverse=True)[:_PARTITIONS]:
        if seen < TRIED:
            yield key
        seen += rows[key]
