"""Candidates of spines of requests: what a service was asked, from one version of its request log."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from feature_platform.compute.serving.logged_requests import REQUEST_COLUMNS, read_asked_rows
from feature_platform.compute.spines.choice import choose_rows, hashable_columns
from feature_platform.compute.transforms.request_fields import convert_request
from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.spine import LoggedRequests, Spine
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import VersionNotFound
from feature_platform.offline import OfflineStore
from feature_platform.offline.history import PartitionState
from feature_platform.offline.names import WHOLE
from feature_platform.offline.staging import collect_in_batches
from feature_platform.pipelines.candidates.pinned import held_partitions
from feature_platform.pipelines.candidates.shared import candidate_of
from feature_platform.pipelines.results import Candidate
from feature_platform.pipelines.tables import key_types

CLIPPED = "request_values_clipped"
_NEWEST_DAY = "newest_request_day"


def requests_candidate(spine: Spine, rule: LoggedRequests, store: OfflineStore) -> Candidate:
    """Return the rows of a spine of requests from the newest version of the request log; none where there is no log.

    The rows are read before they are written, so that what was clipped is counted in the commit.

    Raises:
        TableNotFound: a view of the service was never materialized.
        InvalidKey, WrongColumnType, OutsideBounds: a request in the log would be refused by the service of today.
    """
    inputs = {rule.table: store.latest_version(rule.table)} if store.exists(rule.table) else {}
    if WHOLE in held_partitions(spine, store):
        return candidate_of(spine, [], inputs=inputs, held=[WHOLE])
    version = inputs.get(rule.table)
    logged = pl.LazyFrame(schema=_LOGGED) if version is None else store.read(rule.table, version=version)
    newest_day = _newest_day(logged)
    if rule.since is not None:
        logged = logged.filter(pl.col("at") >= pl.lit(rule.since, UTC))
    types, clipped, rows_in = key_types(rule.service, store), Counter[str](), 0
    chosen = [_asked_rows(spine, rule, logged.clear().collect(), types, clipped)]
    for batch in collect_in_batches(logged.select(REQUEST_COLUMNS)):
        chosen.append(_asked_rows(spine, rule, batch, types, clipped))
        rows_in += batch.height
    rows = pl.concat(chosen).unique(maintain_order=True)
    rows = rows.sort(SPINE_TIME, *(name for name in hashable_columns(rows.schema) if name != SPINE_TIME))
    extra = {_NEWEST_DAY: newest_day}
    notes = {CLIPPED: clipped.total()} if clipped else {}
    return replace(candidate_of(spine, [rows], inputs=inputs, rows_in=rows_in, notes=notes, extra=extra), reshapes=True)


def has_other_requests(rule: LoggedRequests, store: OfflineStore, states: Mapping[str, PartitionState]) -> bool:
    """Tell whether a request log has requests of a later day (UTC) than those that a spine was made from.

    A server writes every few seconds, and a spine, with the training sets over it, need not be made again as often.
    """
    if WHOLE not in states or not store.exists(rule.table):
        return False
    read = states[WHOLE].inputs.get(rule.table)
    try:
        if read is not None and not store.changed_since(rule.table, read):
            return False
    except VersionNotFound:  # the log was made anew, or its commits are older than what it keeps
        return True
    return _newest_day(store.read(rule.table)) > states[WHOLE].extra.get(_NEWEST_DAY, "")


_LOGGED = pl.Schema({"at": UTC, "entities": pl.String(), "statuses": pl.String()})


def _newest_day(logged: pl.LazyFrame) -> str:
    """Return the day of the newest request, such as `2024-05-01`; nothing where there is none."""
    newest = logged.select(pl.col("at").max().dt.strftime("%Y-%m-%d")).collect().item()
    return "" if newest is None else str(newest)


def _asked_rows(
    spine: Spine, rule: LoggedRequests, logged: pl.DataFrame, types: Mapping[str, pl.DataType], clipped: Counter[str]
) -> pl.DataFrame:
    """Return the chosen rows of some requests, in the declared types; counts what was replaced by a bound."""
    service = rule.service
    owner = f"Spine `{spine.name}`: the request log of `{service.name}`"
    rows = read_asked_rows(logged, types, service.request, owner).unique(maintain_order=True)
    rows = choose_rows(rows, rule.share, [*types, SPINE_TIME], spine.name)
    rows = _convert_fields(service, rows, clipped)
    return rows.select(SPINE_TIME, pl.exclude(SPINE_TIME))


def _convert_fields(service: FeatureService, rows: pl.DataFrame, clipped: Counter[str]) -> pl.DataFrame:
    """Return rows with the request fields as the features of a service are computed from them."""

    def saw_clipped(name: str, count: int) -> None:
        clipped[name] += count

    fields: set[str] = set()
    for selection in service.on_demand:
        wanted = {name: dtype for name, dtype in selection.request.items() if name not in fields}
        bounded = service.bounded
        rows = convert_request(selection.view, rows, wanted, saw_clipped, bounded=bounded, is_spine=True)
        fields |= wanted.keys()
    return rows
