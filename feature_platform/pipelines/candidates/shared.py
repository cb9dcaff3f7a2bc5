"""What candidates of all kinds share: the partitions that a run computes, and how rows become a candidate."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial

import polars as pl

from feature_platform.compute.transforms.rows import drop_default_rows
from feature_platform.declarations.code_version import code_of
from feature_platform.declarations.label import Label
from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.ground import clock
from feature_platform.ground.errors import SourceUnreadable
from feature_platform.offline.staging import Rows
from feature_platform.pipelines.profiling import ProfileSpec
from feature_platform.pipelines.results import Candidate

Span = tuple[datetime, datetime]
LEFT_PINNED = "partitions_left_as_pinned"


def requested_partitions(
    span: Span | None, grid: Partitions, present: Iterable[str | None], now: datetime
) -> list[str]:
    """Return the partitions of a span; without one, all from the first to the last with data.

    A span that begins with all time begins with the first partition that has data.

    An older version of the platform may have written a partition beyond what is taken in now, see
    `Partitions.accepted_range`. It is among them, and none is made between it and the others.
    """
    if span is not None and span[0] > clock.ALWAYS:
        return grid.overlapping(*span)
    usual, beyond = grid.divide((key for key in present if key), now)
    if span is not None:
        return grid.overlapping(clock.partition_bounds(usual[0], grid.grain, "The data")[0], span[1]) if usual else []
    if not usual:
        return beyond
    first, last = (clock.partition_bounds(key, grid.grain, "The data") for key in (usual[0], usual[-1]))
    return sorted({*grid.overlapping(first[0], last[1]), *beyond})


@contextmanager
def reading_source(source: Source) -> Iterator[None]:
    """Read rows of a source.

    Raises:
        SourceUnreadable: they cannot be read.
    """
    try:
        yield
    except source.connector.failures as error:
        reason = source.connector.hide_secrets(str(error).strip().splitlines()[0])
        raise SourceUnreadable(
            source.name, source.connector.culprit(source.name), reason, source.connector.remedy
        ) from error


def _comments_of(asset: Source | FeatureView | Label | Spine) -> dict[str, str] | None:
    """Return what people should know of the columns of a view; None for others, which say nothing of their columns."""
    if not isinstance(asset, FeatureView):
        return None
    return {name: about.description for name, about in asset.about.items() if about.description}


def candidate_of(
    asset: Source | FeatureView | Label | Spine,
    rows: Rows,
    *,
    keys: Sequence[str] | None = None,
    grid: Partitions | None = None,
    inputs: dict[str, int] | None = None,
    rows_in: int = 0,
    notes: dict[str, int] | None = None,
    extra: dict[str, str] | None = None,
    delivered: dict[str, int] | None = None,
    units: Mapping[str, str] | None = None,
    kept: Mapping[str, str] | None = None,
    execution: str = "",
    held: Sequence[str] = (),
) -> Candidate:
    """Return rows of an asset as a candidate for some partitions, or for the whole table when `keys` is None.

    Args:
        held: the requested partitions that are not among `keys` because a pin holds them.
    """
    time, spec, code = asset.event_time, profile_spec_of(asset), code_of(asset)
    right = isinstance(asset, FeatureView) and asset.closes_right
    partition_of = (
        clock.partition_of(pl.col(time), grid.grain, "right" if right else "left")
        if keys is not None and grid and time
        else None
    )
    return Candidate(
        asset=asset.asset,
        rows=rows,
        code_version=code.version,
        functions=code.functions,
        comments=_comments_of(asset),
        expectations=asset.expectations,
        partitions=keys,
        partition_of=partition_of,
        grain=grid.grain if grid else None,
        sort_by=_sort_by(asset) if asset.partitioned else [],
        audited=spec.facts,
        inputs=inputs or {},
        rows_in=rows_in,
        notes={**(notes or {}), **({LEFT_PINNED: len(held)} if held else {})},
        extra=extra or {},
        delivered=delivered or {},
        units=units if units is not None else {},
        kept=kept or {},
        execution=execution,
        keys=spec.keys,
        identity=spec.identity,
        held=held,
    )


def profile_spec_of(asset: Source | FeatureView | Label | Spine | TrainingSet) -> ProfileSpec:
    """Return what of an asset's rows is profiled.

    No two rows of a source should be the same; no two of a label should say when the same thing happened. A view may
    have several rows of a key, and a training set has the rows of its spine, which has a key once at a moment.
    """
    match asset:
        case Source():
            return ProfileSpec(identity=())
        case Label():
            clocks = (asset.event_time, asset.known_at)
            return ProfileSpec(
                asset.join_keys, list(dict.fromkeys([*asset.join_keys, *(each for each in clocks if each)]))
            )
        case FeatureView():
            return ProfileSpec(asset.join_keys, facts=partial(drop_default_rows, asset) if is_windowed(asset) else None)
        case Spine():
            return ProfileSpec(asset.join_keys, (SPINE_TIME, *asset.join_keys) if asset.join_keys else None)
        case TrainingSet():
            return ProfileSpec(tuple(dict.fromkeys(key for view in asset.service.views for key in view.join_keys)))


def _sort_by(asset: Source | FeatureView | Label | Spine) -> list[str]:
    """Return how rows are sorted in a partition: by key, time and known-at, which a windowed view does not need."""
    keys = () if isinstance(asset, Source) else asset.join_keys
    clocks = (asset.event_time, None if is_windowed(asset) else asset.known_at)
    return list(dict.fromkeys([*keys, *(each for each in clocks if each)]))
