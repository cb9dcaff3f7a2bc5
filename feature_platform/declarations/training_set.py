"""A training set: a spine of moments, the features known at each, and the label learnt later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from feature_platform.declarations.label import Label
from feature_platform.declarations.naming import SPINE_TIME, describe_value, validate_kind, validate_name
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.source import Source, validate_owner
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.split import Sample, Split, Weights
from feature_platform.ground.clock import instant, microseconds, utc
from feature_platform.ground.errors import InvalidDeclaration, MissingColumns, MissingRequestField, UnknownName
from feature_platform.ground.frames import AnyFrame, as_polars
from feature_platform.ground.table_names import TableKind
from feature_platform.parts.aggregations import TimeTo
from feature_platform.parts.sources import Frame

Stale = Literal["warn", "refuse", "ignore"]
Immature = Literal["drop", "keep", "watch"]
_STALE: tuple[Stale, ...] = ("warn", "refuse", "ignore")
_IMMATURE: tuple[Immature, ...] = ("drop", "keep", "watch")
_PYTHON = ".python_udf()"  # as Polars writes the call of a Python function in an expression


@dataclass(frozen=True, init=False, eq=False)
class TrainingSet:
    """What a model is trained on: one row for each row of the spine, in its order.

    Labels that say when they are final bring the column `label_known_at`, from when on all labels of the row are; rows
    whose labels are not final are left out and counted. How far the data goes is read from the versions that are
    pinned, never from the clock, so that the same versions give the same rows.

    Args:
        spine: an `fp.Spine`, a source whose event time is the moment of prediction, or a frame with `event_timestamp`.
        label: the outcome; the first one of the key at or after the moment, or what its windows hold.
        labels: further outcomes; each row has the columns of all.
        labels_any: whether a row stays with one column of labels that is final; the others are null in it.
        horizon: how long after the moment the first row of a label may happen and still be its label; for several
            labels by their names, e.g. `{"refunded": "14d"}`.
        immature: what becomes of rows whose labels are not final: `drop`; `keep` them with nulls; or `watch`, where
            `fp.TimeTo` is the time that was watched so far.
        known_by: leaves out of the labels what became known later; the version says that when None.
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
    labels: tuple[Label, ...]
    labels_any: bool
    horizon: str | Mapping[str, str] | None
    immature: Immature
    known_by: datetime | None
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
        labels: Sequence[Label] = (),
        labels_any: bool = False,
        horizon: str | Mapping[str, str] | None = None,
        immature: Immature = "drop",
        known_by: str | datetime | None = None,
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
        every_label = _labels_of(culprit, label, labels)
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
        _check_horizons(culprit, every_label, horizon)
        _check_immature(culprit, every_label, immature, labels_any=labels_any)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "service", service)
        object.__setattr__(self, "spine", spine)
        object.__setattr__(self, "label", label)
        object.__setattr__(self, "labels", every_label)
        object.__setattr__(self, "labels_any", labels_any)
        object.__setattr__(self, "horizon", horizon if not isinstance(horizon, Mapping) else dict(horizon))
        object.__setattr__(self, "immature", immature)
        object.__setattr__(self, "known_by", None if known_by is None else instant(known_by, f"{culprit}, known_by,"))
        for word, value, kind, remedy in (
            ("where", where, pl.Expr, "Give a condition: where=pl.col('count_30d') > 0."),
            ("sample", sample, Sample, "Give fp.Sample(0.2, by=['customer'])."),
            ("split", split, Split, "Give fp.Split(test_from='2024-06-01')."),
            ("weights", weights, Weights, "Give fp.Weights.balanced('refunded')."),
        ):
            if value is not None:
                validate_kind(culprit, word, value, kind, remedy)
            object.__setattr__(self, word, value)
        _check_where(culprit, where)
        object.__setattr__(self, "stale", validate_stale(culprit, stale))
        object.__setattr__(self, "owner", validate_owner(culprit, owner))
        object.__setattr__(self, "description", description)

    @property
    def asset(self) -> str:
        """Return its table in the offline store, which is its Dagster asset key, too."""
        return TableKind.TRAINING_SETS.of(self.name)

    def horizon_of(self, label: Label) -> str | None:
        """Return how long after its moment the first row of a label may happen; None without a limit."""
        if not isinstance(self.horizon, Mapping):
            return None if label.aggregations else self.horizon
        return self.horizon.get(label.name)


def _check_where(culprit: str, where: pl.Expr | None) -> None:
    """Refuse a condition that calls a function of Python: the code version does not see what that says."""
    if where is not None and _PYTHON in str(where):
        raise InvalidDeclaration(
            culprit,
            "has a `where` that calls a function of Python",
            "Write it with expressions of Polars, or make a feature of it in a view.",
        )


def _labels_of(culprit: str, label: Label | None, labels: object) -> tuple[Label, ...]:
    """Return all labels, `label` first."""
    remedy = "Give a list of what @fp.label made: labels=[next_month]."
    if not isinstance(labels, Sequence) or not all(isinstance(each, Label) for each in labels):
        raise InvalidDeclaration(culprit, f"has labels={describe_value(labels)}", remedy)
    found = (label, *labels) if label is not None and label not in labels else tuple(labels)
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise InvalidDeclaration(culprit, f"has the label `{name}` twice", "Name each label once.")
    return found


def _check_horizons(culprit: str, labels: Sequence[Label], horizon: str | Mapping[str, str] | None) -> None:
    if horizon is not None and not labels:
        raise InvalidDeclaration(culprit, "has a horizon but no label", "Add label=... or drop the horizon.")
    of_rows = [each for each in labels if not each.aggregations]
    if isinstance(horizon, Mapping):
        for name in horizon:
            if name not in [each.name for each in of_rows]:
                raise UnknownName(f"{culprit}, horizon,", "label of rows", str(name), [each.name for each in of_rows])
            microseconds(horizon[name], f"{culprit}, horizon, `{name}`,")
    elif horizon is not None:
        microseconds(horizon, f"{culprit}, horizon,")
        if not of_rows:
            raise InvalidDeclaration(
                culprit, "has a horizon, and labels over windows only", "Drop it: their windows say how long they are."
            )
    for label in of_rows:
        given = horizon.get(label.name) if isinstance(horizon, Mapping) else horizon
        if label.look_ahead is not None and given is None:
            raise InvalidDeclaration(
                culprit,
                f"has no horizon for the label `{label.name}`, which is to be final",
                'Add horizon="14d": without one no end of its waiting can come.',
            )


def _check_immature(culprit: str, labels: Sequence[Label], immature: object, *, labels_any: object) -> None:
    if immature not in _IMMATURE:
        raise InvalidDeclaration(
            culprit, f"has immature={describe_value(immature)}", f"Use one of {', '.join(_IMMATURE)}."
        )
    if not isinstance(labels_any, bool):
        raise InvalidDeclaration(culprit, f"has labels_any={describe_value(labels_any)}", "Give True or False.")
    if immature == "watch" and not any(isinstance(each, TimeTo) for label in labels for each in label.aggregations):
        raise InvalidDeclaration(
            culprit, 'has immature="watch", and no label with fp.TimeTo', "Add one, or drop or keep such rows."
        )


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
