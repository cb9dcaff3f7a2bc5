"""A training set: a spine of moments, the features known at each, and the label learnt later."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from feature_platform.declarations.label import Label
from feature_platform.declarations.naming import SPINE_TIME, describe_value, validate_kind, validate_name
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.source import Source, validate_owner
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.split import Sample, Split, Weights
from feature_platform.ground.clock import microseconds, utc
from feature_platform.ground.errors import InvalidDeclaration, MissingColumns, MissingRequestField
from feature_platform.ground.frames import AnyFrame, as_polars
from feature_platform.ground.table_names import TableKind
from feature_platform.parts.sources import Frame

Stale = Literal["warn", "refuse", "ignore"]
_STALE: tuple[Stale, ...] = ("warn", "refuse", "ignore")


@dataclass(frozen=True, init=False, eq=False)
class TrainingSet:
    """What a model is trained on: one row for each row of the spine, in its order.

    Args:
        spine: an `fp.Spine`, a source whose event time is the moment of prediction, or a frame with `event_timestamp`.
        label: the outcome; the first one of the key at or after the moment.
        horizon: how long after the moment an outcome may happen and still be its label.
        where: a condition on columns of the spine and on features, before gaps are filled; other rows are left out.
        sample: the keys whose rows are kept.
        split: the parts of its rows, in the column `training_part`.
        weights: the weights of its rows, in the column `training_weight`.
        stale: what a build does when a table it reads is stale or partly filled: `warn`, `refuse` or `ignore`.
    """

    name: str
    service: FeatureService
    spine: Source | Spine
    label: Label | None
    horizon: str | None
    where: pl.Expr | None
    sample: Sample | None
    split: Split | None
    weights: Weights | None
    stale: Stale
    owner: str | None
    description: str

    def __init__(
        self,
        name: str,
        *,
        service: FeatureService,
        spine: Source | Spine | AnyFrame,
        label: Label | None = None,
        horizon: str | None = None,
        where: pl.Expr | None = None,
        sample: Sample | None = None,
        split: Split | None = None,
        weights: Weights | None = None,
        stale: Stale = "warn",
        owner: str | None = None,
        description: str = "",
    ) -> None:
        culprit = f"Training set `{validate_name('Training set', name)}`"
        validate_kind(culprit, "service", service, FeatureService, "Give an fp.FeatureService.")
        if label is not None:
            validate_kind(culprit, "label", label, Label, "Give what @fp.label made, or None.")
        if not isinstance(spine, (Source, Spine)):
            spine = as_polars(
                spine,
                f"{culprit}, its spine,",
                "Give an fp.Spine, an fp.Source with an event_time, or a frame with `event_timestamp`.",
            )
        if isinstance(spine, pl.DataFrame):  # the columns of a lazy frame may take a read to know
            _check_spine(spine.schema, service, culprit)
        if isinstance(spine, (pl.DataFrame, pl.LazyFrame)):
            spine = Source(f"{name}_spine", Frame(spine), event_time=SPINE_TIME, partitioned=False)
        if not isinstance(spine, (Source, Spine)) or spine.event_time is None:
            raise InvalidDeclaration(
                culprit,
                f"has spine={describe_value(spine)}",
                "Give an fp.Spine, an fp.Source with an event_time, or a frame with `event_timestamp`.",
            )
        if horizon is not None and label is None:
            raise InvalidDeclaration(culprit, "has a horizon but no label", "Add label=... or drop the horizon.")
        if horizon is not None:
            microseconds(horizon, f"{culprit}, horizon,")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "service", service)
        object.__setattr__(self, "spine", spine)
        object.__setattr__(self, "label", label)
        object.__setattr__(self, "horizon", horizon)
        for word, value, kind, remedy in (
            ("where", where, pl.Expr, "Give a condition: where=pl.col('count_30d') > 0."),
            ("sample", sample, Sample, "Give fp.Sample(0.2, by=['customer'])."),
            ("split", split, Split, "Give fp.Split(test_from='2024-06-01')."),
            ("weights", weights, Weights, "Give fp.Weights.balanced('refunded')."),
        ):
            if value is not None:
                validate_kind(culprit, word, value, kind, remedy)
            object.__setattr__(self, word, value)
        object.__setattr__(self, "stale", validate_stale(culprit, stale))
        object.__setattr__(self, "owner", validate_owner(culprit, owner))
        object.__setattr__(self, "description", description)

    @property
    def asset(self) -> str:
        """Return its table in the offline store, which is its Dagster asset key, too."""
        return TableKind.TRAINING_SETS.of(self.name)


def validate_stale(owner: str, value: object) -> Stale:
    """Return what to do about tables that are not complete.

    Raises:
        InvalidDeclaration: it is none of the words.
    """
    for known in _STALE:
        if value == known:
            return known
    raise InvalidDeclaration(owner, f"has stale={describe_value(value)}", f"Use one of {', '.join(_STALE)}.")


def _check_spine(schema: pl.Schema, service: FeatureService, culprit: str) -> None:
    owner = f"{culprit}, its spine,"
    utc(schema, SPINE_TIME, owner)
    missing = sorted({key for view in service.views for key in view.join_keys} - set(schema))
    if missing:
        raise MissingColumns(owner, missing, schema)
    for selection in service.on_demand:
        if lacking := [name for name in selection.request if name not in schema]:
            raise MissingRequestField(selection.view.name, lacking, "The spine", schema)
