"""A value in a row of a training set traced: in the versions that it was built from, to the view behind its column."""

from dataclasses import replace

import polars as pl

from feature_platform.compute.transforms.impute import flag_of
from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.ground.errors import InvalidDeclaration, UnknownName
from feature_platform.offline import OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.verification.tracing.making import are_alike
from feature_platform.verification.tracing.services import Asker
from feature_platform.verification.tracing.traced import Reason, TracedValue, only_value, show_value


def trace_training_row(
    training_set: TrainingSet, column: str, row: int, store: OfflineStore, version: int | None
) -> TracedValue:
    """Trace a feature in a row of a built training set; raises as `why_row`."""
    table, owner = training_set.asset, f"Training set `{training_set.name}`"
    at_version = store.latest_version(table) if version is None else version
    stored = store.read(table, version=at_version)
    rows = _one_row(owner, stored, row)
    service = training_set.service
    raw = FeatureService(service.name, service.selections, full_names=service.full_names)
    state = store.partition_states(table, at_version)[WHOLE]
    asked = {*raw.request, *(name for view in raw.views for name in view.join_keys)}
    key = {name: only_value(rows[name]) for name in rows.columns if name in asked}
    asker = Asker(key, rows[SPINE_TIME].item(), store, state.inputs)
    if column not in rows.columns:
        raise UnknownName(owner, "column", column, rows.columns)
    if column not in asker.columns_of(raw):
        flags = {flag_of(name) for name in service.impute}
        what = "says where a gap was filled" if column in flags else "is of its spine, its labels or its division"
        remedy = f"Ask for a feature: {', '.join(asker.columns_of(raw))}."
        raise InvalidDeclaration(f"{owner}, its column `{column}`,", what, remedy)
    found, value = asker.trace_service(raw, column), only_value(rows[column])
    is_filled = found.value is None and value is not None and column in service.impute
    agrees = is_filled or are_alike(value, found.value)
    made_from = ", ".join(f"{name}@{number}" for name, number in sorted(state.inputs.items()))
    steps = [("row", f"{row:,} of {table}@{at_version}"), ("made from", made_from)]
    if is_filled:
        rule = service.impute[column]
        steps.append(("filled", f"by {rule!r}, fitted to the rows of the training set before its moment"))
    elif not agrees:
        told = f"{table} says {show_value(value)}, the versions it was built from say {show_value(found.value)}."
        steps.append(("again", f"{told} Its code has changed since, or it was changed past the platform."))
    reason = Reason.FILLED if is_filled else Reason.PRESENT if value is not None else found.reason
    return replace(
        found,
        feature=f"{training_set.name}.{column}",
        value=value,
        reason=reason,
        steps=tuple(steps),
        stored=value,
        again=found.value,
        agrees=agrees,
        inputs=(found,),
    )


def _one_row(owner: str, rows: pl.LazyFrame, row: int) -> pl.DataFrame:
    found = rows.slice(row, 1).collect() if isinstance(row, int) and row >= 0 else pl.DataFrame()
    if found.height != 1:
        count = rows.select(pl.len()).collect().item()
        raise InvalidDeclaration(f"{owner}, row,", f"is {row!r}", f"It has the rows 0 to {count - 1}.")
    return found
